/** Which proxy the environment names for an address. */
import { describe, expect, it } from "vitest";
import { proxyFor } from "../../src/protocol/proxy-env.ts";

const KIMI = new URL("https://auth.kimi.com/api/oauth/token");

describe("proxyFor", () => {
  it.each<[Record<string, string>, string | undefined]>([
    [{}, undefined],
    [{ HTTPS_PROXY: "http://a:1" }, "http a:1 HTTPS_PROXY"],
    [{ https_proxy: "http://b:2", HTTPS_PROXY: "http://a:1" }, "http b:2 https_proxy"],
    [{ https_proxy: "", HTTPS_PROXY: "http://a:1" }, "http a:1 HTTPS_PROXY"],
    [{ https_proxy: "  ", ALL_PROXY: "http://a:1" }, "http a:1 ALL_PROXY"],
    [{ HTTP_PROXY: "http://a:1" }, undefined],
    [{ HTTP_PROXY: "http://a:1", ALL_PROXY: "socks5://s:1" }, undefined],
    [{ HTTPS_PROXY: "proxy.corp:3128" }, "http proxy.corp:3128 HTTPS_PROXY"],
    [{ HTTPS_PROXY: "user:pw@proxy.corp:3128" }, "http proxy.corp:3128 HTTPS_PROXY"],
    [{ HTTPS_PROXY: "https://proxy.corp" }, "http proxy.corp:443 HTTPS_PROXY"],
    [{ HTTPS_PROXY: "http://proxy.corp" }, "http proxy.corp:80 HTTPS_PROXY"],
    [{ HTTPS_PROXY: "proxy.corp" }, "http proxy.corp:80 HTTPS_PROXY"],
    [{ HTTPS_PROXY: "SOCKS5://s" }, "socks5 s:1080 HTTPS_PROXY"],
    [{ ALL_PROXY: "socks5://s:1", HTTPS_PROXY: "socks5://t:1" }, "socks5 s:1 ALL_PROXY"],
    [{ HTTP_PROXY: "socks5://s:9", HTTPS_PROXY: "socks4://t:9" }, "socks4 t:9 HTTPS_PROXY"],
    [{ HTTPS_PROXY: "http://[::1]:3128" }, "http [::1]:3128 HTTPS_PROXY"],
    [{ ALL_PROXY: "socks5h://s" }, "socks5 s:1080 ALL_PROXY"],
    [{ HTTPS_PROXY: "socks4://s:9" }, "socks4 s:9 HTTPS_PROXY"],
    [{ ALL_PROXY: "socks://s" }, "socks5 s:1080 ALL_PROXY"],
    [{ ALL_PROXY: "socks4a://s" }, "socks4 s:1080 ALL_PROXY"],
    [{ HTTP_PROXY: "socks5://s:9" }, "socks5 s:9 HTTP_PROXY"],
    [{ HTTPS_PROXY: "http://a:1", ALL_PROXY: "socks5://s:1" }, "http a:1 HTTPS_PROXY"],
  ])("reads %j as %s", (env, wanted) => {
    const proxy = proxyFor(KIMI, env);
    expect(proxy && `${proxy.kind} ${proxy.label} ${proxy.variable}`).toBe(wanted);
  });

  it.each<[string, boolean]>([
    ["*", true],
    ["auth.kimi.com", true],
    ["AUTH.Kimi.COM", true],
    ["kimi.com", true],
    [".kimi.com", true],
    ["*.kimi.com", true],
    ["auth.kimi.com:443", true],
    ["auth.kimi.com:8443", false],
    ["localhost kimi.com", true],
    ["localhost,127.0.0.1", false],
    ["imi.com", false],
    ["kimi.com.evil.example", false],
    ["auth.kimi.com.", true],
    ["auth.kimi.com:https", false],
    ["auth.kimi.com:443x", false],
    ["x.*.kimi.com", false],
    [",,kimi.com", true],
    ["a.example,\tkimi.com", true],
    ["", false],
  ])("lets NO_PROXY=%s take Kimi out: %s", (value, exempt) => {
    expect(proxyFor(KIMI, { HTTPS_PROXY: "http://a:1", NO_PROXY: value }) === undefined).toBe(
      exempt,
    );
  });

  it.each([
    ["http://[::1]:8080/", "[::1]"],
    ["http://[::1]:8080/", "::1"],
    ["http://[::1]:8080/", "[::1]:8080"],
    ["http://[2001:db8::1:2]:8080/", "2001:db8::1:2"],
    ["http://[2001:db8::1:2]:8080/", "[2001:db8::1:2]:8080"],
  ])("lets NO_PROXY take %s out as %s", (url, value) => {
    expect(
      proxyFor(new URL(url), { HTTP_PROXY: "http://a:1", no_proxy: "", NO_PROXY: value }),
    ).toBeUndefined();
  });

  it.each([
    ["http://auth.kimi.com/", "auth.kimi.com:80", true],
    ["http://auth.kimi.com/", "auth.kimi.com:443", false],
    ["http://auth.kimi.com:8080/", "auth.kimi.com:8080", true],
    ["http://auth.kimi.com./", "kimi.com", true],
    ["http://[::1]:8080/", "[::1]:80", false],
    ["http://[::1]:8080/", "::2", false],
  ])("takes %s out with NO_PROXY=%s: %s", (url, value, exempt) => {
    const proxy = proxyFor(new URL(url), { HTTP_PROXY: "http://a:1", NO_PROXY: value });
    expect(proxy === undefined).toBe(exempt);
  });

  it.each([
    "http://",
    "http://proxy:99999",
    "ftp://proxy:1",
    "socks9://proxy:1",
    "socks5://",
    "socks5:///proxy",
  ])("names the variable of an address that is none (%s), and not the address", (value) => {
    expect(() => proxyFor(KIMI, { HTTPS_PROXY: value })).toThrow(
      expect.objectContaining({
        code: "endpoint_invalid",
        message:
          "The proxy address in HTTPS_PROXY is not valid. Correct it, or remove it to connect without a proxy.",
      }),
    );
  });
});
