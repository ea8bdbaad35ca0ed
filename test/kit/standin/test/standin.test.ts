import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { defaultModels } from "../accounts.ts";
import {
  INVALID_BEARER,
  INVALID_BEARER_ANTHROPIC,
  INVALID_CLIENT,
  INVALID_GRANT,
  NOT_FOUND_HTML,
  NO_MEMBERSHIP,
  UNSUPPORTED_GRANT,
} from "../bodies.ts";
import { startStandIn } from "../server.ts";
import type { StandIn } from "../server.ts";
import { bearer, call, form, getJson, postJson, refresh } from "../client.ts";
import { CLIENT_ID } from "../tokens.ts";

let standIn: StandIn;

function jwtPart(part = ""): unknown {
  return JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
}

beforeEach(async () => {
  standIn = await startStandIn();
});

afterEach(async () => {
  await standIn.close();
});

describe("tokens", () => {
  it("rotates both tokens in one step and counts the refresh", async () => {
    const first = standIn.issueLogin();
    const answer = await refresh(standIn, first.refresh_token);
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({
      access_token: expect.stringMatching(/^standin-access-user-1-2-/u),
      refresh_token: expect.stringMatching(/^standin-refresh-user-1-2-/u),
      expires_in: 900,
      scope: "kimi-code",
      token_type: "Bearer",
    });
    expect(standIn.login(first.refresh_token)).toMatchObject({
      accountId: "user-1",
      refreshCount: 1,
      ended: false,
      accessToken: answer.json["access_token"],
      refreshToken: answer.json["refresh_token"],
    });
    expect(standIn.violations).toEqual([]);
  });

  it("refuses a spent refresh token and leaves the login alone", async () => {
    const first = standIn.issueLogin();
    const second = await refresh(standIn, first.refresh_token);
    const again = await refresh(standIn, first.refresh_token);
    expect(again).toMatchObject({ status: 400, json: INVALID_GRANT.body });
    expect(standIn.reusedRefreshTokens).toBe(1);
    expect(standIn.isLiveRefresh(String(second.json["refresh_token"]))).toBe(true);
  });

  it("answers a dead grant with 401 and ends the login on reuse where a test asks for that", async () => {
    standIn.settings.deadGrantStatus = 401;
    standIn.settings.reuseEndsLogin = true;
    const first = standIn.issueLogin();
    const second = await refresh(standIn, first.refresh_token);
    expect(await refresh(standIn, first.refresh_token)).toMatchObject({
      status: 401,
      json: INVALID_GRANT.body,
    });
    expect(await refresh(standIn, String(second.json["refresh_token"]))).toMatchObject({
      status: 401,
    });
  });

  it("spends one refresh token once, however many ask at the same moment", async () => {
    const { refresh_token: spent } = standIn.issueLogin();
    const answers = await Promise.all(Array.from({ length: 8 }, () => refresh(standIn, spent)));
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(1);
    expect(standIn.reusedRefreshTokens).toBe(7);
  });

  it("keeps the old access token alive after a refresh, until its own expiry", async () => {
    const first = standIn.issueLogin();
    standIn.clock.advance(600_000);
    await refresh(standIn, first.refresh_token);
    expect(await getJson(standIn, "/me", first.access_token)).toMatchObject({ status: 200 });
    standIn.clock.advance(301_000);
    expect(await getJson(standIn, "/me", first.access_token)).toMatchObject({
      status: 401,
      json: INVALID_BEARER.body,
    });
  });

  it("ends the old access token with the refresh where a test asks for that", async () => {
    standIn.settings.revokeOldAccessOnRefresh = true;
    const first = standIn.issueLogin();
    await refresh(standIn, first.refresh_token);
    expect(standIn.isLiveAccess(first.access_token)).toBe(false);
  });

  it("judges expiry by its own clock, to the second", async () => {
    await using other = await startStandIn({
      startTimeMs: Date.UTC(2030, 0, 1),
      accessTokenLifetimeS: 60,
    });
    const pair = other.issueLogin();
    expect(pair.expires_in).toBe(60);
    expect(new Date(other.clock.now()).getUTCFullYear()).toBe(2030);
    other.clock.advance(55_000);
    expect(await getJson(other, "/models", pair.access_token)).toMatchObject({ status: 200 });
    other.clock.advance(5_000);
    expect(await getJson(other, "/models", pair.access_token)).toMatchObject({ status: 401 });
  });

  it("forgets a refresh token that nobody used for 30 days", async () => {
    const pair = standIn.issueLogin();
    standIn.clock.advance(30 * 24 * 3600 * 1000 + 1);
    expect(await refresh(standIn, pair.refresh_token)).toMatchObject({
      status: 400,
      json: INVALID_GRANT.body,
    });
  });

  it("ends a login, and leaves the logins of other accounts", async () => {
    standIn.createAccount({ id: "user-2" });
    const mine = standIn.issueLogin();
    const other = standIn.issueLogin("user-2");
    standIn.endLogin();
    expect(await refresh(standIn, mine.refresh_token)).toMatchObject({
      status: 400,
      json: INVALID_GRANT.body,
    });
    expect(await refresh(standIn, other.refresh_token)).toMatchObject({ status: 200 });
    expect(standIn.isLiveAccess(mine.access_token)).toBe(true);
  });

  it("revokes one access token, or all of an account", () => {
    const [one, two] = [standIn.issueLogin(), standIn.issueLogin()];
    standIn.revokeAccess(one.access_token);
    expect([one, two].map((pair) => standIn.isLiveAccess(pair.access_token))).toEqual([
      false,
      true,
    ]);
    standIn.revokeAllAccess();
    expect(standIn.isLiveAccess(two.access_token)).toBe(false);
    expect(standIn.isLiveRefresh(two.refresh_token)).toBe(true);
  });

  it("can shape access tokens like a JWT, with the account and no signature", async () => {
    standIn.createAccount({ id: "user-jwt", jwtAccessTokens: true });
    const pair = standIn.issueLogin("user-jwt");
    const [head, claims, signature] = pair.access_token.split(".");
    expect(jwtPart(head)).toMatchObject({ alg: "none" });
    expect(jwtPart(claims)).toMatchObject({
      user_id: "user-jwt",
      type: "access",
      scope: "kimi-code",
    });
    expect(signature).toBe("standin-not-a-signature");
    expect(await getJson(standIn, "/me", pair.access_token)).toMatchObject({
      status: 200,
      json: { user_id: "user-jwt" },
    });
  });

  it("does not take the tokens of another stand-in", async () => {
    await using other = await startStandIn();
    const pair = other.issueLogin();
    standIn.issueLogin();
    expect(await getJson(standIn, "/me", pair.access_token)).toMatchObject({ status: 401 });
    expect(await refresh(standIn, pair.refresh_token)).toMatchObject({ status: 400 });
  });
});

describe("forms", () => {
  const refused: [string, RequestInit, unknown, string][] = [
    [
      "a JSON body",
      { headers: { "content-type": "application/json" }, body: "{}" },
      { error: "invalid_request" },
      "content type",
    ],
    [
      "a scope",
      form({ client_id: CLIENT_ID, scope: "kimi-code" }),
      { error: "invalid_request" },
      "unexpected scope",
    ],
    [
      "another client",
      form({ client_id: "standin-other-client" }),
      INVALID_CLIENT.body,
      "client_id",
    ],
    ["no client", form({}), { error: "invalid_request" }, "bad client_id"],
    [
      "a repeated field",
      form(`client_id=${CLIENT_ID}&client_id=${CLIENT_ID}`),
      { error: "invalid_request" },
      "repeated",
    ],
  ];

  it.each(refused)(
    "refuses %s at the device authorization and notes it",
    async (_what, init, body, noted) => {
      const answer = await call(`${standIn.origin}/api/oauth/device_authorization`, init);
      expect(answer).toMatchObject({ status: 400, json: body });
      expect(standIn.violations).toEqual([expect.stringContaining(noted)]);
    },
  );

  it("refuses a refresh with a stray field, without spending the token or showing it", async () => {
    const pair = standIn.issueLogin();
    const fields = {
      client_id: CLIENT_ID,
      grant_type: "refresh_token",
      refresh_token: pair.refresh_token,
      scope: "kimi-code",
    };
    const answer = await call(`${standIn.origin}/api/oauth/token`, form(fields));
    expect(answer).toMatchObject({ status: 400, json: { error: "invalid_request" } });
    expect(standIn.isLiveRefresh(pair.refresh_token)).toBe(true);
    expect(standIn.violations).toEqual(["POST /api/oauth/token: unexpected scope"]);
  });

  it("refuses an unknown grant type", async () => {
    const answer = await call(
      `${standIn.origin}/api/oauth/token`,
      form({ client_id: CLIENT_ID, grant_type: "password" }),
    );
    expect(answer).toMatchObject({ status: 400, json: UNSUPPORTED_GRANT.body });
    expect(standIn.violations).toHaveLength(1);
  });

  it("answers an unknown path with the 404 page of a web server, a wrong method with 405, and notes both", async () => {
    const lost = await call(`${standIn.origin}/oauth/token`, form({ client_id: CLIENT_ID }));
    expect(lost).toMatchObject({ status: 404, text: NOT_FOUND_HTML.body, type: "text/html" });
    expect(await call(`${standIn.origin}/api/oauth/token`)).toMatchObject({ status: 405 });
    expect(standIn.violations).toHaveLength(2);
  });
});

describe("bearer", () => {
  it.each(["/models", "/usages", "/me"])("asks for a live one on GET %s", async (path) => {
    const pair = standIn.issueLogin();
    const url = `${standIn.apiBase}${path}`;
    expect(await call(url)).toMatchObject({ status: 401, json: INVALID_BEARER.body });
    expect(await call(url, { headers: { authorization: "Bearer standin-wrong" } })).toMatchObject({
      status: 401,
    });
    expect(await call(url, { headers: { "x-api-key": pair.access_token } })).toMatchObject({
      status: 401,
    });
    expect(await call(url, bearer(pair.access_token))).toMatchObject({ status: 200 });
  });

  it("answers a dead one in the shape of each protocol", async () => {
    const body = {
      model: "k3",
      messages: [{ role: "user", content: "ping" }],
      max_tokens: 10,
      input: "ping",
    };
    const { access_token: dead } = standIn.issueLogin();
    standIn.revokeAccess(dead);
    const chat = await postJson(standIn, "/chat/completions", body, dead);
    expect(chat).toMatchObject({ status: 401, json: INVALID_BEARER.body });
    const messages = await postJson(standIn, "/messages?beta=true", body, dead);
    expect(messages).toMatchObject({ status: 401, json: INVALID_BEARER_ANTHROPIC.body });
    const responses = await postJson(standIn, "/responses", body, dead);
    expect(responses).toMatchObject({ status: 401, json: INVALID_BEARER.body });
    expect(standIn.violations).toEqual([]);
  });

  it("takes x-api-key on the chat and messages routes", async () => {
    const { access_token: key } = standIn.issueLogin();
    const body = JSON.stringify({
      model: "kimi-for-coding",
      messages: [{ role: "user", content: "ping" }],
      max_tokens: 10,
    });
    const init = {
      method: "POST",
      headers: { "x-api-key": key, "content-type": "application/json" },
      body,
    };
    expect(await call(`${standIn.apiBase}/messages`, init)).toMatchObject({ status: 200 });
    expect(await call(`${standIn.apiBase}/chat/completions`, init)).toMatchObject({ status: 200 });
    expect(standIn.requests.map((request) => request.bearer)).toEqual([key, key]);
  });
});

describe("managed API", () => {
  it("lists the models with their thinking, and those of an account of its own", async () => {
    const answer = await getJson(standIn, "/models", standIn.issueLogin().access_token);
    expect(answer.json).toEqual({ object: "list", data: defaultModels() });
    expect(
      defaultModels().map((row) => [
        row.id,
        row.context_length,
        row.supports_thinking_type,
        row.protocol,
      ]),
    ).toEqual([
      ["kimi-for-coding", 262_144, "both", null],
      ["kimi-for-coding-highspeed", 262_144, "only", null],
      ["k3", 1_048_576, "only", null],
      ["k3-256k", 262_144, "only", null],
    ]);
    standIn.createAccount({ id: "small", models: defaultModels().slice(0, 1) });
    const small = await getJson(standIn, "/models", standIn.issueLogin("small").access_token);
    expect(small.json["data"]).toHaveLength(1);
  });

  it("shows usage in either shape, or any other", async () => {
    const { access_token: access } = standIn.issueLogin();
    expect((await getJson(standIn, "/usages", access)).json).toMatchObject({
      usages: { limit_5h: { used_ratio: 0.01 } },
    });
    standIn.account().usages = "A";
    expect((await getJson(standIn, "/usages", access)).json).toMatchObject({
      usage: { used: "40", limit: "1000" },
    });
    standIn.account().usages = { usages: {} };
    expect((await getJson(standIn, "/usages", access)).json).toEqual({ usages: {} });
  });

  it("answers 402 without a membership, though login and refresh work", async () => {
    standIn.account().membership = "none";
    const pair = standIn.issueLogin();
    expect(await getJson(standIn, "/models", pair.access_token)).toMatchObject({
      status: 402,
      json: NO_MEMBERSHIP.body,
    });
    expect(await refresh(standIn, pair.refresh_token)).toMatchObject({ status: 200 });
    expect(await getJson(standIn, "/me", pair.access_token)).toMatchObject({ status: 200 });
  });

  it("searches and fetches, and notes fields it does not know", async () => {
    const { access_token: access } = standIn.issueLogin();
    const found = await postJson(standIn, "/search", { text_query: "kimi", limit: 2 }, access);
    expect(found.json["search_results"]).toHaveLength(2);
    const page = await postJson(standIn, "/fetch", { url: "https://example.invalid/a" }, access);
    expect(page).toMatchObject({
      status: 200,
      text: expect.stringContaining("https://example.invalid/a"),
    });
    expect(standIn.violations).toEqual([]);
    expect(await postJson(standIn, "/fetch", { url: "file:///etc/passwd" }, access)).toMatchObject({
      status: 400,
    });
    expect(await postJson(standIn, "/search", { query: "kimi" }, access)).toMatchObject({
      status: 400,
    });
    expect(standIn.violations).toHaveLength(2);
  });
});

describe("records", () => {
  it("keeps what arrived and what was answered, until they are cleared", async () => {
    const pair = standIn.issueLogin();
    await refresh(standIn, pair.refresh_token);
    await getJson(standIn, "/me", pair.access_token);
    expect(standIn.requests).toMatchObject([
      {
        route: "token",
        method: "POST",
        path: "/api/oauth/token",
        status: 200,
        grantType: "refresh_token",
      },
      {
        route: "me",
        method: "GET",
        path: "/coding/v1/me",
        status: 200,
        bearer: pair.access_token,
        body: "",
      },
    ]);
    expect(standIn.requests[0]?.form).toMatchObject({ refresh_token: pair.refresh_token });
    expect(standIn.count("me", (request) => request.status === 200)).toBe(1);
    expect(standIn.tokenRequests("refresh_token")).toHaveLength(1);
    expect(standIn.tokenRequests("device_code")).toEqual([]);
    standIn.clear();
    expect(standIn.count("token")).toBe(0);
  });

  it("tells when a request arrives, and gives up waiting when it is closed", async () => {
    const waiting = standIn.waitFor("me", { count: 2 });
    const { access_token: access } = standIn.issueLogin();
    await getJson(standIn, "/me", access);
    await getJson(standIn, "/me", access);
    expect(await waiting).toBe(standIn.requests[1]);
    expect(await standIn.waitFor("me")).toBe(standIn.requests[0]);
    const never = standIn.waitFor("search");
    await standIn.close();
    await expect(never).rejects.toThrow("closed before the request arrived");
  });
});
