/** What comes after a refresh token was spent is read by all means. */
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import zlib from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isKimiError } from "../../src/protocol/errors.ts";
import { refreshGrant } from "../../src/protocol/refresh-grant.ts";

const TOKENS = {
  access_token: `at-${"x".repeat(800)}`,
  refresh_token: `rt-${"y".repeat(800)}`,
  expires_in: 900,
  scope: "kimi-code",
  token_type: "Bearer",
};
const JSON_TEXT = JSON.stringify(TOKENS);
const ISSUED = {
  accessToken: TOKENS.access_token,
  refreshToken: TOKENS.refresh_token,
  expiresInS: 900,
};

let server: Server;
let requests: string[];
let answer: (socket: Socket) => void;

beforeEach(async () => {
  requests = [];
  server = createServer((socket) => {
    let text = "";
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      const [head = "", body = ""] = text.split("\r\n\r\n");
      const length = Number(/content-length: (\d+)/iu.exec(head)?.[1] ?? 0);
      if (text.includes("\r\n\r\n") && body.length >= length) {
        requests.push(text);
        answer(socket);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});

afterEach(async () => {
  server.close();
  await once(server, "close");
});

async function grant(): Promise<unknown> {
  const { port } = server.address() as AddressInfo;
  const origin = `http://127.0.0.1:${String(port)}`;
  return await refreshGrant({
    endpoints: { region: "custom", oauthHost: origin, apiBase: origin },
    headers: {},
    refreshToken: "rt-old",
  });
}

/** Answers with these bytes, whole. */
function response(
  body: string | Uint8Array,
  headers: Record<string, string> = {},
  status = "200 OK",
): void {
  answer = (socket) => {
    const bytes = Buffer.from(body);
    const all = {
      "Content-Type": "application/json",
      "Content-Length": String(bytes.length),
      Connection: "close",
      ...headers,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`HTTP/1.1 ${status}\r\n${lines.join("")}\r\n`);
    socket.end(bytes);
  };
}

/** Answers with the first bytes of a longer body, then breaks the connection. */
function cutResponse(
  body: Uint8Array | string,
  sent: number,
  headers: Record<string, string> = {},
): void {
  answer = (socket) => {
    const bytes = Buffer.from(body);
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(
      `HTTP/1.1 200 OK\r\nContent-Length: ${String(bytes.length + 1)}\r\n${lines.join("")}\r\n`,
    );
    socket.write(bytes.subarray(0, sent), () => socket.destroy());
  };
}

const utf16 = (bigEndian: boolean): Buffer => {
  const text = Buffer.from(`\uFEFF${JSON_TEXT}`, "utf16le");
  return bigEndian ? text.swap16() : text;
};

describe("refreshGrant", () => {
  it("asks for no compression", async () => {
    response(JSON_TEXT);
    await grant();
    expect(requests.join()).toMatch(/\r\naccept-encoding: identity\r\n/iu);
  });

  it.each<[string, string | Uint8Array, Record<string, string>, string]>([
    ["gzip", zlib.gzipSync(JSON_TEXT), { "Content-Encoding": "gzip" }, "200 OK"],
    ["x-gzip", zlib.gzipSync(JSON_TEXT), { "Content-Encoding": "X-Gzip" }, "200 OK"],
    ["deflate", zlib.deflateSync(JSON_TEXT), { "Content-Encoding": "deflate" }, "200 OK"],
    [
      "deflate without a header of its own",
      zlib.deflateRawSync(JSON_TEXT),
      { "Content-Encoding": "deflate" },
      "200 OK",
    ],
    ["br", zlib.brotliCompressSync(JSON_TEXT), { "Content-Encoding": "br" }, "200 OK"],
    ["zstd", zlib.zstdCompressSync(JSON_TEXT), { "Content-Encoding": "zstd" }, "200 OK"],
    [
      "two codings",
      zlib.brotliCompressSync(zlib.gzipSync(JSON_TEXT)),
      { "Content-Encoding": "gzip, br" },
      "200 OK",
    ],
    ["gzip that no header names", zlib.gzipSync(JSON_TEXT), {}, "200 OK"],
    [
      "zstd that no header names",
      zlib.zstdCompressSync(JSON_TEXT),
      { "Content-Encoding": "identity" },
      "200 OK",
    ],
    ["a coding that is not there", JSON_TEXT, { "Content-Encoding": "gzip" }, "200 OK"],
    ["a coding that nobody knows", JSON_TEXT, { "Content-Encoding": "aws-chunked" }, "200 OK"],
    ["a byte order mark", `\uFEFF${JSON_TEXT}`, {}, "200 OK"],
    ["UTF-16, little end first", utf16(false), {}, "200 OK"],
    ["UTF-16, big end first", utf16(true), {}, "200 OK"],
    ["201", JSON_TEXT, {}, "201 Created"],
    ["203", JSON_TEXT, {}, "203 Non-Authoritative Information"],
    ["206", JSON_TEXT, {}, "206 Partial Content"],
    ["a wrong content type", JSON_TEXT, { "Content-Type": "text/html" }, "200 OK"],
    ["white space around it", `\r\n  ${JSON_TEXT}\r\n\0`, {}, "200 OK"],
    ["something behind it", `${JSON_TEXT}\n<!-- scanned -->`, {}, "200 OK"],
    ["something before it", `)]}',\n${JSON_TEXT}`, {}, "200 OK"],
  ])("reads tokens with %s", async (_what, body, headers, status) => {
    response(body, headers, status);
    expect(await grant()).toMatchObject(ISSUED);
  });

  it.each<[string, string | Uint8Array, number, Record<string, string>]>([
    ["plain", JSON_TEXT, JSON_TEXT.length, {}],
    [
      "gzip without its last bytes",
      zlib.gzipSync(JSON_TEXT),
      zlib.gzipSync(JSON_TEXT).length - 6,
      { "Content-Encoding": "gzip" },
    ],
    [
      "whole br",
      zlib.brotliCompressSync(JSON_TEXT),
      zlib.brotliCompressSync(JSON_TEXT).length,
      { "Content-Encoding": "br" },
    ],
  ])("reads whole tokens on a connection that is cut (%s)", async (_what, body, sent, headers) => {
    cutResponse(body, sent, headers);
    expect(await grant()).toMatchObject(ISSUED);
  });

  it("reads whole tokens in chunks that never end", async () => {
    answer = (socket) => {
      socket.write(
        `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${JSON_TEXT.length.toString(16)}\r\n${JSON_TEXT}\r\n`,
      );
      setImmediate(() => socket.destroy());
    };
    expect(await grant()).toMatchObject(ISSUED);
  });

  it("says that half a response is a broken connection after which Kimi may have renewed the login", async () => {
    cutResponse(JSON_TEXT, 300);
    const error: unknown = await grant().catch((thrown: unknown) => thrown);
    expect(isKimiError(error) && [error.code, error.details.mayHaveReachedServer]).toEqual([
      "network",
      true,
    ]);
  });

  it("does not take invalid_grant for the end of the login when the connection broke in it", async () => {
    const body = '{"error":"invalid_grant"}';
    cutResponse(body, body.length);
    await expect(grant()).rejects.toMatchObject({ code: "network", transient: true });
  });

  it.each([["null"], ['""'], ["7"], ['"a\\nb"'], [undefined]])(
    "keeps the old refresh token for %s in its place",
    async (value) => {
      const { refresh_token: _own, ...rest } = TOKENS;
      response(
        value === undefined
          ? JSON.stringify(rest)
          : `${JSON.stringify(rest).slice(0, -1)},"refresh_token":${value}}`,
      );
      const issued = await grant();
      expect(issued).toMatchObject({ accessToken: TOKENS.access_token });
      expect(issued).not.toHaveProperty("refreshToken");
    },
  );

  it.each([
    "200 OK",
    "400 Bad Request",
    "401 Unauthorized",
    "403 Forbidden",
    "500 Internal Server Error",
  ])("takes invalid_grant at %s for the end of the login", async (status) => {
    response('{"error":"invalid_grant","error_description":"x"}', {}, status);
    await expect(grant()).rejects.toMatchObject({ code: "login_ended", transient: false });
  });

  it.each([
    ["401 Unauthorized", '{"error":"invalid_client"}'],
    ["401 Unauthorized", '{"code":"SERVICE_DEGRADED"}'],
    ["401 Unauthorized", ""],
    ["403 Forbidden", "[]"],
    ["403 Forbidden", '{"error":{"type":"access_terminated_error","message":"invalid_grant"}}'],
    ["403 Forbidden", "<html>blocked: invalid_grant</html>"],
    ["403 Forbidden", '{"error":"server_error"}'],
    ["451 Unavailable For Legal Reasons", "{}"],
  ])("takes %s with %s for something that passes", async (status, body) => {
    response(body, {}, status);
    const error: unknown = await grant().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "refused", transient: true });
    expect(isKimiError(error) && error.details.what).toMatch(
      /says nothing about the login itself\.$/u,
    );
  });

  it("does not unpack a bomb", async () => {
    response(zlib.gzipSync(Buffer.alloc(64 * 1024 * 1024, " ")), { "Content-Encoding": "gzip" });
    await expect(grant()).rejects.toMatchObject({ code: "bad_reply" });
  });

  it("believes Retry-After for five minutes at most", async () => {
    response("", { "Retry-After": "86400" }, "503 Service Unavailable");
    await expect(grant()).rejects.toMatchObject({ details: { retryAfterMs: 300_000 } });
  });
});
