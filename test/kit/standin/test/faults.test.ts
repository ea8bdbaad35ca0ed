import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GATEWAY_HTML, QUOTA_WEEKLY, RATE_LIMITED } from "../bodies.ts";
import { call, form, getJson, postJson, refresh } from "../client.ts";
import type { Got } from "../client.ts";
import { startStandIn } from "../server.ts";
import type { StandIn, TokenReply } from "../server.ts";
import type { JsonObject } from "../types.ts";

let standIn: StandIn;
let pair: TokenReply;

beforeEach(async () => {
  standIn = await startStandIn();
  pair = standIn.issueLogin();
});

afterEach(async () => {
  await standIn.close();
});

function me(): Promise<Got> {
  return getJson(standIn, "/me", pair.access_token);
}

function streamed(): Promise<Got> {
  const body = {
    model: "kimi-for-coding",
    messages: [{ role: "user", content: "ping" }],
    stream: true,
  };
  return postJson(standIn, "/chat/completions", body, pair.access_token);
}

describe("which requests a fault takes", () => {
  it("is the next one, or the next few, of its route and no other", async () => {
    standIn.failNext("me", { kind: "status", ...RATE_LIMITED }, { times: 2 });
    expect(await getJson(standIn, "/models", pair.access_token)).toMatchObject({ status: 200 });
    const statuses = [await me(), await me(), await me()].map((got) => got.status);
    expect(statuses).toEqual([429, 429, 200]);
    expect(
      standIn.requests.filter((request) => request.route === "me").map((request) => request.status),
    ).toEqual(statuses);
  });

  it("is any that fits the condition, a counted fault before a standing one", async () => {
    standIn.failAlways("me", { kind: "status", status: 500 });
    standIn.failNext(
      "me",
      { kind: "status", status: 418 },
      { when: (request) => request.bearer === pair.access_token },
    );
    const other = standIn.issueLogin();
    expect(await getJson(standIn, "/me", other.access_token)).toMatchObject({ status: 500 });
    expect((await me()).status).toBe(418);
    expect((await me()).status).toBe(500);
    standIn.heal("models");
    expect((await me()).status).toBe(500);
    standIn.heal("me");
    expect((await me()).status).toBe(200);
  });

  it("is refused for a route on which it makes no sense", () => {
    expect(() => standIn.failNext("me", { kind: "midStreamError" })).toThrow("needs a chat route");
    expect(() => standIn.failNext("me", { kind: "rotateThenDrop" })).toThrow("token route");
  });
});

describe("answers", () => {
  it("are the given status, body and headers, and the route does not act", async () => {
    standIn.failNext("token", { kind: "status", ...RATE_LIMITED, headers: { "retry-after": "7" } });
    const limited = await refresh(standIn, pair.refresh_token);
    expect(limited).toMatchObject({ status: 429, json: RATE_LIMITED.body });
    expect(limited.headers.get("retry-after")).toBe("7");
    expect(standIn.isLiveRefresh(pair.refresh_token)).toBe(true);
    standIn.failNext("chat", { kind: "status", ...QUOTA_WEEKLY });
    expect(await streamed()).toMatchObject({ status: 403, json: QUOTA_WEEKLY.body });
    standIn.failNext("me", { kind: "status", ...GATEWAY_HTML });
    expect(await me()).toMatchObject({ status: 502, type: "text/html", text: GATEWAY_HTML.body });
  });

  it("are a raw body, whatever it is", async () => {
    standIn.failNext("token", {
      kind: "rawBody",
      status: 200,
      contentType: "application/json",
      body: '{"access_',
    });
    expect(await refresh(standIn, pair.refresh_token)).toMatchObject({
      status: 200,
      text: '{"access_',
    });
  });

  it("are a redirect, 307 by default", async () => {
    standIn.failNext("token", { kind: "redirect", location: "http://127.0.0.1:1/elsewhere" });
    const got = await refresh(standIn, pair.refresh_token);
    expect(got.status).toBe(307);
    expect(got.headers.get("location")).toBe("http://127.0.0.1:1/elsewhere");
  });

  it("are valid JSON of a huge size", async () => {
    standIn.failNext("me", { kind: "huge", bytes: 3_000_000 });
    expect((await me()).json["padding"]).toHaveLength(3_000_000);
  });

  it.each<[string, (reply: JsonObject) => unknown, unknown]>([
    ["without the refresh token", ({ refresh_token: _left, ...rest }) => rest, undefined],
    ["with a lifetime of zero", (reply) => ({ ...reply, expires_in: 0 }), 0],
    ["with a lifetime below zero", (reply) => ({ ...reply, expires_in: -1 }), -1],
    ["with an endless lifetime", (reply) => ({ ...reply, expires_in: 1e12 }), 1e12],
    ["with a lifetime as text", (reply) => ({ ...reply, expires_in: "900" }), "900"],
  ])("are a token reply %s, though the server did rotate", async (_what, fn, expiresIn) => {
    standIn.failNext("token", { kind: "mutateReply", fn });
    const got = await refresh(standIn, pair.refresh_token);
    expect(got.status).toBe(200);
    expect(expiresIn === undefined ? got.json["refresh_token"] : got.json["expires_in"]).toBe(
      expiresIn,
    );
    expect(standIn.login(pair.refresh_token)?.refreshCount).toBe(1);
  });
});

describe("answers that do not come", () => {
  it.each<["before" | "after", number]>([
    ["before", 0],
    ["after", 1],
  ])("hang %s the server acted, and are recorded with no status", async (at, refreshes) => {
    standIn.failNext("token", { kind: "hang", at });
    const leaving = new AbortController();
    const fields = {
      client_id: "17e5f671-d194-4dfb-9706-5516cb48c098",
      grant_type: "refresh_token",
      refresh_token: pair.refresh_token,
    };
    const pending = call(`${standIn.oauthHost}/api/oauth/token`, {
      ...form(fields),
      signal: leaving.signal,
    });
    const seen = await standIn.waitFor("token");
    leaving.abort();
    await expect(pending).rejects.toThrow("aborted");
    expect(seen).toMatchObject({ status: null, grantType: "refresh_token" });
    expect(standIn.login(pair.refresh_token)?.refreshCount).toBe(refreshes);
  });

  it("do not keep the server from closing", async () => {
    standIn.failNext("me", { kind: "hang" });
    const outcome = me().catch((error: unknown) => error);
    await standIn.waitFor("me");
    await standIn.close();
    expect(await outcome).toBeInstanceOf(TypeError);
  });

  it.each<["before" | "after", number]>([
    ["before", 0],
    ["after", 1],
  ])("wait for a gate %s the server acts", async (at, refreshes) => {
    const gate = Promise.withResolvers<void>();
    standIn.failNext("token", { kind: "gate", gate: gate.promise, at });
    const pending = refresh(standIn, pair.refresh_token);
    await standIn.waitFor("token");
    expect(standIn.login(pair.refresh_token)?.refreshCount).toBe(refreshes);
    expect(standIn.requests[0]?.status).toBeNull();
    gate.resolve();
    expect(await pending).toMatchObject({ status: 200 });
  });

  it("come late", async () => {
    standIn.failNext("me", { kind: "delay", ms: 60 });
    const begun = performance.now();
    expect((await me()).status).toBe(200);
    expect(performance.now() - begun).toBeGreaterThan(55);
  });

  it("are a reset before any byte, with the refresh token unspent", async () => {
    standIn.failNext("token", { kind: "reset" });
    await expect(refresh(standIn, pair.refresh_token)).rejects.toThrow("fetch failed");
    expect(standIn.isLiveRefresh(pair.refresh_token)).toBe(true);
    expect(standIn.requests).toMatchObject([{ route: "token", status: null }]);
  });

  it("are a dropped connection after the rotation, which leaves the client with a spent token", async () => {
    standIn.failNext("token", { kind: "rotateThenDrop" });
    await expect(refresh(standIn, pair.refresh_token)).rejects.toThrow("fetch failed");
    expect(standIn.login(pair.refresh_token)?.refreshCount).toBe(1);
    expect(await refresh(standIn, pair.refresh_token)).toMatchObject({
      status: 400,
      json: { error: "invalid_grant" },
    });
    expect(standIn.reusedRefreshTokens).toBe(1);
  });

  it("end in the middle of the body, after the rotation", async () => {
    standIn.failNext("token", { kind: "resetMidBody" });
    await expect(refresh(standIn, pair.refresh_token)).rejects.toThrow("terminated");
    expect(standIn.requests).toMatchObject([{ status: 200 }]);
    expect(standIn.isLiveRefresh(pair.refresh_token)).toBe(false);
  });
});

describe("broken streams", () => {
  it("begin well, end in an error event, and leave their scripted turn to the next request", async () => {
    standIn.script([{ text: "a longer text, in three pieces" }]);
    standIn.failNext("chat", { kind: "midStreamError" });
    const broken = await streamed();
    expect(broken.text).toContain('"role":"assistant"');
    expect(broken.text).toContain('"type":"server_error"');
    expect(broken.text).not.toContain("[DONE]");
    expect((await streamed()).text).toContain("a longer");
  });

  it("begin well, lose their connection, and leave their scripted turn to the next request", async () => {
    standIn.script([{ text: "a longer text, in three pieces" }]);
    standIn.failNext("chat", { kind: "resetMidBody" });
    await expect(streamed()).rejects.toThrow("terminated");
    expect(standIn.requests).toMatchObject([{ status: 200 }]);
    expect((await streamed()).text).toContain("a longer");
  });

  it("name their error event on the messages and responses routes", async () => {
    standIn.failNext("messages", { kind: "midStreamError" });
    standIn.failNext("responses", { kind: "midStreamError" });
    const body = {
      model: "k3",
      messages: [{ role: "user", content: "ping" }],
      input: "ping",
      max_tokens: 9,
      stream: true,
    };
    for (const path of ["/messages", "/responses"]) {
      const got = await postJson(standIn, path, body, pair.access_token);
      expect(got.text).toMatch(/\n\nevent: error\ndata: \{"type":"error".*\}\n\n$/u);
    }
  });
});
