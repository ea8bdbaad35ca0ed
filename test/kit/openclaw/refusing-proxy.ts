/**
 * A proxy on loopback that lets nothing through. The host's own `web_fetch` goes its way, so that a test
 * can name public addresses and nothing leaves the machine.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Variables } from "./layout.ts";

/** What is answered in the place of a site. */
export interface SiteAnswer {
  readonly status: number;
  readonly location?: string;
  /** HTML. */
  readonly body?: string;
}

/** The proxy, and what was asked of it. */
export interface RefusingProxy extends AsyncDisposable {
  /** Hosts that were asked for, in order. */
  readonly asked: readonly string[];
  /** The next answers; a refusal unless a test sets another. */
  answer: SiteAnswer;
  /** Variables that send a host's requests here, but for those to loopback. */
  readonly env: Variables;
}

/** What a site that cannot be had answers. */
export const REFUSAL: SiteAnswer = { status: 503 };

function headersOf({ location, body = "" }: SiteAnswer): Record<string, string> {
  return {
    "content-type": "text/html; charset=utf-8",
    "content-length": String(Buffer.byteLength(body)),
    connection: "close",
    ...(location === undefined ? {} : { location }),
  };
}

/** Starts the proxy. */
export async function startRefusingProxy(): Promise<RefusingProxy> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(new URL(request.url ?? "", "http://nobody").host);
    response.writeHead(proxy.answer.status, headersOf(proxy.answer));
    response.end(proxy.answer.body);
  });
  server.on("connect", (request, socket) => {
    asked.push((request.url ?? "").replace(/:80$/u, ""));
    socket.write("HTTP/1.1 200 Connected\r\n\r\n");
    socket.once("data", () => {
      const { status, body = "" } = proxy.answer;
      const headers = Object.entries(headersOf(proxy.answer)).map((pair) => pair.join(": "));
      socket.end([`HTTP/1.1 ${String(status)} Answer`, ...headers, "", body].join("\r\n"));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const address = `http://127.0.0.1:${String(port)}`;
  const proxy: RefusingProxy = {
    asked,
    answer: REFUSAL,
    env: { HTTP_PROXY: address, HTTPS_PROXY: address, NO_PROXY: "127.0.0.1,localhost" },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return proxy;
}
