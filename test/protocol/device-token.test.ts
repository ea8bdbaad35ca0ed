import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DeviceRequest } from "../../src/protocol/device-authorization.ts";
import { requestDeviceCode } from "../../src/protocol/device-authorization.ts";
import type { Decision } from "../../src/protocol/device-token.ts";
import { awaitDecision } from "../../src/protocol/device-token.ts";
import { everythingIn, failureOf } from "../kit/logins.ts";
import { startStandIn } from "../kit/standin/server.ts";
import type { Fault, StandIn } from "../kit/standin/server.ts";
import type { FakeWaits } from "../kit/device.ts";
import { deviceRequest, fakeWaits } from "../kit/device.ts";

const SECRET = "server-text-never-shown";
const BUDGET_MS = 900_000;

describe("waiting for a decision", () => {
  let standIn: StandIn;
  let waits: FakeWaits;

  beforeEach(async () => {
    standIn = await startStandIn();
    standIn.device.intervalS = 5;
    waits = fakeWaits(standIn);
  });

  afterEach(async () => {
    await standIn.close();
    if (standIn.violations.length > 0 || standIn.pollsTooFast > 0) {
      throw new Error(
        `not by the book: ${standIn.violations.join()}, ${standIn.pollsTooFast} polls too fast`,
      );
    }
  });

  async function decide(more: Partial<DeviceRequest> = {}, deps = waits): Promise<Decision> {
    const request = deviceRequest(standIn, more);
    const code = await requestDeviceCode(deviceRequest(standIn));
    return await awaitDecision(request, code, standIn.clock.now() + BUDGET_MS, deps);
  }

  it.each([400, 200] as const)(
    "waits first, polls by the interval, and gets the tokens (pending as %i)",
    async (status) => {
      standIn.device.pendingPolls = 3;
      standIn.device.pendingStatus = status;
      const { tokens } = await decide();
      expect(standIn.isLiveRefresh(tokens?.refreshToken ?? "")).toBe(true);
      expect(standIn.isLiveAccess(tokens?.accessToken ?? "")).toBe(true);
      expect(tokens).toMatchObject({ expiresInS: 900, tokenType: "Bearer" });
      expect(waits.pauses).toEqual([5, 5, 5, 5]);
      expect(standIn.tokenRequests("device_code")).toHaveLength(4);
    },
  );

  it("keeps the slower pace after each slow_down", async () => {
    standIn.device.pendingPolls = 5;
    standIn.device.slowDownAt = [2, 4];
    await decide();
    expect(waits.pauses).toEqual([5, 5, 10, 10, 15, 15]);
  });

  it("ends at a denial", async () => {
    standIn.device.outcome = "deny";
    const error = await failureOf(decide());
    expect(error.code).toBe("sign_in_denied");
    expect(error.message).toBe(
      "The sign-in was denied on Kimi's page. Nothing was stored; sign in again if that was a mistake.",
    );
    expect(standIn.tokenRequests("device_code")).toHaveLength(2);
  });

  it("ends when the server says that the code has expired, and knows the pace by then", async () => {
    standIn.device.outcome = "expire";
    standIn.device.slowDownAt = [1];
    expect(await decide()).toEqual({ tokens: undefined, intervalS: 10 });
  });

  it("stops asking when the code's time is over", async () => {
    standIn.device.outcome = "manual";
    standIn.device.expiresInS = 12;
    expect(await decide()).toMatchObject({ tokens: undefined });
    expect(waits.pauses).toEqual([5, 5, 2]);
  });

  it("stops asking when the time for the whole sign-in is over", async () => {
    standIn.device.outcome = "manual";
    standIn.device.intervalS = 400;
    expect(await decide()).toMatchObject({ tokens: undefined });
    expect(waits.pauses).toEqual([400, 400, 100]);
  });

  it.each<[string, Fault]>([
    ["a lost connection", { kind: "reset" }],
    ["a response that breaks off", { kind: "resetMidBody" }],
    ["a server error", { kind: "status", status: 502, body: SECRET }],
    ["a limit", { kind: "status", status: 429, body: SECRET }],
  ])("goes on after %s, a little later", async (_what, fault) => {
    standIn.device.pendingPolls = 2;
    standIn.failNext("token", fault);
    expect((await decide()).tokens).toBeDefined();
    expect(waits.pauses.slice(0, 3)).toEqual([5, 10, 5]);
  });

  it("comes back later after each lost connection, up to half a minute", async () => {
    standIn.failNext("token", { kind: "reset" }, { times: 5 });
    expect((await decide()).tokens).toBeDefined();
    expect(waits.pauses).toEqual([5, 10, 20, 30, 30, 30, 5]);
  });

  it("waits as long as a limit asks for", async () => {
    standIn.failNext("token", {
      kind: "status",
      status: 429,
      body: SECRET,
      headers: { "retry-after": "45" },
    });
    await decide();
    expect(waits.pauses.slice(0, 2)).toEqual([5, 45]);
  });

  it("says that the server could not be reached when that lasted to the end", async () => {
    standIn.failAlways("token", { kind: "reset" });
    const error = await failureOf(decide());
    expect(error.code).toBe("network");
    expect(error.message).toMatch(
      /could not be reached: the connection broke\. Check the network or proxy and try again\.$/,
    );
  });

  it("ends after three server errors in a row", async () => {
    standIn.failAlways("token", {
      kind: "status",
      status: 500,
      body: { error: "server_error", error_description: SECRET },
    });
    const error = await failureOf(decide());
    expect(error.code).toBe("server_unavailable");
    expect(standIn.tokenRequests()).toHaveLength(3);
    expect(everythingIn(error)).not.toContain(SECRET);
  });

  it("explains tokens that were handed out and got lost on the way", async () => {
    standIn.device.pendingPolls = 0;
    standIn.failNext("token", { kind: "rotateThenDrop" });
    const error = await failureOf(decide());
    expect(error).toMatchObject({
      code: "refused",
      message: expect.stringMatching(/connection broke while Kimi was handing over/),
    });
  });

  it.each<[string, Fault, string]>([
    [
      "an error that nobody knows",
      { kind: "status", status: 400, body: { error: "odd", error_description: SECRET } },
      "refused",
    ],
    ["a refusal", { kind: "status", status: 403, body: SECRET }, "refused"],
    ["a redirect", { kind: "redirect", location: `https://${SECRET}.example/` }, "refused"],
    [
      "a code that the server forgot",
      { kind: "status", status: 400, body: { error: "invalid_grant" } },
      "refused",
    ],
    [
      "a page",
      { kind: "rawBody", status: 200, contentType: "text/html", body: SECRET },
      "bad_reply",
    ],
    ["an endless response", { kind: "huge", bytes: 2 ** 20 }, "bad_reply"],
    [
      "a login without an access token",
      { kind: "mutateReply", fn: ({ access_token: _a, ...rest }) => rest },
      "bad_reply",
    ],
    [
      "a login that cannot be renewed",
      { kind: "mutateReply", fn: ({ refresh_token: _r, ...rest }) => rest },
      "bad_reply",
    ],
    [
      "a token that would break a header",
      {
        kind: "mutateReply",
        fn: (response) => ({ ...response, access_token: `${SECRET}\r\nX: y` }),
      },
      "bad_reply",
    ],
  ])("ends at %s, without a word of the server's", async (_what, fault, code) => {
    standIn.device.pendingPolls = 0;
    standIn.failNext("token", fault);
    const error = await failureOf(decide());
    expect(error.code).toBe(code);
    expect(error.message).not.toContain("you are still signed in");
    expect(everythingIn(error)).not.toContain(SECRET);
    expect(everythingIn(error)).not.toContain("standin-");
  });

  it("polls no more once the user has cancelled in a pause", async () => {
    const reason = new Error("cancelled by the user");
    const controller = new AbortController();
    standIn.device.outcome = "manual";
    const deps = fakeWaits(standIn, (count) => {
      if (count === 3) {
        controller.abort(reason);
      }
    });
    await expect(decide({ signal: controller.signal }, deps)).rejects.toBe(reason);
    expect(standIn.tokenRequests()).toHaveLength(2);
  });

  it("polls no more once the user has cancelled in a poll", async () => {
    const reason = new Error("cancelled by the user");
    const controller = new AbortController();
    standIn.failNext("token", { kind: "hang" });
    const decision = decide({ signal: controller.signal });
    await standIn.waitFor("token");
    controller.abort(reason);
    await expect(decision).rejects.toBe(reason);
    expect(standIn.tokenRequests()).toHaveLength(1);
  });

  it("asks for permission before each poll", async () => {
    const reason = new Error("no longer allowed");
    let asked = 0;
    standIn.device.outcome = "manual";
    const beforeRequest = (): void => {
      asked += 1;
      if (asked === 3) {
        throw reason;
      }
    };
    await expect(decide({ beforeRequest })).rejects.toBe(reason);
    expect(standIn.tokenRequests()).toHaveLength(2);
  });
});
