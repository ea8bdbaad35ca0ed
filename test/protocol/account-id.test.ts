import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { accountIdFromToken } from "../../src/protocol/account-id.ts";
import { endpointsOf } from "../../src/protocol/endpoints.ts";
import { fetchAccountId } from "../../src/protocol/account-id.ts";
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
    ["unknown, where the token has two parts", "e30.e30", undefined],
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

  function ask(accessToken: string): Promise<string | undefined> {
    const endpoints = endpointsOf(standIn.oauthHost, standIn.apiBase);
    return fetchAccountId({
      endpoints,
      accessToken,
      headers: { "User-Agent": "kimi-code-oauth-test/1" },
    });
  }

  it("is asked for with the bearer and comes back as it is", async () => {
    const { access_token } = standIn.issueLogin();
    expect(await ask(access_token)).toBe("user-1");
    expect(standIn.requests).toMatchObject([
      { route: "me", method: "GET", bearer: access_token, status: 200 },
    ]);
    expect(standIn.requests[0]?.headers["user-agent"]).toBe("kimi-code-oauth-test/1");
    expect(standIn.violations).toEqual([]);
  });

  it.each<[string, { status: number; body: string }]>([
    ["refuses the token", { status: 401, body: '{"error":{"message":"no"}}' }],
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
});
