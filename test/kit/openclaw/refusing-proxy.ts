/**
 * A proxy on loopback that lets nothing through. The host's own `web_fetch` goes its way, so that a test
 * can name public addresses and nothing leaves the machine.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Variables } from "./layout.ts";

/** The proxy, and what was asked of it. */
export interface RefusingProxy extends AsyncDisposable {
  /** Hosts that were asked for, in order. */
  readonly asked: readonly string[];
  /** Where the next requests are redirected to, in place of a refusal. */
  redirectTo: string | undefined;
  /** Variables that send a host's requests here, but for those to loopback. */
  readonly env: Variables;
}

/** Starts the proxy. */
export async function startRefusingProxy(): Promise<RefusingProxy> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const { redirectTo } = proxy;
    asked.push(new URL(request.url ?? "", "http://nobody").host);
    if (redirectTo === undefined) {
      response.writeHead(503);
    } else {
      response.writeHead(302, { location: redirectTo });
    }
    response.end("refused");
  });
  server.on("connect", (request, socket) => {
    const { redirectTo } = proxy;
    asked.push((request.url ?? "").replace(/:80$/, ""));
    if (redirectTo === undefined) {
      socket.end("HTTP/1.1 503 Refused\r\n\r\n");
      return;
    }
    socket.write("HTTP/1.1 200 Connected\r\n\r\n");
    socket.once("data", () => {
      socket.end(`HTTP/1.1 302 Found\r\nlocation: ${redirectTo}\r\ncontent-length: 0\r\n\r\n`);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const address = `http://127.0.0.1:${String(port)}`;
  const proxy: RefusingProxy = {
    asked,
    redirectTo: undefined,
    env: { HTTP_PROXY: address, HTTPS_PROXY: address, NO_PROXY: "127.0.0.1,localhost" },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return proxy;
}
