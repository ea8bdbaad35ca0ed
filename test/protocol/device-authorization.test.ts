import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { requestDeviceCode } from "../../src/protocol/device-authorization.ts";
import { CLIENT_ID } from "../../src/protocol/endpoints.ts";
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
    [
      "odd numbers as text",
      { interval: " 7.25 ", expires_in: "600.5" },
      { intervalS: 7.25, expiresInS: 600.5 },
    ],
    ["no lifetime", { expires_in: undefined }, { expiresInS: 900 }],
    ["members that nobody knows", { news: SECRET }, {}],
  ])("takes a response with %s", async (_what, change, wanted) => {
    standIn.device.replyOverride = (response) => ({ ...response, ...change });
    expect(await requestDeviceCode(deviceRequest(standIn))).toMatchObject(wanted);
  });

  it.each<[string, JsonObject]>([
    ["no device code", { device_code: undefined }],
    ["no user code", { user_code: undefined }],
    ["no link", { verification_uri_complete: undefined }],
    ["an empty device code", { device_code: "" }],
    ["a number as a device code", { device_code: 7 }],
    ["a device code with a line break before it", { device_code: `\n${SECRET}` }],
    ["a device code with a blank behind it", { device_code: `${SECRET} ` }],
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
    ["an interval with a unit", { interval: "5s" }],
    ["an interval with a word before it", { interval: "in 5" }],
    ["a truth value as an interval", { interval: true }],
    ["a lifetime of 0", { expires_in: 0 }],
    ["a negative lifetime", { expires_in: -1 }],
    ["a lifetime that ends before the first poll", { expires_in: 1, interval: 5 }],
    ["text as a lifetime", { expires_in: SECRET }],
    ["a list as a lifetime", { expires_in: [900] }],
  ])("refuses %s in plain words", async (_what, change) => {
    standIn.device.replyOverride = (response) => ({ ...response, ...change });
    const error = await failureOf(requestDeviceCode(deviceRequest(standIn)));
    expect(error).toMatchObject({ code: "bad_reply", details: { status: 200 } });
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
    ["an endless response", { kind: "huge", bytes: 2 ** 20 }, "bad_reply"],
    [
      "a refusal",
      { kind: "status", status: 400, body: { error: "invalid_client", error_description: SECRET } },
      "refused",
    ],
    ["a redirect", { kind: "redirect", location: `https://${SECRET}.example/` }, "refused"],
    ["a limit", { kind: "status", status: 429, body: SECRET }, "rate_limited"],
    ["a server error", { kind: "status", status: 503, body: SECRET }, "server_unavailable"],
    ["a broken connection", { kind: "reset" }, "network"],
    ["a response that breaks off", { kind: "resetMidBody" }, "network"],
  ])("tells %s apart, without a word of the server's", async (_what, fault, code) => {
    standIn.failNext("device_authorization", fault);
    const error = await failureOf(requestDeviceCode(deviceRequest(standIn)));
    expect(error.code).toBe(code);
    expect(error.message).not.toContain("you are still signed in");
    expect(everythingIn(error)).not.toContain(SECRET);
  });

  it("says with which status a request was refused", async () => {
    standIn.failNext("device_authorization", { kind: "status", status: 418 });
    const error = await failureOf(requestDeviceCode(deviceRequest(standIn)));
    expect(error).toMatchObject({ code: "refused", details: { status: 418 } });
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
