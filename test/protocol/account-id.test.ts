import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  accountIdFromToken,
  accountOf,
  type AccountRequest,
  fetchAccountId,
  meResponseSchema,
} from "../../src/protocol/account-id.ts";
import { endpointsOf } from "../../src/protocol/endpoints.ts";
import { everythingIn, failureOf } from "../kit/logins.ts";
import { startStandIn } from "../kit/standin/server.ts";
import type { StandIn } from "../kit/standin/server.ts";

function jwt(claims: unknown): string {
  return `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.signature`;
}

describe("a token's own account", () => {
  it.each<[string, string, string | undefined]>([
    ["its user id", jwt({ user_id: "u-1", sub: "u-2" }), "u-1"],
    ["its subject, where it names no user id", jwt({ sub: "u-2" }), "u-2"],
    ["its subject, where its user id is not text", jwt({ user_id: 7, sub: "u-2" }), "u-2"],
    ["unknown, where it names none", jwt({ scope: "kimi-code" }), undefined],
    ["unknown, where it is empty", jwt({ user_id: "" }), undefined],
    ["unknown, where it is absurdly long", jwt({ user_id: "u".repeat(257) }), undefined],
    ["unknown, where the claims are no object", jwt("u-1"), undefined],
    ["unknown, where the claims are null", jwt(null), undefined],
    ["unknown, where the claims are no JSON", "e30.e30x.signature", undefined],
    ["unknown, where the token has two parts", jwt({ sub: "u-2" }).slice(0, -10), undefined],
    ["unknown, where the token has four parts", `${jwt({ sub: "u-2" })}.more`, undefined],
    ["unknown, where the token is opaque", "standin-access-user-1", undefined],
    ["unknown, where the token is empty", "", undefined],
  ])("is %s", (_what, token, wanted) => {
    expect(accountIdFromToken(token)).toBe(wanted);
  });
});

describe("the account that the server names", () => {
  let standIn: StandIn;

  beforeEach(async () => {
    standIn = await startStandIn();
  });

  afterEach(async () => {
    await standIn.close();
  });

  function request(accessToken: string): AccountRequest {
    const endpoints = endpointsOf(standIn.oauthHost, standIn.apiBase);
    return { endpoints, accessToken, headers: { "User-Agent": "kimi-code-oauth-test/1" } };
  }

  function ask(accessToken: string): Promise<string | undefined> {
    return fetchAccountId(request(accessToken));
  }

  it("is asked for with the bearer and comes back as it is", async () => {
    const { access_token } = standIn.issueLogin();
    expect(await ask(access_token)).toBe("user-1");
    expect(standIn.requests).toMatchObject([
      { route: "me", method: "GET", bearer: access_token, status: 200 },
    ]);
    expect(standIn.requests[0]?.headers).toMatchObject({
      "user-agent": "kimi-code-oauth-test/1",
      accept: "application/json",
    });
    expect(standIn.violations).toEqual([]);
  });

  it.each<[string, { status: number; body: string }]>([
    ["refuses the token", { status: 401, body: '{"error":{"message":"no"}}' }],
    ["refuses the token and names an account", { status: 401, body: '{"user_id":"u-1"}' }],
    ["sends a web page", { status: 200, body: "<html></html>" }],
    ["names no account", { status: 200, body: '{"user_id":""}' }],
    ["names a number", { status: 200, body: '{"user_id":1}' }],
  ])("is unknown when the server %s", async (_what, answer) => {
    const { access_token } = standIn.issueLogin();
    standIn.failNext("me", { kind: "rawBody", contentType: "application/json", ...answer });
    expect(await ask(access_token)).toBeUndefined();
  });

  it("fails without the token in the error when there is no answer", async () => {
    const { access_token } = standIn.issueLogin();
    standIn.failNext("me", { kind: "reset" });
    const error = await failureOf(ask(access_token));
    expect(error.code).toBe("network");
    expect(everythingIn(error)).not.toContain(access_token);
  });

  it("is taken from the token where that tells it, and the name from Kimi", async () => {
    expect(await accountOf(request(standIn.issueLogin().access_token))).toEqual({
      id: "user-1",
      name: "Stand-in user-1",
    });
    standIn.failNext("me", { kind: "reset" });
    expect(await accountOf(request(jwt({ sub: "u-2" })))).toEqual({ id: "u-2", name: undefined });
  });

  it("is unknown and no failure when there is no answer", async () => {
    standIn.failNext("me", { kind: "reset" });
    expect(await accountOf(request(standIn.issueLogin().access_token))).toEqual({
      id: undefined,
      name: undefined,
    });
  });

  it("fails with the reason of a user who gives up", async () => {
    const leaving = new AbortController();
    standIn.failNext("me", { kind: "hang" });
    const { signal } = leaving;
    const work = accountOf({ ...request(standIn.issueLogin().access_token), signal });
    await standIn.waitFor("me");
    leaving.abort(new Error("the user pressed Escape"));
    await expect(work).rejects.toThrow("the user pressed Escape");
  });
});

describe("the name of a plan", () => {
  it.each<[unknown, string | undefined]>([
    [" Allegretto ", "Allegretto"],
    ["", undefined],
    ["  ", undefined],
    ["x".repeat(64), "x".repeat(64)],
    ["x".repeat(65), undefined],
    ["\u001b[2Jplan", undefined],
    ["plan\u001b[2J", undefined],
    ["plan\u202e", undefined],
    [7, undefined],
  ])("%j is read as %s", (user_level_name, wanted) => {
    const { data } = meResponseSchema.safeParse({ user_id: "u-1", user_level_name });
    expect([data?.user_id, data?.user_level_name]).toEqual(["u-1", wanted]);
  });
});
