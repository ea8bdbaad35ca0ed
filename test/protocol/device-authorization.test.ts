import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { requestDeviceCode } from "../../src/protocol/device-authorization.ts";
import type { Endpoints } from "../../src/protocol/endpoints.ts";
import { CLIENT_ID, REGIONS } from "../../src/protocol/endpoints.ts";
import { checkVerificationLink } from "../../src/protocol/verification-link.ts";
import { everythingIn, failureOf } from "../kit/logins.ts";
import { startStandIn } from "../kit/standin/server.ts";
import type { Fault, StandIn } from "../kit/standin/server.ts";
import type { JsonObject } from "../kit/standin/types.ts";
import { deviceRequest } from "../kit/device.ts";

const SECRET = "server-text-never-shown";

describe("asking for a sign-in code", () => {
  let standIn: StandIn;

  beforeEach(async () => {
    standIn = await startStandIn();
  });

  afterEach(async () => {
    await standIn.close();
  });

  it("sends the client id alone, as this plugin, and gets a code with its link", async () => {
    const code = await requestDeviceCode(deviceRequest(standIn));
    expect(code).toEqual({
      deviceCode: "standin-device-code-0001",
      userCode: "FAKE-0001",
      link: `${standIn.origin}/code/authorize_device?user_code=FAKE-0001`,
      expiresInS: 1800,
      intervalS: 1,
    });
    expect(standIn.requests[0]).toMatchObject({
      form: { client_id: CLIENT_ID },
      headers: { "user-agent": "test", accept: "application/json" },
    });
    expect(standIn.violations).toEqual([]);
  });

  it.each<[string, JsonObject, { expiresInS?: number; intervalS?: number }]>([
    ["no interval", { interval: undefined }, { intervalS: 5 }],
    ["an interval of null", { interval: null }, { intervalS: 5 }],
    ["an interval below a second", { interval: 0.2 }, { intervalS: 1 }],
    ["numbers as text", { interval: "7", expires_in: "600" }, { intervalS: 7, expiresInS: 600 }],
    ["no lifetime", { expires_in: undefined }, { expiresInS: 900 }],
    ["members that nobody knows", { news: SECRET }, {}],
  ])("takes a reply with %s", async (_what, change, wanted) => {
    standIn.device.replyOverride = (reply) => ({ ...reply, ...change });
    expect(await requestDeviceCode(deviceRequest(standIn))).toMatchObject(wanted);
  });

  it.each<[string, JsonObject]>([
    ["no device code", { device_code: undefined }],
    ["no user code", { user_code: undefined }],
    ["no link", { verification_uri_complete: undefined }],
    ["an empty device code", { device_code: "" }],
    ["a number as a device code", { device_code: 7 }],
    ["a user code that would write over the screen", { user_code: "FAKE\u001B[2J" }],
    ["a user code of two lines", { user_code: `FAKE\n${SECRET}` }],
    ["an endless user code", { user_code: "F".repeat(65) }],
    ["a link that is none", { verification_uri_complete: SECRET }],
    ["a link to another host", { verification_uri_complete: `https://${SECRET}.example/` }],
    [
      "a link to Kimi's site, where the issuer is on loopback",
      { verification_uri_complete: "https://www.kimi.com/" },
    ],
    ["an interval of 0", { interval: 0 }],
    ["a negative interval", { interval: -5 }],
    ["an interval of decades", { interval: 1e9 }],
    ["an interval that outlasts a sign-in", { interval: 900 }],
    ["text as an interval", { interval: SECRET }],
    ["a truth value as an interval", { interval: true }],
    ["a lifetime of 0", { expires_in: 0 }],
    ["a negative lifetime", { expires_in: -1 }],
    ["a lifetime that ends before the first poll", { expires_in: 1, interval: 5 }],
    ["text as a lifetime", { expires_in: SECRET }],
    ["a list as a lifetime", { expires_in: [900] }],
  ])("refuses %s in plain words", async (_what, change) => {
    standIn.device.replyOverride = (reply) => ({ ...reply, ...change });
    const error = await failureOf(requestDeviceCode(deviceRequest(standIn)));
    expect(error.code).toBe("bad_reply");
    expect(error.message).toMatch(
      /^127\.0\.0\.1:\d+ (answered|sent) .*\. Check the network or proxy and sign in again\.$/,
    );
    expect(everythingIn(error)).not.toContain(SECRET);
  });

  it.each<[string, Fault, string]>([
    [
      "a list",
      { kind: "rawBody", status: 200, contentType: "application/json", body: `["${SECRET}"]` },
      "bad_reply",
    ],
    [
      "a page",
      { kind: "rawBody", status: 200, contentType: "text/html", body: `<p>${SECRET}</p>` },
      "bad_reply",
    ],
    ["an endless reply", { kind: "huge", bytes: 2 ** 20 }, "bad_reply"],
    [
      "a refusal",
      { kind: "status", status: 400, body: { error: "invalid_client", error_description: SECRET } },
      "refused",
    ],
    ["a redirect", { kind: "redirect", location: `https://${SECRET}.example/` }, "refused"],
    ["a limit", { kind: "status", status: 429, body: SECRET }, "rate_limited"],
    ["a server error", { kind: "status", status: 503, body: SECRET }, "server_unavailable"],
    ["a broken connection", { kind: "reset" }, "network"],
    ["a reply that breaks off", { kind: "resetMidBody" }, "network"],
  ])("tells %s apart, without a word of the server's", async (_what, fault, code) => {
    standIn.failNext("device_authorization", fault);
    const error = await failureOf(requestDeviceCode(deviceRequest(standIn)));
    expect(error.code).toBe(code);
    expect(error.message).not.toContain("you are still signed in");
    expect(everythingIn(error)).not.toContain(SECRET);
  });

  it("asks nobody once the user has cancelled, and says why in the host's words", async () => {
    const reason = new Error("cancelled by the user");
    const request = deviceRequest(standIn, { signal: AbortSignal.abort(reason) });
    await expect(requestDeviceCode(request)).rejects.toBe(reason);
    const stop = (): never => {
      throw reason;
    };
    await expect(requestDeviceCode(deviceRequest(standIn, { beforeRequest: stop }))).rejects.toBe(
      reason,
    );
    expect(standIn.requests).toEqual([]);
  });

  it("gives up a request under way when the user cancels", async () => {
    const reason = new Error("cancelled by the user");
    const controller = new AbortController();
    standIn.failNext("device_authorization", { kind: "hang" });
    const asked = requestDeviceCode(deviceRequest(standIn, { signal: controller.signal }));
    await standIn.waitFor("device_authorization");
    controller.abort(reason);
    await expect(asked).rejects.toBe(reason);
  });
});

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
    ["a script", REGIONS.global, "javascript:alert(1)//www.kimi.ai"],
    ["a file", loopback, "file:///etc/passwd"],
    ["this machine, where the issuer is not on it", REGIONS.global, "http://127.0.0.1/code"],
    ["this machine, behind an address of the user's", custom, "http://127.0.0.1/code"],
    ["an address of the user's", custom, "https://kimi.proxy.example/code"],
    ["nowhere", REGIONS.global, ""],
    ["the end of the world", REGIONS.global, `https://www.kimi.ai/${"a".repeat(2_048)}`],
  ])("must not lead to %s", (_where, endpoints, link) => {
    expect(checkVerificationLink(link, endpoints)).toBeUndefined();
  });

  it("is shown in plain ASCII", () => {
    expect(
      checkVerificationLink("https://www.kimi.ai/c\u202Eode?\u001B[2J", REGIONS.global),
    ).toMatch(/^[\x21-\x7e]+$/);
  });
});
