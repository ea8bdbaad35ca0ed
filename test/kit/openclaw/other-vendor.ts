/** Another vendor's model, as a provider in the host's config: it makes the calls that a test tells it to. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { JsonObject } from "./layout.ts";

/** A call of a tool. */
export interface ToolCall {
  readonly name: string;
  readonly arguments: object;
  /** Default: one as OpenAI makes them. */
  readonly id?: string;
}

/** The vendor, whose model thinks aloud. */
export interface OtherVendor extends Disposable {
  /** The calls that are still to be made, in order. */
  calls: ToolCall[];
  /** What it was sent last. */
  readonly lastBody: string;
  /** Members of the config's `models.providers`; the model is `other/m`. */
  readonly providers: JsonObject;
}

function chunk(delta: object, reason: string | null): string {
  const choices = [{ index: 0, delta, finish_reason: reason }];
  return `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", model: "m", choices })}\n\n`;
}

/** Starts the vendor's server. */
export async function startOtherVendor(): Promise<OtherVendor> {
  const state = { calls: [] as ToolCall[], lastBody: "" };
  const server = createServer((request, response) => {
    state.lastBody = "";
    request.on("data", (data: Buffer) => {
      state.lastBody += data.toString();
    });
    request.once("end", () => {
      const next = state.calls.shift();
      const call = next && {
        index: 0,
        id: next.id ?? `call_${crypto.randomUUID()}`,
        type: "function",
        function: { name: next.name, arguments: JSON.stringify(next.arguments) },
      };
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(chunk({ role: "assistant", reasoning_content: "a foreign thought" }, null));
      response.write(
        chunk(call === undefined ? { content: "done" } : { tool_calls: [call] }, null),
      );
      response.end(`${chunk({}, call === undefined ? "stop" : "tool_calls")}data: [DONE]\n\n`);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const size = { contextWindow: 200_000, maxTokens: 8_000 };
  const model = { id: "m", name: "M", ...size, input: ["text"], reasoning: true };
  return Object.assign(state, {
    providers: {
      other: {
        baseUrl: `http://127.0.0.1:${String(port)}/v1`,
        apiKey: "none",
        api: "openai-completions",
        models: [model],
      },
    },
    [Symbol.dispose]: () => void server.close(),
  });
}
