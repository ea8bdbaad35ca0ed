import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { exchange } from "../../src/protocol/http.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";

describe("the proxy variables of the environment", () => {
  let standIn: StandIn;
  let proxy: Server;
  const asked: string[] = [];

  beforeEach(async () => {
    standIn = await startStandIn();
    proxy = createServer((request, response) => {
      asked.push(request.url ?? "");
      response.writeHead(502).end();
    });
    proxy.on("connect", (request, client, head) => {
      asked.push(request.url ?? "");
      const { port } = new URL(standIn.origin);
      const upstream = connect(Number(port), "127.0.0.1", () => {
        client.write("HTTP/1.1 200 Connection established\r\n\r\n");
        upstream.write(head);
        upstream.pipe(client).pipe(upstream);
      });
      upstream.on("error", () => client.destroy());
      client.on("error", () => upstream.destroy());
    });
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    vi.stubEnv("HTTP_PROXY", `http://127.0.0.1:${String((proxy.address() as AddressInfo).port)}`);
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    proxy.closeAllConnections();
    proxy.close();
    await standIn.close();
  });

  it("send a request through the proxy", async () => {
    await exchange({ method: "GET", url: `${standIn.apiBase}/models`, headers: {} });
    expect(asked.join()).toContain(new URL(standIn.origin).host);
  });
});
