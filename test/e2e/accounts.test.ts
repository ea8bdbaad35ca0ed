/** Two Kimi accounts on one gateway: who serves which session, and what a user is told of which. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import * as bodies from "../kit/standin/bodies.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import { type ChatWindow, openChatWindow } from "../kit/openclaw/chat-window.ts";
import { createHost, type Gateway, type Host } from "../kit/openclaw/host.ts";
import { kimiVariables, succeed } from "../kit/kimi/kimi-cli.ts";
import { signIns } from "./accounts/sign-ins.ts";

const HOME = "kimi-code:default";
/** As OpenClaw numbers them. */
const WORK = "kimi-code:2";

describe("two accounts", () => {
  let standIn: StandIn;
  let host: Host;
  let gateway: Gateway;
  let chat: ChatWindow;

  /** The profile whose token the last model call had. */
  function servedBy(): string | undefined {
    const bearer = standIn.requests.findLast(({ route }) => route === "chat")?.bearer;
    return Object.entries(host.readAuthProfiles()).find(([, { access }]) => access === bearer)?.[0];
  }

  /** A new session that uses the account of a profile. */
  async function pinnedTo(profileId: string): Promise<string> {
    const session = `agent:main:${crypto.randomUUID()}`;
    await chat.say(`/model kimi-code/kimi-for-coding@${profileId}`, session);
    return session;
  }

  beforeAll(async () => {
    standIn = await startStandIn();
    standIn.createAccount({ id: "user-2" });
    standIn.device.outcome = "manual";
    host = await createHost({ env: kimiVariables(standIn) });
    await mkdir(host.agentDir, { recursive: true });
    await writeFile(
      path.join(host.agentDir, "settings.json"),
      JSON.stringify({ retry: { provider: { maxRetries: 0 } } }),
    );
    await host.updateConfig((config) => ({
      ...config,
      tools: { web: { search: { provider: "kimi-code-oauth" } } },
      agents: {
        defaults: {
          workspace: path.join(host.stateDir, "workspace"),
          model: { primary: "kimi-code/kimi-for-coding" },
        },
      },
    }));
    gateway = await host.startGateway();
    chat = await openChatWindow(gateway);
  }, 240_000);

  afterAll(async () => {
    await chat?.close();
    await gateway?.kill();
    await host?.dispose();
    await standIn?.close();
  });

  beforeEach(() => {
    standIn.heal();
    standIn.clear();
  });

  signIns(() => ({ standIn, host, gateway }));

  it("have each a profile, a login and a name", async () => {
    expect(host.readAuthProfiles()).toMatchObject({
      [HOME]: {
        accountId: "user-1",
        displayName: expect.stringMatching(/^Stand-in user-1 \(OpenClaw, /u),
      },
      [WORK]: {
        accountId: "user-2",
        displayName: expect.stringMatching(/^Stand-in user-2 \(OpenClaw, /u),
      },
    });
  });

  it("serve the session that is pinned to them, and the others in the user's order", async () => {
    const pinned = await pinnedTo(WORK);
    expect(await chat.say("hi", pinned)).toEqual({ ok: true, text: "pong" });
    expect(servedBy()).toBe(WORK);
    // Without an order of the user's, the host takes the one that was used least lately.
    await gateway.call("models.authOrderSet", { provider: "kimi-code", profileIds: [WORK, HOME] });
    expect(await chat.say("hi")).toEqual({ ok: true, text: "pong" });
    expect(servedBy()).toBe(WORK);
  });

  it("are named where a usage is shown, because the host asks for that of the first in the order", async () => {
    const pinned = await pinnedTo(HOME);
    expect((await chat.say("/status", pinned)).text).toMatch(
      /Auth: oauth \(kimi-code:default \(Stand-in user-1 .*Usage: 5 hours \(Stand-in user-2\) 99% left/su,
    );
  });

  it("take over from one whose quota is used up, which rests until its window starts again", async () => {
    const spent = host.readAuthProfiles()[WORK]?.access;
    standIn.failAlways(
      "chat",
      { kind: "status", ...bodies.QUOTA_WEEKLY },
      { when: ({ bearer }) => bearer === spent },
    );
    expect(await chat.say("hi")).toEqual({ ok: true, text: "pong" });
    expect(servedBy()).toBe(HOME);
    await expect
      .poll(() => host.readAuthState()[WORK]?.cooldownUntil ?? 0, { timeout: 10_000 })
      .toBeGreaterThan(Date.now() + 50 * 60_000);
    standIn.clear();
    expect(await chat.say("hi")).toEqual({ ok: true, text: "pong" });
    expect(standIn.count("chat")).toBe(1);
  });

  it("are named where all are used up, and serve again as soon as Kimi does", async () => {
    standIn.failAlways("chat", { kind: "status", ...bodies.QUOTA_WEEKLY });
    const turn = await chat.say("hi");
    expect(turn.text).toMatch(
      /^⚠️ Kimi account Stand-in user-[12]: You have reached your Kimi plan's weekly usage limit/u,
    );
    await expect
      .poll(() => [HOME, WORK].map((id) => host.readAuthState()[id]?.cooldownUntil), {
        timeout: 10_000,
      })
      .toEqual([undefined, undefined]);
    standIn.heal();
    expect(await chat.say("hi")).toEqual({ ok: true, text: "pong" });
  });

  it("take over from one that Kimi has ended", async () => {
    const pinned = await pinnedTo(WORK);
    standIn.endLogin("user-2");
    standIn.revokeAllAccess("user-2");
    expect(await chat.say("hi", pinned)).toEqual({ ok: true, text: "pong" });
    expect(servedBy()).toBe(HOME);
  });

  it("leave each other alone when one is signed out", async () => {
    await succeed(host.run(["models", "auth", "logout", WORK, "--yes"]));
    expect(Object.keys(host.readAuthProfiles())).toEqual([HOME]);
    expect(await chat.say("hi")).toEqual({ ok: true, text: "pong" });
    expect(servedBy()).toBe(HOME);
    expect(standIn.violations).toEqual([]);
  });
});
