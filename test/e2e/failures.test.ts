import { mkdir, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import * as bodies from "../kit/standin/bodies.ts";
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
const NOT_FOUND =
  "The selected model was not found by the provider. Check the model id or choose a different model.";

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
    expect(asked()).toEqual(["chat 401"]);
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
      text: "⚠️ Kimi is receiving too many requests right now. Try again in 1 second.",
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

    it("a used-up quota goes there, and Kimi is not asked again before it can help", async () => {
      standIn.failAlways("chat", { kind: "status", ...bodies.QUOTA_WEEKLY });
      expect(await chat.say("hi", newSession("spare"))).toEqual({
        ok: true,
        text: "from the fallback",
      });
      expect(standIn.count("chat")).toBe(1);
      const before = Date.now();
      await expect
        .poll(() => Number(usage().cooldownUntil) - before, { timeout: 10_000 })
        .toBeGreaterThan(50 * 60_000);
      expect(usage()).not.toHaveProperty("disabledUntil");
      for (const _turn of [2, 3, 4]) {
        expect(await chat.say("hi", newSession("spare"))).toEqual({
          ok: true,
          text: "from the fallback",
        });
      }
      // The host may look once whether Kimi serves again.
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
