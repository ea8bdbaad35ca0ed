/**
 * How Kimi's servers are reached: HTTP/1.1 only, through the proxy that applies, by the host's own
 * rule for IPv4.
 *
 * The host puts its dispatcher where all copies of undici share it. Where that is more than a plain
 * agent (a proxy that the host manages), it is used; else the environment's proxy variables count.
 */

import net, { type Socket } from "node:net";
import os from "node:os";
import { callbackify, promisify } from "node:util";
import type { buildConnector, Dispatcher } from "undici";
import { keptModule } from "../kept-module.ts";
import { type Proxy, proxyFor } from "./proxy-env.ts";
import { proxyMode } from "./proxy-mode.ts";

type Undici = typeof import("undici");

/** How one address is reached. */
export interface Route {
  readonly dispatcher: Dispatcher;
  /** The proxy on the way, where it is known. */
  readonly proxy: Proxy | undefined;
}

/** Pause before the next address of a name is tried too, in ms (the host's value). */
const NEXT_ADDRESS_MS = 300;
/** Longest time for a connection through a SOCKS proxy, in ms. */
const SOCKS_TIMEOUT_MS = 10_000;

const dispatchers = new Map<string, Dispatcher>();

/** True on WSL2, where IPv6 addresses are often given and not reachable; the host's own test. */
function isWsl2(): boolean {
  // The kernel's release is also what the host reads from /proc/version.
  return process.platform === "linux" && /wsl2|microsoft-standard/i.test(os.release());
}

function connectOptions() {
  return {
    autoSelectFamily: net.getDefaultAutoSelectFamily() && !isWsl2(),
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
  };
}

/** The client of SOCKS proxies. */
export const loadSocks = keptModule(async () => await import("socks"));

/** Connects through a SOCKS proxy, which resolves the name; TLS is undici's own. */
function socksConnector(undici: Undici, { kind, url, label }: Proxy): buildConnector.connector {
  const connectTls = promisify(undici.buildConnector({ allowH2: false }));
  const connect = callbackify(async (options: buildConnector.Options): Promise<Socket> => {
    const { SocksClient } = await loadSocks();
    const { socket } = await SocksClient.createConnection({
      command: "connect",
      timeout: SOCKS_TIMEOUT_MS,
      proxy: {
        host: withoutBrackets(url.hostname),
        port: Number(label.slice(label.lastIndexOf(":") + 1)),
        type: kind === "socks4" ? 4 : 5,
        ...(url.username === "" ? {} : { userId: decodeURIComponent(url.username) }),
        ...(url.password === "" ? {} : { password: decodeURIComponent(url.password) }),
      },
      destination: {
        host: withoutBrackets(options.hostname),
        port: Number(options.port || (options.protocol === "https:" ? 443 : 80)),
      },
    });
    return options.protocol === "https:"
      ? ((await connectTls({ ...options, httpSocket: socket })) as Socket)
      : socket.setNoDelay();
  });
  return (options, callback) => {
    connect(options, (error: Error | null, socket) => {
      callback(...(error === null ? ([null, socket] as const) : ([error, null] as const)));
    });
  };
}

function withoutBrackets(hostname: string): string {
  return hostname.replaceAll(/^\[|\]$/g, "");
}

function makeDispatcher(undici: Undici, proxy: Proxy | undefined): Dispatcher {
  if (proxy === undefined) {
    return new undici.Agent({ allowH2: false, connect: connectOptions() });
  }
  return proxy.kind === "http"
    ? // Always a tunnel, so that the proxy's response is never taken for Kimi's.
      new undici.ProxyAgent({
        uri: proxy.url.href,
        proxyTunnel: true,
        allowH2: false,
        connect: connectOptions(),
      })
    : new undici.Agent({ allowH2: false, connect: socksConnector(undici, proxy) });
}

/** A dispatcher of our own, one for each proxy, so that connections are used again. */
function ownDispatcher(undici: Undici, proxy: Proxy | undefined): Dispatcher {
  const key = proxy?.url.href ?? "";
  const dispatcher = dispatchers.get(key) ?? makeDispatcher(undici, proxy);
  dispatchers.set(key, dispatcher);
  return dispatcher;
}

/**
 * Finds the way to an address.
 *
 * @throws KimiError `endpoint_invalid` for a proxy variable that cannot be used
 */
export function routeTo(undici: Undici, target: URL): Route {
  if (proxyMode() === "direct") {
    return { dispatcher: ownDispatcher(undici, undefined), proxy: undefined };
  }
  const shared = undici.getGlobalDispatcher();
  const kind = shared.constructor.name;
  if (kind === "Agent") {
    const proxy = proxyFor(target, process.env);
    return { dispatcher: ownDispatcher(undici, proxy), proxy };
  }
  if (kind !== "EnvHttpProxyAgent") {
    return { dispatcher: shared, proxy: undefined };
  }
  const proxy = proxyFor(target, process.env);
  return {
    dispatcher:
      proxy === undefined || proxy.kind === "http" ? shared : ownDispatcher(undici, proxy),
    proxy,
  };
}
