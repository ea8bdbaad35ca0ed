import { mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeEach, describe, expect } from "vitest";
import { INVALID_BEARER_ANTHROPIC, RATE_LIMITED } from "../../kit/standin/bodies.ts";
import type { StandIn, TokenReply } from "../../kit/standin/server.ts";
import { type ChatWindow, openChatWindow } from "../../kit/openclaw/chat-window.ts";
import { createHost, type Gateway, type Host } from "../../kit/openclaw/host.ts";
import { it, withSettings } from "../../kit/openclaw/shared-gateway.ts";
import { askAtOnce } from "../../kit/crowd.ts";
import {
  credentialFile,
  expireLogin,
  kimi,
  kimiVariables,
  pythonCredentialFile,
  readCredential,
  succeed,
  writeCliLogin,
} from "../../kit/kimi/kimi-cli.ts";

const RELOADS = "[reload] config change detected";

/** Callers of each gateway, where there are two. */
const CALLERS = 5;

/** One gateway for all of these tests, as a user's machine has one; each begins with a fresh login. */
describe("a running gateway on a Kimi CLI login", () => {
  let standIn: StandIn;
  let host: Host;
  let gateway: Gateway;
  let chat: ChatWindow;
  let file: string;

  it.beforeAll(async ({ shared }) => {
    ({ standIn } = shared);
    await shared.reset();
    host = await createHost({ env: kimiVariables(standIn) });
    // The folder of the Kimi Code CLI is that of the shared gateway's user, too.
    await symlink(join(shared.host.home, ".kimi-code"), join(host.home, ".kimi-code"));
    file = credentialFile(host, standIn);
    await succeed(kimi(host, standIn, ["login"]));
    // Without the setting the login of the Python CLI would be used: it was refreshed last.
    const other = pythonCredentialFile(host);
    await mkdir(dirname(other), { recursive: true, mode: 0o700 });
    const { expires_at: at, ...login } = await readCredential(file);
    const later = JSON.stringify({ ...login, expires_at: Number(at) + 60.5 });
    await writeFile(other, later, { mode: 0o600 });
    await host.updateConfig((config) => withSettings(config, { home: "kimi-code-cli" }));
    await succeed(host.onboard());
    await rm(other);
    await host.updateConfig((config) => ({
      ...withSettings(config, {}),
      logging: { file: host.logFile, level: "debug" },
    }));
    // A file where the host has a folder for each agent.
    await writeFile(join(dirname(dirname(host.agentDir)), ".DS_Store"), "");
    gateway = await host.startGateway();
    chat = await openChatWindow(gateway);
  }, 240_000);

  afterAll(async () => {
    await chat?.close();
    await gateway?.kill();
    await host?.dispose();
  });

  beforeEach(async () => {
    standIn.heal();
    // Issued a minute ago: younger tokens are not refreshed by force.
    await writeCliLogin(host, standIn, standIn.issueLogin(), 840);
    standIn.clear();
  });

  /** Waits until the gateway takes over what has changed since its output was that long. */
  const reloads = async (from: number): Promise<void> => {
    await expect
      .poll(() => gateway.command.output().slice(from), { timeout: 60_000, interval: 100 })
      .toContain(RELOADS);
  };

  it("answers on the login that onboarding found and the settings prefer, with identity headers of its own", async () => {
    expect(host.readAuthProfiles()["kimi-code:default"]).toMatchObject({
      authFlow: `kimi-code-cli:${standIn.cliSlot}@${dirname(dirname(file))}`,
    });
    const turn = await gateway.agentTurn("hi");
    expect(turn).toMatchObject({ ok: true, text: "pong" });
    const call = standIn.requests.find(({ route }) => route === "chat");
    const sent = await readCredential(file);
    expect(call?.headers).toMatchObject({
      authorization: `Bearer ${String(sent.access_token)}`,
      "x-msh-platform": "kimi_code_oauth",
      "user-agent": expect.stringMatching(/^kimi-code-oauth\//) as string,
    });
    expect(Object.keys(call?.headers ?? {}).filter((name) => name.startsWith("x-kimi"))).toEqual(
      [],
    );
    expect(standIn.tokenRequests()).toEqual([]);
  });

  it("makes exactly one refresh for an expired login, and none in the next turn", async () => {
    const before = await readCredential(file);
    await expireLogin(host, file);
    expect(await gateway.chat("hi")).toMatchObject({ ok: true });
    const [refresh, ...more] = standIn.tokenRequests();
    expect(more).toEqual([]);
    expect(refresh?.form).toEqual({
      client_id: "17e5f671-d194-4dfb-9706-5516cb48c098",
      grant_type: "refresh_token",
      refresh_token: before.refresh_token,
    });
    const after = await readCredential(file);
    expect(after.refresh_token).not.toBe(before.refresh_token);
    standIn.clear();
    expect(await gateway.chat("hi")).toMatchObject({ ok: true });
    expect(standIn.tokenRequests()).toEqual([]);
  });

  it("serves an aging token and refreshes it in the background, so that no turn waits", async () => {
    const aging = standIn.issueLogin();
    await writeCliLogin(host, standIn, aging, 400);
    standIn.clear();
    const reply = Promise.withResolvers<undefined>();
    standIn.failNext("token", { kind: "gate", gate: reply.promise });
    // The turn ends although the server has not answered the refresh yet.
    expect(await gateway.chat("hi")).toMatchObject({ ok: true, text: "pong" });
    expect(standIn.requests.find(({ route }) => route === "chat")?.headers.authorization).toBe(
      `Bearer ${aging.access_token}`,
    );
    reply.resolve(undefined);
    await expect
      .poll(async () => (await readCredential(file)).access_token)
      .not.toBe(aging.access_token);
    expect(standIn.tokenRequests()).toHaveLength(1);
  });

  it("follows the Kimi CLI when that refreshes first", async () => {
    await expireLogin(host, file);
    const prompt = await kimi(host, standIn, ["-p", "pong"]);
    expect(prompt.code, prompt.stderr).toBe(0);
    expect(standIn.tokenRequests("refresh_token")).toHaveLength(1);
    expect(await gateway.chat("hi")).toMatchObject({ ok: true });
    expect(standIn.tokenRequests("refresh_token")).toHaveLength(1);
    expect(standIn.count("device_authorization")).toBe(0);
  });

  it("says that the network is at fault when the token endpoint is down, and works when it is back", async () => {
    await expireLogin(host, file);
    standIn.failAlways("token", { kind: "reset" });
    const failed = await chat.say("hi");
    expect(failed.ok).toBe(false);
    expect(failed.text).toMatch(/could not be reached.*you are still signed in/s);
    expect(standIn.count("chat")).toBe(0);
    standIn.heal();
    // For two seconds the failure answers the next caller, too.
    await expect
      .poll(() => gateway.chat("hi"), { timeout: 20_000 })
      .toMatchObject({ ok: true, text: "pong" });
  });

  it("survives a token that is revoked between two model calls of a turn: one 401, one refresh", async () => {
    standIn.script([
      { toolCalls: [{ name: "exec", arguments: { command: "echo one" } }] },
      { text: "finished" },
    ]);
    let calls = 0;
    standIn.failNext(
      "chat",
      { kind: "delay", ms: 0 },
      {
        when: () => {
          calls += 1;
          if (calls === 2) {
            standIn.revokeAllAccess("user-1");
          }
          return false;
        },
      },
    );
    const turn = await gateway.chat("use a tool", { session: "revoked" });
    expect(turn).toMatchObject({ ok: true, text: "finished" });
    const statuses = standIn.requests
      .filter(({ route }) => route === "chat" || route === "token")
      .map(({ route, status }) => `${route} ${String(status)}`);
    expect(statuses).toEqual(["chat 200", "chat 401", "token 200", "chat 200"]);
  });

  it("does the same for a model that speaks the Messages protocol, with no header that is not Kimi's", async () => {
    standIn.failNext("messages", { kind: "status", ...INVALID_BEARER_ANTHROPIC });
    const turn = await gateway.chat("hi", { session: "messages", model: "kimi-code/k3-256k" });
    expect(turn).toMatchObject({ ok: true });
    const calls = standIn.requests.filter(({ route }) => route === "messages");
    expect(calls.map(({ status }) => status)).toEqual([401, 200]);
    expect(standIn.tokenRequests()).toHaveLength(1);
    const { access_token: token } = await readCredential(file);
    expect(calls[1]?.headers).toMatchObject({
      authorization: `Bearer ${String(token)}`,
      "x-api-key": token,
    });
    expect(
      Object.entries(calls[1]?.headers ?? {}).filter(
        ([name, value]) => name.startsWith("x-kimi") || value === "null",
      ),
    ).toEqual([]);
  });

  it("keeps a turn going that outlasts its token", async () => {
    standIn.settings.accessTokenLifetimeS = 8;
    await writeCliLogin(host, standIn, standIn.issueLogin());
    const nap = { toolCalls: [{ name: "exec", arguments: { command: "sleep 5" } }] };
    standIn.script([nap, nap, { text: "finished" }]);
    const turn = await gateway.chat("use tools", { session: "long" });
    standIn.settings.accessTokenLifetimeS = 900;
    expect(turn).toMatchObject({ ok: true, text: "finished" });
    expect(standIn.count("chat", ({ status }) => status === 401)).toBe(0);
    expect(standIn.count("chat")).toBe(3);
    expect(standIn.tokenRequests().length).toBeGreaterThanOrEqual(1);
    expect(standIn.reusedRefreshTokens).toBe(0);
  });

  it("does not ask again before the time that a rate limit names", async () => {
    standIn.failNext("chat", {
      kind: "status",
      ...RATE_LIMITED,
      headers: { "retry-after": "8" },
    });
    const started = Date.now();
    expect(await gateway.chat("hi")).toMatchObject({ text: "pong" });
    expect(standIn.count("chat")).toBe(2);
    // The host waits 5 s where nothing is said.
    expect(Date.now() - started).toBeGreaterThan(8_000);
  });

  it("says how to sign in again when Kimi ends the login, and follows the new login by itself", async () => {
    // Older than the host lets a profile get, so that a thread of its own asks for a refresh, too.
    await writeCliLogin(host, standIn, standIn.issueLogin(), 200);
    standIn.failNext("token", { kind: "delay", ms: 3_000, at: "after" });
    await gateway.call("models.list", { view: "all" }).catch(() => undefined);
    await expireLogin(host, file);
    standIn.clear();
    standIn.endLogin("user-1");
    const failed = await chat.say("hi");
    expect(failed.ok).toBe(false);
    expect(failed.text).toMatch(/Kimi has ended this login.*kimi login/s);
    // The gateway has two threads that refresh; what one has found out is news to the other.
    expect(standIn.tokenRequests().length).toBeLessThanOrEqual(2);
    const again = await chat.say("hi");
    expect(again.text).toMatch(/Kimi has ended this login.*kimi login/s);
    expect(standIn.tokenRequests().length).toBeLessThanOrEqual(2);
    await writeCliLogin(host, standIn, standIn.issueLogin());
    expect(await gateway.chat("hi")).toMatchObject({ ok: true, text: "pong" });
  });

  it("does not sign anybody in again after a logout, and says what to do", async () => {
    await rm(file);
    const failed = await chat.say("hi");
    expect(failed.ok).toBe(false);
    expect(failed.text).toMatch(/is signed out.*kimi login/s);
    expect(standIn.requests).toEqual([]);
    await writeCliLogin(host, standIn, standIn.issueLogin());
    expect(await gateway.chat("hi")).toMatchObject({ ok: true });
  });

  it("names the login of the other Kimi CLI, where the user has changed to that", async () => {
    const other = pythonCredentialFile(host);
    await rename(file, other);
    expect((await chat.say("hi")).text).toMatch(
      /is signed out.* run `openclaw models auth login --provider kimi-code` to use /s,
    );
    await rename(other, file);
    expect(await gateway.chat("hi")).toMatchObject({ ok: true });
  });

  it("refreshes once for ten callers at the same time", async () => {
    await expireLogin(host, file);
    expect(await askAtOnce(gateway, 10)).toEqual(Array.from({ length: 10 }, () => [true, "pong"]));
    expect(standIn.tokenRequests()).toHaveLength(1);
  }, 180_000);

  it("keeps the login and refreshes once when a setting changes while a turn waits for the refresh", async () => {
    const { length } = gateway.command.output();
    await expireLogin(host, file);
    standIn.clear();
    const reply = Promise.withResolvers<undefined>();
    standIn.failNext("token", { kind: "gate", gate: reply.promise });
    const turn = gateway.chat("hi");
    await standIn.waitFor("token");
    await host.updateConfig((config) => withSettings(config, { hideModels: ["k3-256k"] }));
    await reloads(length);
    reply.resolve(undefined);
    expect(await turn).toMatchObject({ ok: true, text: "pong" });
    expect(await gateway.chat("hi")).toMatchObject({ ok: true, text: "pong" });
    expect(standIn.tokenRequests()).toHaveLength(1);
  }, 120_000);

  describe("and another one with a state folder of its own on the same login", () => {
    it("make exactly one refresh, answer every caller, and tell no token in their logs, even at debug level", async ({
      shared,
    }) => {
      const gateways = [gateway, shared.gateway];
      const before: TokenReply = standIn.issueLogin();
      await writeCliLogin(host, standIn, before);
      for (const one of [host, shared.host]) {
        await expireLogin(one, file);
      }
      standIn.clear();
      const turns = await Promise.all(
        gateways.map(async (one, at) => await askAtOnce(one, CALLERS, `crowd-${String(at)}`)),
      );
      expect(turns.flat()).toEqual(turns.flatMap((some) => some.map(() => [true, "pong"])));
      expect(standIn.tokenRequests()).toHaveLength(1);
      const { access_token, refresh_token } = await readCredential(file);
      expect(standIn.isLiveRefresh(String(refresh_token))).toBe(true);
      const chats = standIn.requests.filter(({ route }) => route === "chat");
      expect(new Set(chats.map(({ bearer }) => bearer))).toEqual(new Set([access_token]));
      expect(standIn.reusedRefreshTokens).toBe(0);
      const secrets = [
        before.access_token,
        before.refresh_token,
        String(access_token),
        String(refresh_token),
      ];
      const traces = await Promise.all(
        [host, shared.host].map(async (one) => await one.findSecrets(secrets)),
      );
      const places = traces.flat().map((trace) => trace.path);
      expect(places).toContain(credentialFile(shared.host, standIn));
      expect(places.filter((name) => !/\.sqlite(-wal|-shm)?$|\/credentials\//u.test(name))).toEqual(
        [],
      );
      for (const one of gateways) {
        expect(secrets.filter((secret) => one.command.output().includes(secret))).toEqual([]);
      }
    }, 120_000);
  });

  it("keeps the reply to a refresh when it is stopped, though that takes longer than the host gives a plugin", async () => {
    await expireLogin(host, file);
    standIn.clear();
    standIn.failNext("token", { kind: "delay", ms: 9_000, at: "after" });
    const turn = gateway.chat("hi").catch(() => undefined);
    await standIn.waitFor("token");
    await chat.close();
    await gateway.stop();
    await turn;
    const { refresh_token } = await readCredential(file);
    expect(standIn.isLiveRefresh(String(refresh_token))).toBe(true);
    expect(standIn.tokenRequests().map(({ status }) => status)).toEqual([200]);
    expect(gateway.command.output()).not.toMatch(/uncaught|unhandled/iu);
  }, 120_000);

  it("leaves tokens nowhere but in the host's auth store and the home", async () => {
    const { access_token: access, refresh_token: refresh } = await readCredential(file);
    const traces = await host.findSecrets([String(access), String(refresh)]);
    const places = traces
      .map(({ path }) => path)
      .filter((path) => path !== credentialFile(host, standIn));
    expect(places.filter((path) => !/openclaw\.sqlite(-wal|-shm)?$/.test(path))).toEqual([]);
    expect(standIn.violations).toEqual([]);
    expect(standIn.reusedRefreshTokens).toBe(0);
  });
});
