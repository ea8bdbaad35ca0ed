/** The model's server: chat completions on loopback, with an answer that a reproduction can change. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/** What the next calls get. */
export interface Reply {
  readonly status?: number;
  /** Body of a failure. */
  readonly error?: object;
  /** Member `usage` of a reply. */
  readonly usage?: object;
}

/** A server that runs. */
export interface ModelServer extends AsyncDisposable {
  readonly baseUrl: string;
  reply: Reply;
  /** What the next call alone gets; goes before `reply`. */
  once?: Reply | undefined;
  /** Model calls so far. */
  calls: number;
  /** The body of each call so far. */
  readonly bodies: string[];
}

const USAGE = { prompt_tokens: 100, completion_tokens: 1, total_tokens: 101 };

function chunk(more: object): string {
  const head = { id: "1", object: "chat.completion.chunk", created: 1, model: "one" };
  return `data: ${JSON.stringify({ ...head, ...more })}\n\n`;
}

/** Starts it on a free port. */
export async function startModelServer(): Promise<ModelServer> {
  const server = createServer((request, response) => {
    void text(request).then((body): undefined => {
      state.calls += 1;
      state.bodies.push(body);
      const { status = 200, error, usage = USAGE } = state.once ?? state.reply;
      state.once = undefined;
      if (error !== undefined) {
        response.writeHead(status, { "Content-Type": "application/json" });
        response.end(JSON.stringify({ error }));
        return undefined;
      }
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.write(
        chunk({ choices: [{ index: 0, delta: { role: "assistant", content: "pong" } }] }),
      );
      response.write(chunk({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }));
      response.write(chunk({ choices: [], usage }));
      response.end("data: [DONE]\n\n");
      return undefined;
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const state: ModelServer = {
    baseUrl: `http://127.0.0.1:${String(port)}/v1`,
    reply: {},
    calls: 0,
    bodies: [],
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return state;
}
