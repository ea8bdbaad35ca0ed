import { beforeEach, describe, expect } from "vitest";
import * as bodies from "../../kit/standin/bodies.ts";
import type { StandIn } from "../../kit/standin/server.ts";
import type { ChatWindow } from "../../kit/openclaw/chat-window.ts";
import type { Gateway, Host } from "../../kit/openclaw/host.ts";
import { BUSY, it, type SharedGateway } from "../../kit/openclaw/shared-gateway.ts";
import { credentialFile, expireLogin, writeCliLogin } from "../../kit/kimi/kimi-cli.ts";

const PROFILE = "kimi-code:default";
const NOT_FOUND =
  "The selected model was not found by the provider. Check the model id or choose a different model.";

describe("a failure of Kimi's API", () => {
  let shared: SharedGateway;
  let standIn: StandIn;
  let host: Host;
  let gateway: Gateway;
  let chat: ChatWindow;

  const usage = () => host.readAuthState()[PROFILE] ?? {};
  const asked = (): string[] =>
    standIn.requests
      .filter(({ route }) => route !== "models")
      .map(({ route, status }) => `${route} ${String(status)}`);
  /** When the last failure that was waited for was counted. */
  let failedAt = 0;
  /** The host pauses the profile a moment after a failure, and the plugin ends that. */
  const unpaused = async (): Promise<void> => {
    await expect
      .poll(() => [(usage().lastFailureAt ?? 0) > failedAt, usage().cooldownUntil], {
        timeout: 10_000,
      })
      .toEqual([true, undefined]);
    failedAt = usage().lastFailureAt ?? 0;
  };

  it.beforeAll(async ({ shared: given }) => {
    shared = given;
    ({ standIn, host, gateway, chat } = shared);
    await shared.reset();
  }, 180_000);

  beforeEach(() => {
    standIn.heal();
    standIn.clear();
    failedAt = usage().lastFailureAt ?? 0;
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
    const turn = await chat.say("hi");
    expect([turn, asked()]).toEqual([
      { ok: true, text: "pong" },
      ["chat 401", "token 200", "chat 200"],
    ]);
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
    const ban = await gateway.chat("hi", { model: "kimi-code/k3-256k" });
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
    const session = await shared.sessionWith(BUSY[2]);
    standIn.failAlways("chat", { kind: "status", ...bodies.RATE_LIMITED });
    expect(await chat.say("hi", session)).toEqual({
      ok: false,
      text: "⚠️ Kimi is receiving too many requests right now. Try again in 1 second.",
    });
    expect(usage()).toMatchObject({ cooldownReason: "rate_limit", cooldownModel: BUSY[2] });
    standIn.heal();
    expect(await chat.say("hi", session)).toEqual({ ok: true, text: "pong" });
    expect(usage().cooldownUntil).toBeUndefined();
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
