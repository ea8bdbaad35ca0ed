import { describe, expect, it } from "vitest";
import { type Endpoints, REGIONS } from "../../src/protocol/endpoints.ts";
import { checkVerificationLink } from "../../src/protocol/verification-link.ts";

describe("the link of a sign-in", () => {
  const custom: Endpoints = {
    region: "custom",
    oauthHost: "https://kimi.proxy.example",
    apiBase: "https://kimi.proxy.example/v1",
  };
  const loopback: Endpoints = {
    region: "custom",
    oauthHost: "http://127.0.0.1:1",
    apiBase: "http://127.0.0.1:1/v1",
  };

  it.each<[string, Endpoints, string]>([
    ["kimi.com", REGIONS["mainland-cn"], "https://www.kimi.com/code/authorize_device?user_code=A"],
    ["kimi.ai", REGIONS.global, "https://www.kimi.ai/code/authorize_device?user_code=A"],
    ["kimi.com behind an address of the user's", custom, "https://www.kimi.com/code"],
    ["kimi.ai behind an address of the user's", custom, "https://www.kimi.ai/code"],
    ["loopback", loopback, "http://localhost:8080/code"],
    ["loopback with https", loopback, "https://[::1]:8080/code"],
  ])("may lead to %s", (_where, endpoints, link) => {
    expect(checkVerificationLink(link, endpoints)).toBe(link);
  });

  it.each<[string, Endpoints, string]>([
    ["the other region", REGIONS["mainland-cn"], "https://www.kimi.ai/code"],
    ["the other region", REGIONS.global, "https://www.kimi.com/code"],
    ["a site without https", REGIONS.global, "http://www.kimi.ai/code"],
    ["another port", REGIONS.global, "https://www.kimi.ai:8443/code"],
    ["a host that only begins like the site", REGIONS.global, "https://www.kimi.ai.example/code"],
    ["a host that only ends like the site", REGIONS.global, "https://login-www.kimi.ai/code"],
    ["a host with the site as its user", REGIONS.global, "https://www.kimi.ai@example.com/"],
    ["the site with a user", REGIONS.global, "https://user:word@www.kimi.ai/"],
    ["the site with the name of a user", REGIONS.global, "https://user@www.kimi.ai/"],
    ["the site with a password", REGIONS.global, "https://:word@www.kimi.ai/"],
    ["this machine by another protocol", loopback, "ftp://127.0.0.1/code"],
    ["a script", REGIONS.global, "javascript:alert(1)//www.kimi.ai"],
    ["a file", loopback, "file:///etc/passwd"],
    ["this machine, where the issuer is not on it", REGIONS.global, "http://127.0.0.1/code"],
    ["this machine, behind an address of the user's", custom, "http://127.0.0.1/code"],
    ["an address of the user's", custom, "https://kimi.proxy.example/code"],
    ["nowhere", REGIONS.global, ""],
  ])("must not lead to %s", (_where, endpoints, link) => {
    expect(checkVerificationLink(link, endpoints)).toBeUndefined();
  });

  it("may be as long as 2,048 characters", () => {
    const link = "https://www.kimi.ai/".padEnd(2_048, "a");
    expect(checkVerificationLink(link, REGIONS.global)).toBe(link);
    expect(checkVerificationLink(`${link}a`, REGIONS.global)).toBeUndefined();
  });

  it("is shown in plain ASCII", () => {
    expect(
      checkVerificationLink("https://www.kimi.ai/c\u202Eode?\u001B[2J", REGIONS.global),
    ).toMatch(/^[\x21-\x7e]+$/);
  });
});
