/** Two Kimi accounts on one gateway: who serves which session, and what a user is told of which. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import * as bodies from "../kit/standin/bodies.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import { type ChatWindow, openChatWindow } from "../kit/openclaw/chat-window.ts";
import { createHost, type Gateway, type Host } from "../kit/openclaw/host.ts";
import { keys } from "../kit/openclaw/pty.ts";
import { kimiVariables, succeed } from "../kit/kimi/kimi-cli.ts";

const HOME = "kimi-code:default";
const WORK = "kimi-code:work";
const LOGIN = ["models", "auth", "login", "--provider", "kimi-code", "--device-code"];

describe("two accounts", () => {
  let standIn: StandIn;
  let host: Host;
  let gateway: Gateway;
  let chat: ChatWindow;

  /** Signs in from a terminal, as this account. */
  async function signIn(account: string, userCode: string, ...more: string[]): Promise<void> {
    const terminal = host.terminal([...LOGIN, ...more]);
    await terminal.waitFor("Waiting for your approval", 60_000);
    standIn.approveDevice(userCode, account);
    // The first sign-in in a terminal offers web search.
    await terminal.waitFor("Let agents search the web", 30_000);
    terminal.send(keys.enter);
    const { code } = await terminal.exited;
    expect([code, terminal.screen()]).toEqual([0, expect.stringContaining("Approved")]);
  }

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

  async function openclaw(...args: string[]): Promise<string> {
    const { stdout, stderr } = await host.run(args, { timeoutMs: 120_000 });
    return (stdout + stderr).replaceAll(/[│╮╯├─◇]/gu, " ").replaceAll(/\s+/gu, " ");
  }

  beforeAll(async () => {
    standIn = await startStandIn();
    standIn.createAccount({ id: "user-2" });
    host = await createHost({ env: kimiVariables(standIn) });
    await succeed(host.onboard(["--auth-choice", "kimi-code-device"]));
    standIn.device.outcome = "manual";
    await signIn("user-2", "FAKE-0002", "--profile-id", WORK);
    await mkdir(host.agentDir, { recursive: true });
    await writeFile(
      path.join(host.agentDir, "settings.json"),
      JSON.stringify({ retry: { provider: { maxRetries: 0 } } }),
    );
    gateway = await host.startGateway();
    chat = await openChatWindow(gateway);
    await chat.say("hi");
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
    await openclaw("models", "auth", "order", "set", "--provider", "kimi-code", WORK, HOME);
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

  it("are named where Kimi has ended one, with the command that signs in to that one; the other serves", async () => {
    const pinned = await pinnedTo(WORK);
    standIn.endLogin("user-2");
    standIn.revokeAllAccess("user-2");
    expect(await chat.say("hi", pinned)).toEqual({ ok: true, text: "pong" });
    expect(servedBy()).toBe(HOME);
    const doctor = await openclaw("doctor", "--non-interactive");
    expect(doctor).toMatch(
      /kimi-code:work: .*own Kimi login \(\S+, account Stand-in user-2\).*Kimi has ended this login\. Sign in again with: openclaw models auth login --provider kimi-code --device-code --profile-id kimi-code:work /u,
    );
    expect(doctor).toMatch(/kimi-code:default: .*\(\S+, account Stand-in user-1\).* OK\. /u);
  });

  it("leave each other alone when one is signed out", async () => {
    await openclaw("models", "auth", "logout", WORK, "--yes");
    expect(Object.keys(host.readAuthProfiles())).toEqual([HOME]);
    expect(await chat.say("hi")).toEqual({ ok: true, text: "pong" });
    expect(servedBy()).toBe(HOME);
    expect(standIn.violations).toEqual([]);
  });
});
