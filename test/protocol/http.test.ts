/** One exchange: its limits, what it sends, and a response whose headers are odd. */
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { exchange, type HttpRequest } from "../../src/protocol/http.ts";
import { failureOf } from "../kit/logins.ts";

let server: Server | undefined;

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function listen(answer: RequestListener): Promise<HttpRequest> {
  server = createServer(answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { method: "GET", url: `http://127.0.0.1:${String(port)}/`, headers: {} };
}

describe("a response", () => {
  it("whose coding is named twice is decoded, and a wait that is named twice is none", async () => {
    const request = await listen((_request, response) => {
      response.writeHead(
        429,
        [
          ["Content-Encoding", "identity"],
          ["Content-Encoding", "gzip"],
          ["Retry-After", "5"],
          ["Retry-After", "6"],
        ].flat(),
      );
      response.end(gzipSync("plain words"));
    });
    expect(await exchange(request)).toEqual({
      status: 429,
      text: "plain words",
      retryAfterMs: undefined,
    });
  });

  it("that is a redirect is not followed", async () => {
    let requests = 0;
    const request = await listen((_request, response) => {
      requests += 1;
      response.writeHead(307, { Location: "/elsewhere" }).end("moved");
    });
    expect(await exchange(request)).toMatchObject({ status: 307, text: "moved" });
    expect(requests).toBe(1);
  });

  it("may have the size of the limit and not a byte more", async () => {
    const request = await listen((_request, response) => response.end("x".repeat(100)));
    expect((await exchange({ ...request, maxBytes: 100 })).text).toHaveLength(100);
    const error = await failureOf(exchange({ ...request, maxBytes: 99 }));
    expect(error).toMatchObject({
      code: "bad_reply",
      details: { status: 200, mayHaveReachedServer: true },
    });
    expect(error.message.startsWith(error.details.what ?? "nothing")).toBe(true);
    const cut = await exchange({ ...request, maxBytes: 99, acceptCut: true });
    expect(cut).toMatchObject({ text: "", cut: { code: "bad_reply" } });
  });

  it("that breaks off is kept as far as it came, for those who make do with it", async () => {
    const request = await listen((_request, response) => {
      response.writeHead(200, { "Content-Length": "100" });
      response.write("half", () => response.destroy());
    });
    expect(await failureOf(exchange(request))).toMatchObject({
      code: "network",
      details: { mayHaveReachedServer: true },
    });
    expect(await exchange({ ...request, acceptCut: true })).toMatchObject({
      status: 200,
      text: "half",
      cut: { code: "network" },
    });
  });
});

describe("a request", () => {
  it("asks for no compression unless its caller does, and sends its body", async () => {
    const seen: string[] = [];
    const request = await listen((incoming, response) => {
      let body = "";
      incoming.on("data", (chunk: Buffer) => {
        body += chunk.toString();
      });
      incoming.on("end", () => {
        const { method, headers } = incoming;
        seen.push(`${String(method)} ${String(headers["accept-encoding"])} ${body}`);
        response.end();
      });
    });
    await exchange({ ...request, method: "POST", body: "a=1" });
    await exchange({ ...request, headers: { "Accept-Encoding": "gzip" } });
    expect(seen).toEqual(["POST identity a=1", "GET gzip "]);
  });

  it("that is not answered in time says so, and may have arrived", async () => {
    const request = await listen(() => undefined);
    const error = await failureOf(exchange({ ...request, timeoutMs: 500 }));
    expect(error).toMatchObject({ code: "network", details: { mayHaveReachedServer: true } });
    expect(error.message).toContain("it did not answer in time");
  });

  it("that its caller gives up during the response is given up, even by a caller that makes do with less", async () => {
    const leaving = new AbortController();
    const request = await listen((_request, response) => {
      response.writeHead(200);
      response.write("half");
      setImmediate(() => {
        leaving.abort();
      });
    });
    const { signal } = leaving;
    expect(await failureOf(exchange({ ...request, signal, acceptCut: true }))).toMatchObject({
      code: "aborted",
    });
  });

  it("is not sent when the last look throws, which is told as it is", async () => {
    let requests = 0;
    const request = await listen((_request, response) => {
      requests += 1;
      response.end();
    });
    const reason = new Error("the home has changed");
    const beforeSend = (): void => {
      throw reason;
    };
    await expect(exchange({ ...request, beforeSend })).rejects.toBe(reason);
    expect(requests).toBe(0);
  });

  it("at a sign-in does not say that the user is still signed in", async () => {
    const request = await listen((_request, response) => response.end("x".repeat(100)));
    const asked = { ...request, maxBytes: 9 };
    expect((await failureOf(exchange(asked))).message).toContain("you are still signed in");
    expect((await failureOf(exchange({ ...asked, signedIn: false }))).message).not.toContain(
      "signed in",
    );
  });
});
