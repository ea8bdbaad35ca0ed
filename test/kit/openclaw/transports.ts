/** The host's transports, as it hands them to `wrapStreamFn`. */
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { ProviderWrapStreamFnContext } from "openclaw/plugin-sdk/plugin-entry";
import { projectDir } from "./layout.ts";

/** A stream function of the host. */
export type StreamFn = NonNullable<ProviderWrapStreamFnContext["streamFn"]>;
/** What a model call is made with. */
export type Context = Parameters<StreamFn>[1];
/** A message of a conversation. */
export type HostMessage = Context["messages"][number];
/** An answer. */
export type Answer = Extract<HostMessage, { role: "assistant" }>;

interface Transports {
  readonly createOpenAICompletionsTransportStreamFn: () => StreamFn;
  readonly createAnthropicMessagesTransportStreamFn: () => StreamFn;
  readonly createOpenAIResponsesTransportStreamFn: () => StreamFn;
}

/** The transport for one of the host's APIs, from the package that the host itself depends on. */
export async function hostTransport(api: string): Promise<StreamFn> {
  const host = createRequire(path.join(projectDir, "node_modules", "openclaw", "package.json"));
  const file = host.resolve("@openclaw/ai/transports");
  const transports = (await import(pathToFileURL(file).href)) as Transports;
  switch (api) {
    case "anthropic-messages":
      return transports.createAnthropicMessagesTransportStreamFn();
    case "openai-responses":
      return transports.createOpenAIResponsesTransportStreamFn();
    default:
      return transports.createOpenAICompletionsTransportStreamFn();
  }
}
