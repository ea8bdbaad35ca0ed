import { mkdir, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import * as bodies from "../kit/standin/bodies.ts";
import type { Answer } from "../kit/standin/bodies.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import { type ChatWindow, openChatWindow } from "../kit/openclaw/chat-window.ts";
import { createHost, type Gateway, type Host } from "../kit/openclaw/host.ts";
import type { JsonObject } from "../kit/openclaw/layout.ts";
import {
  credentialFile,
  expireLogin,
  kimiVariables,
  signInWithCliLogin,
  writeCliLogin,
} from "../kit/kimi/kimi-cli.ts";

const PROFILE = "kimi-code:default";
const SITE = "https://www.kimi.com/code";
const NOT_INCLUDED = `⚠️ Your Kimi plan does not include kimi-for-coding (this is not about your weekly usage limit). Switch models with /model, or upgrade at ${SITE}.`;
const OVERFLOW =
  "Context overflow: prompt too large for the model. Try /reset (or /new) to start a fresh session, or use a larger-context model.";
const MALFORMED = "LLM request failed: provider rejected the request schema or tool payload.";
const BROKEN =
  "⚠️ kimi-code/kimi-for-coding request failed (provider internal error). This is usually temporary — try again shortly.";
const NOT_FOUND =
  "The selected model was not found by the provider. Check the model id or choose a different model.";

function quota(which: string, when: string): string {
  return `⚠️ You have reached your Kimi plan's ${which}usage limit. ${when}, or buy more usage at ${SITE}. To see your weekly and monthly limits: openclaw status --usage`;
}

/** What a chat window shows for each answer; each is sent once, and nobody's token is renewed for it. */
const ANSWERS: readonly (readonly [string, Answer, string])[] = [
  ["a plan without the model", bodies.NO_ACCESS_TO_K3, NOT_INCLUDED],
  ["a plan without the fast model", bodies.NO_ACCESS_TO_HIGHSPEED, NOT_INCLUDED],
  ["a plan with less context", bodies.NO_ACCESS_TO_1M_CONTEXT, OVERFLOW],
  ["an unknown model id", bodies.unknownModel("k9"), NOT_FOUND],
  [
    "no membership",
    bodies.NO_MEMBERSHIP,
    `⚠️ This Kimi account has no active Kimi Code plan (this is not about your weekly usage limit). Activate a plan at ${SITE}; you are still signed in.`,
  ],
  ["the week's quota", bodies.QUOTA_WEEKLY, quota("weekly ", "Try again in 4 days")],
  ["the 5-hour quota", bodies.QUOTA_5_HOURS, quota("5-hour ", "Try again in 3 hours")],
  [
    "the billing cycle's quota",
    bodies.QUOTA_BILLING_CYCLE,
    quota("monthly ", "Wait until it resets"),
  ],
  ["the month's quota", bodies.QUOTA_MONTHLY, quota("monthly ", "Wait until it resets")],
  ["a quota told with 429", bodies.QUOTA_429, quota("", "Wait until it resets")],
  [
    "no credit",
    bodies.NO_CREDIT,
    `⚠️ This Kimi account's extra credit is used up. Add credit at ${SITE}, or wait until the plan's weekly usage limit resets.`,
  ],
  [
    "a refused identity",
    bodies.IDENTITY_REFUSED,
    "⚠️ Kimi does not accept this plugin as a client (this is not about your plan's weekly usage limit). If Kimi gave you a product name, set it as identity.product of kimi-code-oauth; otherwise, use another provider.",
  ],
  [
    "a ban, which has the quota's type",
    bodies.BANNED,
    "⚠️ Kimi has suspended this account's access to its plan (this is not about your weekly usage limit). Contact Kimi's support; signing in again does not help.",
  ],
  ["a context overflow", bodies.CONTEXT_OVERFLOW, OVERFLOW],
  ["a message that is too large", bodies.messagesTooLarge(3_000_000), OVERFLOW],
  ["a role it does not know", bodies.DEVELOPER_ROLE, MALFORMED],
  ["an empty text", bodies.EMPTY_TEXT, MALFORMED],
  ["an error of its server", bodies.SERVER_ERROR, BROKEN],
  ["a page of a proxy", bodies.GATEWAY_HTML, BROKEN],
  [
    "an overload",
    bodies.OVERLOADED,
    "The AI service is temporarily overloaded. Please try again in a moment.",
  ],
  [
    "an answer that nobody has seen yet",
    { status: 403, body: { error: { type: "new_error", message: "Something new." } } },
    "⚠️ Kimi's server refused the request for a reason this plugin does not recognize; you are still signed in. Try another model, or check your plan's weekly usage limit with: openclaw status --usage",
  ],
];

/** One for each way in which the host takes a failure. */
const AMONG_THEM = new Set([
  "no membership",
  "the week's quota",
  "an unknown model id",
  "a context overflow",
  "an error of its server",
]);

/** By default the host sends a call again for minutes when a failure may pass. */
async function withoutRetries(host: Host): Promise<void> {
  await mkdir(host.agentDir, { recursive: true });
  await writeFile(
    path.join(host.agentDir, "settings.json"),
    JSON.stringify({ retry: { provider: { maxRetries: 0 } } }),
  );
}

function newSession(agent: string): string {
  return `agent:${agent}:${crypto.randomUUID()}`;
}

function chunk(delta: object, reason: string | null): string {
  const choices = [{ index: 0, delta, finish_reason: reason }];
  return `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", model: "m", choices })}\n\n`;
}

/** A model of another vendor, to fall back to. */
async function startOtherVendor(): Promise<Server> {
  const server = createServer((request, response) => {
    request.resume();
    request.once("end", () => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end(
        `${chunk({ role: "assistant", content: "from the fallback" }, null)}${chunk({}, "stop")}data: [DONE]\n\n`,
      );
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

/** A second agent, whose model has another vendor's to fall back to. */
function withFallback(config: JsonObject, other: Server): JsonObject {
  const baseUrl = `http://127.0.0.1:${String((other.address() as AddressInfo).port)}/v1`;
  const model = {
    id: "m",
    name: "M",
    contextWindow: 200_000,
    maxTokens: 8_000,
    input: ["text"],
    reasoning: false,
  };
  const spare = { model: { primary: "kimi-code/kimi-for-coding", fallbacks: ["other/m"] } };
  return {
    ...config,
    agents: { ...(config.agents as JsonObject), entries: { main: {}, spare } },
    models: {
      providers: { other: { baseUrl, apiKey: "none", api: "openai-completions", models: [model] } },
    },
  };
}

describe("a failure of Kimi's API", () => {
  let standIn: StandIn;
  let host: Host;
  let other: Server;
  let gateway: Gateway;
  let chat: ChatWindow;

  const usage = () => host.readAuthState()[PROFILE] ?? {};
  const asked = (): string[] =>
    standIn.requests
      .filter(({ route }) => route !== "models")
      .map(({ route, status }) => `${route} ${String(status)}`);
  /** The plugin ends the host's pause a moment after the host has imposed it. */
  const unpaused = async (): Promise<void> => {
    await expect.poll(() => usage().cooldownUntil, { timeout: 10_000 }).toBeUndefined();
  };

  beforeAll(async () => {
    standIn = await startStandIn();
    const account = standIn.account();
    account.models = account.models.map((row) =>
      row.id === "k3" ? { ...row, protocol: "anthropic" } : row,
    );
    host = await createHost({ env: kimiVariables(standIn) });
    await signInWithCliLogin(host, standIn);
    await withoutRetries(host);
    other = await startOtherVendor();
    await host.updateConfig((config) => withFallback(config, other));
    gateway = await host.startGateway();
    chat = await openChatWindow(gateway);
    // The first turn of a gateway loads much.
    await chat.say("hi");
  }, 180_000);

  afterAll(async () => {
    await chat?.close();
    await gateway?.kill();
    await host?.dispose();
    await standIn?.close();
    other?.close();
  });

  beforeEach(() => {
    standIn.heal();
    standIn.clear();
  });

  it.each(ANSWERS)(
    "for %s is told in plain words, once, and leaves no pause",
    async (_what, answer, text) => {
      standIn.failAlways("chat", { kind: "status", ...answer });
      expect(await chat.say("hi")).toEqual({ ok: false, text });
      // When a window ends is asked for at most once a minute.
      expect(asked().filter((entry) => entry !== "usages 200")).toEqual([
        `chat ${String(answer.status)}`,
      ]);
      await unpaused();
      expect(usage()).not.toHaveProperty("disabledUntil");
    },
  );

  it.each(ANSWERS.filter(([what]) => AMONG_THEM.has(what)))(
    "for %s is over when Kimi is well again",
    async (_what, answer) => {
      const session = newSession("main");
      standIn.failAlways("chat", { kind: "status", ...answer });
      expect(await chat.say("hi", session)).toMatchObject({ ok: false });
      await unpaused();
      standIn.heal();
      expect(await chat.say("hi", session)).toEqual({ ok: true, text: "pong" });
    },
  );

  it("asks for the quota's end once, however many turns fail", async () => {
    standIn.failAlways("chat", { kind: "status", ...bodies.QUOTA_WEEKLY });
    await chat.say("hi");
    await unpaused();
    await chat.say("hi");
    await unpaused();
    expect(standIn.count("usages")).toBeLessThanOrEqual(1);
    expect(standIn.count("chat")).toBe(2);
  });

  /** Tokens that were issued a minute ago; younger ones are not refreshed by force. */
  const aMinuteOld = async (): Promise<void> => {
    await writeCliLogin(host, standIn, standIn.issueLogin(), 840);
  };

  it("for an expired bearer costs one refresh and one more call, and nobody sees it", async () => {
    await aMinuteOld();
    standIn.failNext("chat", { kind: "status", ...bodies.INVALID_BEARER });
    expect(await chat.say("hi")).toEqual({ ok: true, text: "pong" });
    expect(asked()).toEqual(["chat 401", "token 200", "chat 200"]);
  });

  it("for a bearer that stays refused ends after one refresh, and the login is kept", async () => {
    await aMinuteOld();
    standIn.failAlways("chat", { kind: "status", ...bodies.INVALID_BEARER });
    const turn = await chat.say("hi");
    expect(turn.text).toBe(
      "⚠️ kimi-code/kimi-for-coding request failed (authentication failed). Re-authenticate the provider and try again.",
    );
    expect(asked()).toEqual(["chat 401", "token 200", "chat 401"]);
    await unpaused();
    standIn.heal();
    expect(await chat.say("hi")).toEqual({ ok: true, text: "pong" });
  });

  it("for a model id with brackets, whose text the host hides, is not taken for a dead login", async () => {
    await aMinuteOld();
    standIn.failAlways("chat", { kind: "status", ...bodies.unknownModelLike("k3[1m]", "k3") });
    expect(await chat.say("hi")).toEqual({ ok: false, text: NOT_FOUND });
    expect(asked()).toEqual(["chat 401", "token 200", "chat 401"]);
    await unpaused();
  });

  it("is told the same on the Messages protocol", async () => {
    standIn.failAlways("messages", { kind: "status", ...bodies.BANNED_ANTHROPIC });
    const ban = await gateway.chat("hi", { model: "kimi-code/k3" });
    expect(ban.text).toMatch(/^Kimi has suspended this account's access/);
    expect(asked()).toEqual(["messages 403"]);
    await unpaused();
  });

  it("for a network that is down is told as one, and the next turn works", async () => {
    standIn.failAlways("chat", { kind: "reset" });
    expect(await chat.say("hi")).toEqual({
      ok: false,
      text: "LLM request failed: network connection was interrupted.",
    });
    await unpaused();
    standIn.heal();
    expect(await chat.say("hi")).toEqual({ ok: true, text: "pong" });
  });

  it("for a login that Kimi ended names the way out, and a new login is used at once", async () => {
    const file = credentialFile(host, standIn);
    await expireLogin(host, file);
    standIn.endLogin("user-1");
    const turn = await chat.say("hi");
    expect(turn.ok).toBe(false);
    expect(turn.text).toMatch(/Kimi has ended this login.*kimi login/s);
    expect(standIn.count("chat")).toBe(0);
    await writeCliLogin(host, standIn, standIn.issueLogin());
    expect(await chat.say("hi")).toEqual({ ok: true, text: "pong" });
  });

  it("that asks for fewer requests leaves the host's pause, and one request ends it", async () => {
    standIn.failAlways("chat", { kind: "status", ...bodies.RATE_LIMITED });
    expect(await chat.say("hi")).toEqual({
      ok: false,
      text: "⚠️ Kimi is receiving too many requests right now. Try again in 5 seconds.",
    });
    expect(usage()).toMatchObject({
      cooldownReason: "rate_limit",
      cooldownModel: "kimi-for-coding",
    });
    standIn.heal();
    expect(await chat.say("hi")).toEqual({ ok: true, text: "pong" });
    expect(usage().cooldownUntil).toBeUndefined();
  });

  it("for too many requests at the same time says so", async () => {
    standIn.failAlways("chat", { kind: "status", ...bodies.TOO_MANY_CONCURRENT });
    expect((await chat.say("hi")).text).toBe(
      "⚠️ This Kimi account has too many requests running at once, across all devices. Try again in 10 seconds.",
    );
    expect(usage()).toMatchObject({
      cooldownReason: "rate_limit",
      cooldownModel: "kimi-for-coding",
    });
  });

  describe("with a model to fall back to", () => {
    beforeEach(() => {
      host.clearAuthState();
    });

    it("a used-up quota goes there, and after the second turn without asking Kimi in vain", async () => {
      standIn.failAlways("chat", { kind: "status", ...bodies.QUOTA_WEEKLY });
      expect(await chat.say("hi", newSession("spare"))).toEqual({
        ok: true,
        text: "from the fallback",
      });
      expect(standIn.count("chat")).toBe(1);
      expect(usage()).toMatchObject({
        cooldownReason: "rate_limit",
        cooldownModel: "kimi-for-coding",
      });
      expect(usage()).not.toHaveProperty("disabledUntil");
      for (const _turn of [2, 3, 4]) {
        expect(await chat.say("hi", newSession("spare"))).toEqual({
          ok: true,
          text: "from the fallback",
        });
      }
      // The host looks once in 30 s whether Kimi serves again.
      expect(standIn.count("chat")).toBeLessThanOrEqual(2);
    });

    it("a login that Kimi ended goes there, too", async () => {
      await expireLogin(host, credentialFile(host, standIn));
      standIn.endLogin("user-1");
      expect(await chat.say("hi", newSession("spare"))).toEqual({
        ok: true,
        text: "from the fallback",
      });
      expect(usage()).not.toHaveProperty("disabledUntil");
    });
  });

  it("leaves no token and no word of Kimi's in the host's log", async () => {
    const own = [
      "API Key appears",
      "Upgrade to a Moderato plan",
      "Our Community Guidelines",
      "unable to verify your membership",
    ];
    expect(await host.findSecrets(own)).toEqual([]);
    expect(standIn.violations).toEqual([]);
  });
});
