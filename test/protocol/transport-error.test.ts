/** What a failed exchange is told as, for errors that take long or a special network to bring about. */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { SocksClient } from "socks";
import { describe, expect, it } from "vitest";
import { proxyFor } from "../../src/protocol/proxy-env.ts";
import { type TransportFailure, transportError } from "../../src/protocol/transport-error.ts";

const url = new URL("https://auth.kimi.com/api/oauth/token");
const proxy = proxyFor(url, { HTTPS_PROXY: "http://proxy.corp:3128" });

function messageOf(failure: Partial<TransportFailure>): string {
  const error = transportError({
    url,
    proxy: undefined,
    error: new Error("?"),
    timedOut: false,
    sent: false,
    signedIn: true,
    ...failure,
  });
  expect(error).toMatchObject({
    code: "network",
    details: { retryable: true, mayHaveReachedServer: failure.sent ?? false },
  });
  expect(error.message.startsWith(error.details.what ?? "nothing")).toBe(true);
  return error.message;
}

function failed(code: string, message = "?"): Error {
  return new TypeError("fetch failed", { cause: Object.assign(new Error(message), { code }) });
}

describe("a failed exchange", () => {
  it.each([
    "ECONNREFUSED",
    "ENOTFOUND",
    "EAI_AGAIN",
    "EHOSTUNREACH",
    "EHOSTDOWN",
    "ENETUNREACH",
    "ENETDOWN",
    "EADDRNOTAVAIL",
    "ETIMEDOUT",
    "UND_ERR_CONNECT_TIMEOUT",
  ])("with %s names the proxy that was not reached, or else the server", (code) => {
    expect(messageOf({ error: failed(code), proxy })).toMatch(
      /^The proxy proxy\.corp:3128 could not be reached: /u,
    );
    expect(messageOf({ error: failed(code) })).toMatch(
      /^Kimi's server auth\.kimi\.com could not be reached: /u,
    );
    // Behind a tunnel that stands, the server is at fault.
    expect(messageOf({ error: failed(code), proxy, sent: true })).not.toContain("proxy.corp");
  });

  it("that broke off before anything was sent names the server and the proxy on the way", () => {
    const message = messageOf({ error: failed("ECONNRESET"), proxy });
    expect(message).toMatch(/^Kimi's server auth\.kimi\.com .*the connection broke\./u);
    expect(message).toContain("through the proxy proxy.corp:3128");
    expect(messageOf({ error: failed("ECONNRESET"), proxy, sent: true })).not.toContain(
      "proxy.corp",
    );
  });

  it.each([
    "CERT_HAS_EXPIRED",
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "ERR_TLS_CERT_ALTNAME_INVALID",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  ])("with %s is about the certificate", (code) => {
    expect(messageOf({ error: failed(code) })).toContain("its certificate could not be verified");
  });

  it("with another fault of TLS is not about the certificate", () => {
    const message = messageOf({ error: failed("ERR_SSL_UNABLE_TO_READ") });
    expect(message).not.toContain("certificate");
  });

  it.each<[string, number | undefined, string]>([
    ["Proxy response (407) !== 200 when HTTP Tunneling", 407, "asks for a user name and password"],
    ["Proxy response (502) !== 200 when HTTP Tunneling", 502, "(HTTP 502)"],
    ["Socks5 Authentication failed", undefined, "refused the connection to auth.kimi.com."],
    ["socks4 proxy rejected connection", undefined, "refused the connection to auth.kimi.com."],
  ])("that says %s names the proxy's answer, however deep it lies", (words, _status, wanted) => {
    for (const error of [
      new Error(words),
      new TypeError("fetch failed", { cause: new Error(words) }),
    ]) {
      expect(messageOf({ error, proxy })).toContain(wanted);
    }
    expect(messageOf({ error: new Error(words) })).not.toContain(wanted);
    expect(messageOf({ error: new Error(words), proxy, sent: true })).not.toContain(wanted);
  });

  it("that timed out says so, whatever the error is", () => {
    expect(messageOf({ timedOut: true, error: "stopped", sent: true })).toContain(
      "did not answer in time",
    );
  });

  it("whose error is no error is told in general words", () => {
    expect(messageOf({ error: "ECONNREFUSED" })).toContain("the connection failed");
    expect(messageOf({ error: new Error("connect EFOO 1") })).toContain("the connection failed");
  });

  it("finds the code that a SOCKS client gives in words only", () => {
    const socks = proxyFor(url, { ALL_PROXY: "socks5://proxy.corp" });
    expect(
      messageOf({ proxy: socks, error: new Error("connect ECONNREFUSED 127.0.0.1:1080") }),
    ).toContain("The proxy proxy.corp:1080 could not be reached: the connection was refused.");
  });

  it("through a SOCKS proxy that never answers is told as one that took too long", async () => {
    const silent = createServer((socket) => socket.on("error", () => undefined));
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    try {
      const error: unknown = await SocksClient.createConnection({
        command: "connect",
        timeout: 30,
        proxy: { host: "127.0.0.1", port, type: 5 },
        destination: { host: "auth.kimi.com", port: 443 },
      }).catch((thrown: unknown) => thrown);
      const socks = proxyFor(url, { ALL_PROXY: `socks5://127.0.0.1:${String(port)}` });
      expect(messageOf({ proxy: socks, error })).toContain(
        `The proxy 127.0.0.1:${String(port)} could not be reached: it did not answer in time.`,
      );
    } finally {
      silent.close();
    }
  });
});
