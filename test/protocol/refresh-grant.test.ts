import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { endpointsOf } from "../../src/protocol/endpoints.ts";
import type { KimiErrorCode, KimiErrorDetails } from "../../src/protocol/errors.ts";
import { exchange, parseRetryAfter } from "../../src/protocol/http.ts";
import { identityHeaders } from "../../src/protocol/identity.ts";
import { refreshGrant } from "../../src/protocol/refresh-grant.ts";
import type { IssuedTokens } from "../../src/protocol/refresh-grant.ts";
import { PLUGIN_VERSION } from "../../src/constants.ts";
import { everythingIn, failureOf } from "../kit/logins.ts";
import { GATEWAY_HTML, INVALID_GRANT } from "../kit/standin/bodies.ts";
import { startStandIn } from "../kit/standin/server.ts";
import type { Fault, StandIn, TokenReply } from "../kit/standin/server.ts";
import type { JsonObject } from "../kit/standin/types.ts";

/** In every made-up body, so that a leak of server text is seen. */
const SERVER_TEXT = "canary-server-text";
const PAGE = `<html><body>${SERVER_TEXT}</body></html>`;

let standIn: StandIn;
let pair: TokenReply;

beforeEach(async () => {
  standIn = await startStandIn();
  pair = standIn.issueLogin();
});

afterEach(async () => {
  await standIn.close();
});

function spend({
  oauthHost = standIn.oauthHost,
  beforeSend,
}: { oauthHost?: string; beforeSend?: () => void } = {}): Promise<IssuedTokens> {
  return refreshGrant({
    endpoints: endpointsOf(oauthHost, standIn.apiBase),
    headers: identityHeaders("device-1"),
    refreshToken: pair.refresh_token,
    beforeSend,
  });
}

function withServerText(status: number, fields: JsonObject = {}): Fault {
  return {
    kind: "status",
    status,
    body: { error_description: SERVER_TEXT, token: pair.refresh_token, ...fields },
  };
}

/** Fails if any secret or any byte of the server is to be seen anywhere in the error. */
async function cleanFailure(
  work: Promise<unknown>,
): Promise<{ code: KimiErrorCode; details: KimiErrorDetails; message: string }> {
  const error = await failureOf(work);
  const text = everythingIn(error);
  for (const secret of [
    pair.access_token,
    pair.refresh_token,
    SERVER_TEXT,
    "standin-refresh",
    "standin-access",
  ]) {
    expect(text).not.toContain(secret);
  }
  return error;
}

describe("the request", () => {
  it("has exactly the three fields of the refresh grant, and says honestly who sends it", async () => {
    await spend();
    const [request] = standIn.tokenRequests();
    expect(request).toMatchObject({ method: "POST", path: "/api/oauth/token", status: 200 });
    expect(Array.from(new URLSearchParams(request?.body))).toEqual([
      ["client_id", "17e5f671-d194-4dfb-9706-5516cb48c098"],
      ["grant_type", "refresh_token"],
      ["refresh_token", pair.refresh_token],
    ]);
    expect(request?.headers).toMatchObject({
      accept: "application/json",
      "content-type": "application/x-www-form-urlencoded",
      "user-agent": expect.stringMatching(
        new RegExp(`^kimi-code-oauth/${PLUGIN_VERSION.replaceAll(".", "\\.")}( |$)`, "u"),
      ),
      "x-msh-platform": "kimi_code_oauth",
      "x-msh-version": PLUGIN_VERSION,
      "x-msh-device-id": "device-1",
    });
    const sent = JSON.stringify(request?.headers);
    expect(sent).not.toMatch(/kimi-code-cli|kimi_code_cli|kimicli|kimi_cli|claude/iu);
    expect(request?.headers).not.toHaveProperty("authorization");
    expect(standIn.violations).toEqual([]);
  });

  it("leaves the device id out when there is none, and puts only printable ASCII into headers", () => {
    expect(identityHeaders(undefined)).not.toHaveProperty("X-Msh-Device-Id");
    expect(identityHeaders("a\r\nb\u00e9c")["X-Msh-Device-Id"]).toBe("abc");
    expect(identityHeaders("\u0000")["X-Msh-Device-Id"]).toBe("unknown");
  });

  it("names the version of package.json", async () => {
    const { version } = JSON.parse(
      await readFile(new URL("../../package.json", import.meta.url), "utf8"),
    ) as JsonObject;
    expect(PLUGIN_VERSION).toBe(version);
  });
});

describe("a 200", () => {
  it("gives the tokens as they were issued", async () => {
    const tokens = await spend();
    const login = standIn.login(pair.refresh_token);
    expect(tokens).toEqual({
      accessToken: login?.accessToken,
      refreshToken: login?.refreshToken,
      expiresInS: 900,
      scope: "kimi-code",
      tokenType: "Bearer",
    });
  });

  it.each<[string, (response: JsonObject) => JsonObject, Partial<IssuedTokens>]>([
    [
      "no scope and no token type",
      ({ scope: _s, token_type: _t, ...rest }) => rest,
      { expiresInS: 900 },
    ],
    [
      "an odd scope",
      (response) => ({ ...response, scope: ["kimi-code"], token_type: 7 }),
      { expiresInS: 900 },
    ],
    ["a lifetime as text", (response) => ({ ...response, expires_in: "600" }), { expiresInS: 600 }],
    ["a lifetime of zero", (response) => ({ ...response, expires_in: 0 }), { expiresInS: 900 }],
    ["a negative lifetime", (response) => ({ ...response, expires_in: -5 }), { expiresInS: 900 }],
    [
      "an endless lifetime",
      (response) => ({ ...response, expires_in: 1e12 }),
      { expiresInS: 86_400 },
    ],
    [
      "words for a lifetime",
      (response) => ({ ...response, expires_in: "soon" }),
      { expiresInS: 900 },
    ],
    [
      "a truth value for a lifetime",
      (response) => ({ ...response, expires_in: true }),
      { expiresInS: 900 },
    ],
    ["null for a lifetime", (response) => ({ ...response, expires_in: null }), { expiresInS: 900 }],
    ["no lifetime", ({ expires_in: _e, ...rest }) => rest, { expiresInS: 900 }],
  ])("with %s still gives both tokens, for the old one is spent", async (_what, fn, wanted) => {
    standIn.failNext("token", { kind: "mutateReply", fn });
    const tokens = await spend();
    const login = standIn.login(pair.refresh_token);
    expect(tokens).toMatchObject({
      accessToken: login?.accessToken,
      refreshToken: login?.refreshToken,
      ...wanted,
    });
  });

  it("without a refresh token names none, so that the old one is kept", async () => {
    standIn.failNext("token", {
      kind: "mutateReply",
      fn: ({ refresh_token: _r, ...rest }) => rest,
    });
    expect(await spend()).not.toHaveProperty("refreshToken");
  });

  it.each<[string, () => Fault]>([
    ["a web page", () => ({ kind: "rawBody", status: 200, contentType: "text/html", body: PAGE })],
    [
      "half of its JSON",
      () => ({
        kind: "rawBody",
        status: 200,
        contentType: "application/json",
        body: `{"access_token":"${SERVER_TEXT}`,
      }),
    ],
    [
      "nothing",
      () => ({ kind: "rawBody", status: 200, contentType: "application/json", body: "" }),
    ],
    [
      "no access token",
      () => ({ kind: "mutateReply", fn: ({ access_token: _a, ...rest }) => rest }),
    ],
    [
      "an empty access token",
      () => ({ kind: "mutateReply", fn: (response) => ({ ...response, access_token: "" }) }),
    ],
    [
      "a line break in a token",
      () => ({ kind: "mutateReply", fn: (response) => ({ ...response, access_token: "a\r\nb" }) }),
    ],
    [
      "a token of 20 kB",
      () => ({
        kind: "mutateReply",
        fn: (response) => ({ ...response, access_token: "a".repeat(20_000) }),
      }),
    ],
  ])("with %s is a bad response, which may have cost the old token", async (_what, fault) => {
    standIn.failNext("token", fault());
    const error = await cleanFailure(spend());
    expect(error).toMatchObject({
      code: "bad_reply",
      transient: true,
      details: { status: 200, mayHaveReachedServer: true },
    });
    expect(error.message).toContain("you are still signed in");
  });

  it.each<[string, Fault]>([
    ["10 MB of something else", { kind: "huge", bytes: 10_000_000 }],
    [
      "tokens and 300 kB more",
      { kind: "mutateReply", fn: (response) => ({ ...response, padding: "x".repeat(300_000) }) },
    ],
  ])("with %s is too large to be read to its end", async (_what, fault) => {
    standIn.failNext("token", fault);
    const error = await cleanFailure(spend());
    expect(error).toMatchObject({
      code: "bad_reply",
      details: { status: 200, mayHaveReachedServer: true },
    });
    expect(error.message).toContain("sent a response that is too large to be Kimi's.");
  });
});

describe("a refusal", () => {
  it.each<[string, () => Fault]>([
    ["400 invalid_grant", () => withServerText(400, { error: "invalid_grant" })],
    ["401 invalid_grant", () => withServerText(401, { error: "invalid_grant" })],
    ["402 invalid_grant", () => withServerText(402, { error: "invalid_grant" })],
    ["403 invalid_grant", () => withServerText(403, { error: "invalid_grant" })],
    ["200 invalid_grant", () => withServerText(200, { error: "invalid_grant" })],
  ])("%s means that Kimi has ended the login", async (_what, fault) => {
    standIn.failNext("token", fault());
    expect(await cleanFailure(spend())).toMatchObject({ code: "login_ended", transient: false });
  });

  it("of a spent token means the same, at either status that users report", async () => {
    await spend();
    for (const status of [400, 401] as const) {
      standIn.settings.deadGrantStatus = status;
      expect(await cleanFailure(spend())).toMatchObject({
        code: "login_ended",
        details: { status },
      });
    }
    expect(INVALID_GRANT.body).toMatchObject({ error: "invalid_grant" });
  });

  it.each<[string, () => Fault, KimiErrorCode, KimiErrorDetails]>([
    ["401 with JSON", () => withServerText(401), "refused", { status: 401 }],
    ["403 with JSON", () => withServerText(403), "refused", { status: 403 }],
    [
      "401 with a web page",
      () => ({ kind: "status", status: 401, body: PAGE }),
      "refused",
      { status: 401 },
    ],
    [
      "403 with a web page",
      () => ({ kind: "status", status: 403, body: PAGE }),
      "refused",
      { status: 403 },
    ],
    ["403 with no body", () => ({ kind: "status", status: 403 }), "refused", { status: 403 }],
    [
      "400 with another error",
      () => withServerText(400, { error: "invalid_client" }),
      "refused",
      { status: 400 },
    ],
    ["402", () => withServerText(402), "refused", { status: 402 }],
    ["404", () => ({ kind: "status", status: 404, body: PAGE }), "refused", { status: 404 }],
    [
      "204",
      () => ({ kind: "status", status: 204 }),
      "bad_reply",
      { status: 204, mayHaveReachedServer: true },
    ],
    ["429", () => withServerText(429), "rate_limited", { status: 429, retryable: true }],
    [
      "500",
      () => withServerText(500),
      "server_unavailable",
      { status: 500, retryable: true, mayHaveReachedServer: true },
    ],
    [
      "502",
      () => ({ kind: "status", ...GATEWAY_HTML }),
      "server_unavailable",
      { status: 502, retryable: true, mayHaveReachedServer: true },
    ],
    [
      "503",
      () => withServerText(503),
      "server_unavailable",
      { status: 503, retryable: true, mayHaveReachedServer: true },
    ],
    [
      "504",
      () => withServerText(504),
      "server_unavailable",
      { status: 504, retryable: true, mayHaveReachedServer: true },
    ],
  ])("%s says nothing about the login", async (_what, fault, code, details) => {
    standIn.failNext("token", fault());
    const error = await cleanFailure(spend());
    expect(error).toMatchObject({ code, transient: true });
    expect(error.details).toMatchObject(details);
    expect(error.message.startsWith(error.details.what ?? "")).toBe(true);
    expect(error.message).toContain("you are still signed in");
    expect(standIn.isLiveRefresh(pair.refresh_token)).toBe(true);
  });

  it.each([301, 302, 303, 307, 308] as const)(
    "%i is not followed, and the other server gets nothing",
    async (status) => {
      await using other = await startStandIn();
      standIn.failNext("token", {
        kind: "redirect",
        status,
        location: `${other.origin}/api/oauth/token`,
      });
      const error = await cleanFailure(spend());
      expect(error).toMatchObject({ code: "refused", details: { status } });
      expect(error.message).toContain("tried to redirect the sign-in request, so it was blocked.");
      expect(other.requests).toEqual([]);
      expect(standIn.count("token")).toBe(1);
    },
  );

  it.each([
    [300, "tried to redirect the sign-in request"],
    [399, "tried to redirect the sign-in request"],
    [400, "refused to refresh the login (HTTP 400)"],
    [499, "refused to refresh the login (HTTP 499)"],
  ])("%i without a word about the token is told as what it is", async (status, words) => {
    standIn.failNext("token", { kind: "status", status });
    const error = await cleanFailure(spend());
    expect(error).toMatchObject({ code: "refused", details: { status } });
    expect(error.message).toContain(words);
  });

  it.each([
    ["seconds", () => "7", 7_000, 7_000],
    ["a date", () => new Date(Date.now() + 60_000).toUTCString(), 55_000, 60_000],
  ])("429 with Retry-After as %s says when to come back", async (_what, value, atLeast, atMost) => {
    standIn.failNext("token", {
      kind: "status",
      status: 429,
      body: {},
      headers: { "retry-after": value() },
    });
    const { details } = await cleanFailure(spend());
    expect(details.retryAfterMs).toBeGreaterThanOrEqual(atLeast);
    expect(details.retryAfterMs).toBeLessThanOrEqual(atMost);
  });
});

describe("a connection", () => {
  it.each<[string, Fault, string]>([
    ["that is reset before any byte", { kind: "reset" }, "the connection broke"],
    ["that is reset after the server acted", { kind: "rotateThenDrop" }, "the connection broke"],
    ["that breaks in the middle of the response", { kind: "resetMidBody" }, "the connection broke"],
  ])("%s may have brought the request there", async (_what, fault, why) => {
    standIn.failNext("token", fault);
    const error = await cleanFailure(spend());
    expect(error.message).toBe(
      `Kimi's server ${new URL(standIn.origin).host} could not be reached: ${why}. Check the network or proxy and try again; you are still signed in.`,
    );
    expect(error).toMatchObject({
      code: "network",
      details: { retryable: true, mayHaveReachedServer: true },
    });
    expect(standIn.count("token")).toBe(1);
  });

  it("that is refused has not brought the request there", async () => {
    await standIn.close();
    const error = await cleanFailure(spend());
    expect(error.message).toContain("could not be reached: the connection was refused.");
    expect(error).toMatchObject({
      code: "network",
      details: { retryable: true, mayHaveReachedServer: false },
    });
  });

  it("to a name that does not exist has not brought the request there", async () => {
    const error = await cleanFailure(spend({ oauthHost: "https://auth.kimi.invalid" }));
    expect(error.message).toContain(
      "auth.kimi.invalid could not be reached: its name could not be resolved.",
    );
    expect(error).toMatchObject({
      code: "network",
      details: { retryable: true, mayHaveReachedServer: false },
    });
  });

  it("to a server without TLS behind an https address has not brought the request there", async () => {
    const error = await cleanFailure(
      spend({ oauthHost: standIn.oauthHost.replace("http:", "https:") }),
    );
    expect(error.message).toContain("could not be reached: no secure connection could be made.");
    expect(error).toMatchObject({
      code: "network",
      details: { retryable: true, mayHaveReachedServer: false },
    });
    expect(standIn.requests).toEqual([]);
  });

  it("that the server never answers on may have brought the request there", async () => {
    standIn.failNext("models", { kind: "hang" });
    const error = await cleanFailure(
      exchange({ method: "GET", url: `${standIn.apiBase}/models`, headers: {}, timeoutMs: 250 }),
    );
    expect(error.message).toContain("could not be reached: it did not answer in time.");
    expect(error).toMatchObject({
      code: "network",
      details: { retryable: true, mayHaveReachedServer: true },
    });
  });

  it("that the caller gives up is not called a network failure", async () => {
    standIn.failNext("models", { kind: "hang" });
    const leaving = new AbortController();
    const failure = cleanFailure(
      exchange({
        method: "GET",
        url: `${standIn.apiBase}/models`,
        headers: {},
        signal: leaving.signal,
      }),
    );
    await standIn.waitFor("models");
    leaving.abort(new Error(pair.refresh_token));
    expect(await failure).toMatchObject({ code: "aborted", details: {} });
  });

  it("is not made at all for a caller who has given up already", async () => {
    const request = {
      method: "GET",
      url: `${standIn.apiBase}/models`,
      headers: {},
      signal: AbortSignal.abort(),
    } as const;
    expect(await cleanFailure(exchange(request))).toMatchObject({ code: "aborted" });
    expect(standIn.requests).toEqual([]);
  });

  it("brings no byte to the server when the last look says no, and that very error comes back", async () => {
    const reason = new Error("the home has changed");
    await expect(
      spend({
        beforeSend: () => {
          throw reason;
        },
      }),
    ).rejects.toBe(reason);
    await spend();
    expect(standIn.count("token")).toBe(1);
    expect(standIn.reusedRefreshTokens).toBe(0);
  });
});

describe("Retry-After", () => {
  const NOW = Date.UTC(2030, 0, 1);
  // It names no zone, and is read in this machine's.
  const THIRD_FORM_MS = Math.min(
    Math.max(new Date(2030, 0, 1, 0, 0, 30).getTime() - NOW, 0),
    300_000,
  );

  it.each<[string, string | undefined, number | undefined]>([
    ["that is absent", undefined, undefined],
    ["that is empty", "", undefined],
    ["in words", "soon", undefined],
    ["of no seconds", "0", 0],
    ["of seven seconds", "7", 7_000],
    ["with white space", " 7 ", 7_000],
    ["of a day", "86400", 300_000],
    ["of centuries", "99999999999", 300_000],
    ["of 400 digits", "9".repeat(400), undefined],
    ["of five minutes", "300", 300_000],
    ["of less than nothing", "-5", undefined],
    ["of a second and a half", "1.5", undefined],
    ["that came twice", "5, 6", undefined],
    ["with a unit", "5 minutes", undefined],
    ["with words before a number", "in 5", undefined],
    ["with a date in the second form", "Tuesday, 01-Jan-30 00:00:30 GMT", 30_000],
    ["with a date in the third form", "Tue Jan  1 00:00:30 2030", THIRD_FORM_MS],
    ["with a day and no date", "Tue, soon", undefined],
    ["with a date to come", "Tue, 01 Jan 2030 00:00:30 GMT", 30_000],
    ["with a date gone by", "Mon, 31 Dec 2029 23:59:00 GMT", 0],
    ["with a date far away", "Sun, 01 Jan 2040 00:00:00 GMT", 300_000],
  ])("%s is believed as far as it makes sense", (_what, value, wanted) => {
    expect(parseRetryAfter(value, NOW)).toBe(wanted);
  });
});
