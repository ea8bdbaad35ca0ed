/** The plugin's web tools as the host calls them, and names that resolve as a test says. */
import dns from "node:dns";
import { syncBuiltinESMExports } from "node:module";
import { isIP } from "node:net";
import type { JsonObject } from "./layout.ts";
import { registeredWebProviders } from "./provider.ts";

/** What the host hands over with a call. */
export interface CallContext {
  readonly signal?: AbortSignal;
  readonly assertCurrent?: () => void;
}

/** Calls `web_search` with the host's settings in `tools.web.search`. */
export async function webSearch(
  args: JsonObject,
  settings: JsonObject = {},
  context?: CallContext,
): Promise<JsonObject> {
  const tool = registeredWebProviders().search.createTool({ searchConfig: settings });
  if (tool === null) {
    throw new Error("there is no search tool");
  }
  return await tool.execute(args, context);
}

/** Calls `web_fetch` with the host's settings in `tools.web.fetch`. */
export async function webFetch(
  url: string,
  settings: JsonObject = {},
  signal?: AbortSignal,
): Promise<JsonObject> {
  const tool = registeredWebProviders().fetch.createTool({ fetchConfig: settings });
  if (tool === null) {
    throw new Error("there is no fetch tool");
  }
  const args = { url, extractMode: "markdown", maxChars: 20_000 };
  return await tool.execute(args, signal === undefined ? undefined : { signal });
}

const realLookup = dns.promises.lookup;

/** Makes names resolve to addresses; every other name is unknown. {@link resolveForReal} ends it. */
export function resolveAs(names: Readonly<Record<string, readonly string[]>>): void {
  const lookup = async (host: string) => {
    const addresses = isIP(host) === 0 ? names[host] : [host];
    if (addresses === undefined) {
      throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: "ENOTFOUND" });
    }
    return addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  };
  dns.promises.lookup = lookup as unknown as typeof realLookup;
  syncBuiltinESMExports();
}

/** Ends what {@link resolveAs} began. */
export function resolveForReal(): void {
  dns.promises.lookup = realLookup;
  syncBuiltinESMExports();
}
