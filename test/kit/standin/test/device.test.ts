import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  ACCESS_DENIED,
  AUTHORIZATION_PENDING,
  EXPIRED_DEVICE_CODE,
  INVALID_GRANT,
  SLOW_DOWN,
} from "../bodies.ts";
import { call, form } from "../client.ts";
import type { Got } from "../client.ts";
import { DEVICE_GRANT } from "../recorder.ts";
import { startStandIn } from "../server.ts";
import type { StandIn } from "../server.ts";
import { CLIENT_ID } from "../tokens.ts";

let standIn: StandIn;

beforeEach(async () => {
  standIn = await startStandIn();
});

afterEach(async () => {
  await standIn.close();
});

interface Codes {
  user: string;
  device: string;
  link: string;
}

async function authorize(): Promise<Codes> {
  const answer = await call(
    `${standIn.oauthHost}/api/oauth/device_authorization`,
    form({ client_id: CLIENT_ID }),
  );
  expect(answer.status).toBe(200);
  return {
    user: String(answer.json["user_code"]),
    device: String(answer.json["device_code"]),
    link: String(answer.json["verification_uri_complete"]),
  };
}

/** One poll, a whole interval after the one before. */
function poll(codes: Codes): Promise<Got> {
  standIn.clock.advance(standIn.device.intervalS * 1000);
  const fields = { client_id: CLIENT_ID, grant_type: DEVICE_GRANT, device_code: codes.device };
  return call(`${standIn.oauthHost}/api/oauth/token`, form(fields));
}

describe("device authorization", () => {
  it("gives out codes with a link to a page of its own", async () => {
    const answer = await call(
      `${standIn.oauthHost}/api/oauth/device_authorization`,
      form({ client_id: CLIENT_ID }),
    );
    expect(answer.json).toEqual({
      user_code: "FAKE-0001",
      device_code: "standin-device-code-0001",
      verification_uri: `${standIn.origin}/code/authorize_device`,
      verification_uri_complete: `${standIn.origin}/code/authorize_device?user_code=FAKE-0001`,
      expires_in: 1800,
      interval: 1,
    });
    expect(standIn.violations).toEqual([]);
  });

  it("lets a test spoil its reply", async () => {
    standIn.device.replyOverride = ({ user_code: _left, ...rest }) => rest;
    const answer = await call(
      `${standIn.oauthHost}/api/oauth/device_authorization`,
      form({ client_id: CLIENT_ID }),
    );
    expect(answer.json).not.toHaveProperty("user_code");
  });
});

describe("polling", () => {
  it("is pending for as long as it was told, then starts a login of the account, once", async () => {
    standIn.createAccount({ id: "user-2" });
    Object.assign(standIn.device, { pendingPolls: 2, accountId: "user-2" });
    const codes = await authorize();
    expect(await poll(codes)).toMatchObject({ status: 400, json: AUTHORIZATION_PENDING.body });
    expect(await poll(codes)).toMatchObject({ status: 400, json: AUTHORIZATION_PENDING.body });
    const approved = await poll(codes);
    expect(approved).toMatchObject({
      status: 200,
      json: { scope: "kimi-code", token_type: "Bearer", expires_in: 900 },
    });
    expect(standIn.login(String(approved.json["refresh_token"]))?.accountId).toBe("user-2");
    expect(await poll(codes)).toMatchObject({ status: 400, json: INVALID_GRANT.body });
    expect(standIn.tokenRequests("device_code")).toHaveLength(4);
    expect(standIn.pollsTooFast).toBe(0);
  });

  it("can say pending with status 200", async () => {
    standIn.device.pendingStatus = 200;
    expect(await poll(await authorize())).toMatchObject({
      status: 200,
      json: AUTHORIZATION_PENDING.body,
    });
  });

  it("says slow_down at the polls it was told to", async () => {
    Object.assign(standIn.device, { pendingPolls: 0, slowDownAt: [1] });
    const codes = await authorize();
    expect(await poll(codes)).toMatchObject({ status: 400, json: SLOW_DOWN.body });
    expect(await poll(codes)).toMatchObject({ status: 200 });
  });

  it("says denied, and the code is dead after it", async () => {
    Object.assign(standIn.device, { pendingPolls: 0, outcome: "deny" });
    const codes = await authorize();
    expect(await poll(codes)).toMatchObject({ status: 400, json: ACCESS_DENIED.body });
    expect(await poll(codes)).toMatchObject({ status: 400, json: INVALID_GRANT.body });
  });

  it("says expired, by its outcome or by its own clock", async () => {
    Object.assign(standIn.device, { pendingPolls: 0, outcome: "expire" });
    expect(await poll(await authorize())).toMatchObject({
      status: 400,
      json: EXPIRED_DEVICE_CODE.body,
    });
    Object.assign(standIn.device, { outcome: "manual", expiresInS: 60 });
    const codes = await authorize();
    expect(await poll(codes)).toMatchObject({ json: AUTHORIZATION_PENDING.body });
    standIn.clock.advance(60_000);
    expect(await poll(codes)).toMatchObject({ status: 400, json: EXPIRED_DEVICE_CODE.body });
  });

  it("counts polls that come before their time", async () => {
    standIn.device.intervalS = 5;
    const codes = await authorize();
    await poll(codes);
    standIn.clock.advance(-4_000);
    await poll(codes);
    expect(standIn.pollsTooFast).toBe(1);
  });

  it("does not know other codes", async () => {
    const codes = { user: "", device: "standin-device-code-9999", link: "" };
    expect(await poll(codes)).toMatchObject({ status: 400, json: INVALID_GRANT.body });
  });
});

describe("a person's decision", () => {
  beforeEach(() => {
    standIn.device.outcome = "manual";
  });

  it("is waited for, and then counts at the next poll", async () => {
    const [yes, no] = [await authorize(), await authorize()];
    expect(await poll(yes)).toMatchObject({ json: AUTHORIZATION_PENDING.body });
    standIn.approveDevice(yes.user);
    standIn.denyDevice(no.user);
    expect(await poll(yes)).toMatchObject({ status: 200 });
    expect(await poll(no)).toMatchObject({ status: 400, json: ACCESS_DENIED.body });
    expect(() => standIn.approveDevice("FAKE-9999")).toThrow("no device authorization");
  });

  it("can be made on the page of the link, once", async () => {
    const codes = await authorize();
    const page = await call(codes.link);
    expect(page).toMatchObject({ status: 200, type: "text/html; charset=utf-8" });
    expect(page.text).toContain("Approve");
    expect(page.text).toContain(codes.user);
    const button = form({ user_code: codes.user, account: "user-1", decision: "approve" });
    expect(await call(codes.link, button)).toMatchObject({
      status: 200,
      text: expect.stringContaining("Approved"),
    });
    expect(await call(codes.link, button)).toMatchObject({ status: 404 });
    expect(await poll(codes)).toMatchObject({ status: 200 });
    expect(standIn.violations).toEqual([]);
  });

  it("can be a denial on that page, and a made-up code cannot put markup into it", async () => {
    const codes = await authorize();
    await call(codes.link, form({ user_code: codes.user, decision: "deny" }));
    expect(await poll(codes)).toMatchObject({ json: ACCESS_DENIED.body });
    const page = await call(`${standIn.origin}/code/authorize_device?user_code=%3Cscript%3E`);
    expect(page.status).toBe(404);
    expect(page.text).not.toContain("<script>");
  });
});
