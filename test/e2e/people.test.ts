/** One gateway that several people share: each person's own Kimi account, and the owner's sign-in from a private chat. */
import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import { type ChatWindow, openChatWindow } from "../kit/openclaw/chat-window.ts";
import { connect, type Connection, newDevice } from "../kit/openclaw/gateway-client.ts";
import { createHost, type Gateway, type Host } from "../kit/openclaw/host.ts";
import {
  BEHIND_PROXY,
  type IdentityProxy,
  startIdentityProxy,
} from "../kit/openclaw/identity-proxy.ts";
import { startTelegram, type Telegram } from "../kit/openclaw/telegram.ts";
import {
  expireLogin,
  kimiVariables,
  readCredential,
  signInWithCliLogin,
} from "../kit/kimi/kimi-cli.ts";

/** Whose account serves all who have none of their own. */
const SHARED = "user-1";

/** In a private chat with the gateway's bot: who may give commands to it, and who may only talk to it. */
const OWNER = 4001;
const MEMBER = 4002;

/** A person, with a machine and a chat of their own. */
interface Person {
  readonly proxy: IdentityProxy;
  readonly app: Connection;
  readonly chat: ChatWindow;
  /** `openclaw …` on the person's machine. */
  readonly env: Record<string, string>;
}

interface ModelAccount {
  readonly authProfileId: string;
  readonly provider: string;
  readonly authType: string;
  readonly label: string;
  readonly selected: boolean;
}

describe("people on a shared gateway", { timeout: 120_000 }, () => {
  let standIn: StandIn;
  let telegram: Telegram;
  let host: Host;
  let gateway: Gateway;
  let ann: Person;
  let bob: Person;
  let annsId: string;

  async function approvePending(): Promise<void> {
    const { pending } = (await gateway.call("device.pair.list", {})) as {
      pending: { requestId: string }[];
    };
    expect(pending).toHaveLength(1);
    for (const { requestId } of pending) {
      await gateway.call("device.pair.approve", { requestId });
    }
  }

  async function person(name: string): Promise<Person> {
    const proxy = await startIdentityProxy(gateway.origin, `${name}@example.com`);
    const home = path.join(host.root, name);
    const stateDir = path.join(home, ".openclaw");
    await mkdir(stateDir, { recursive: true });
    const access = { origin: proxy.origin, device: newDevice() };
    await expect(connect(access)).rejects.toThrow(/pairing required/iu);
    await approvePending();
    return {
      proxy,
      app: await connect(access),
      chat: await openChatWindow(access),
      env: { HOME: home, OPENCLAW_STATE_DIR: stateDir },
    };
  }

  async function profileIdOf({ app }: Person): Promise<string> {
    const { profile } = (await app.request("users.self", {})) as { profile: { id: string } };
    return profile.id;
  }

  async function accountsOf({ app }: Person): Promise<ModelAccount[]> {
    const { accounts } = await app.request("users.listModelAccounts", {});
    return accounts as ModelAccount[];
  }

  async function choose(who: Person, authProfileId: string): Promise<void> {
    const profileId = await profileIdOf(who);
    await who.app.request("users.selectModelAccount", { profileId, authProfileId });
  }

  /** Connects a Kimi account in the person's terminal; gives the id that the gateway stores it under. */
  async function connectAccount(
    { proxy, env }: Person,
    userCode: string,
    account: string,
  ): Promise<string> {
    const url = ["--url", proxy.origin.replace("http", "ws")];
    const terminal = host.terminal(
      ["models", "accounts", "login", "kimi-code", "--method", "device-code", ...url],
      { env },
    );
    await terminal.waitFor(userCode, 60_000);
    standIn.approveDevice(userCode, account);
    const { code } = await terminal.exited;
    expect(code, terminal.screen()).toBe(0);
    expect(terminal.screen()).not.toMatch(/standin-(?:access|refresh)-/u);
    return /Signed in: (personal:\S+?)\. /u.exec(terminal.screen())?.[1] ?? "";
  }

  /** The same from the person's app, without a command. */
  async function connectInApp(who: Person, userCode: string, account: string): Promise<string> {
    const { app } = who;
    const profileId = await profileIdOf(who);
    const start = { profileId, provider: "kimi-code", method: "device-code" };
    const { connectId } = await app.request("users.authConnect.start", start);
    await standIn.waitFor("device_authorization");
    standIn.approveDevice(userCode, account);
    const read = async (): Promise<unknown> =>
      await app.request("users.authConnect.status", { profileId, connectId });
    await expect.poll(read, { timeout: 20_000 }).toMatchObject({ status: "connected" });
    return ((await read()) as { authProfileId: string }).authProfileId;
  }

  /** The account whose token the last model call had. */
  function servedBy(): string | undefined {
    const bearer = standIn.requests.findLast(({ route }) => route === "chat")?.bearer;
    return bearer === undefined ? undefined : standIn.login(bearer)?.accountId;
  }

  /** Homes of people's accounts, in the order of their names. */
  async function personalHomes(end = ".json"): Promise<string[]> {
    const folder = path.join(host.stateDir, "kimi-code-oauth", "credentials");
    const names = await readdir(folder).catch(() => []);
    return names
      .filter((name) => name.startsWith("personal-") && name.endsWith(end))
      .map((name) => path.join(folder, name));
  }

  beforeAll(async () => {
    standIn = await startStandIn();
    standIn.createAccount({ id: "user-2" });
    standIn.createAccount({ id: "user-3" });
    standIn.device.outcome = "manual";
    host = await createHost({ env: kimiVariables(standIn) });
    await signInWithCliLogin(host, standIn);
    await mkdir(host.agentDir, { recursive: true });
    await writeFile(
      path.join(host.agentDir, "settings.json"),
      JSON.stringify({ retry: { provider: { maxRetries: 0 } } }),
    );
    telegram = await startTelegram();
    await host.updateConfig((config) => ({
      ...config,
      ...telegram.config([OWNER], [OWNER, MEMBER]),
    }));
    gateway = await host.startGateway({ config: BEHIND_PROXY });
    ann = await person("ann");
    bob = await person("bob");
  }, 240_000);

  afterAll(async () => {
    for (const someone of [ann, bob]) {
      await someone?.app.close();
      await someone?.chat.close();
      await someone?.proxy[Symbol.asyncDispose]();
    }
    await gateway?.kill();
    await host?.dispose();
    await telegram?.[Symbol.asyncDispose]();
    await standIn?.close();
  });

  beforeEach(() => {
    standIn.heal();
    standIn.clear();
  });

  it("are served by the gateway's account as long as they have none of their own", async () => {
    expect(await ann.chat.say("hi")).toEqual({ ok: true, text: "pong" });
    expect(servedBy()).toBe(SHARED);
  });

  it("connect one of their own, which nothing is written for until it is used", async () => {
    const url = ["--url", ann.proxy.origin.replace("http", "ws")];
    const refused = await host.run(["models", "accounts", "clear-default", "kimi-code", ...url], {
      env: ann.env,
    });
    expect(refused.stderr).toMatch(/pairing required/iu);
    await approvePending();
    // Due for a refresh as soon as it is used.
    standIn.settings.accessTokenLifetimeS = 30;
    annsId = await connectAccount(ann, "FAKE-0001", "user-2");
    standIn.settings.accessTokenLifetimeS = 900;
    expect(await accountsOf(ann)).toEqual([
      {
        authProfileId: annsId,
        provider: "kimi-code",
        authType: "oauth",
        label: expect.stringMatching(/^Stand-in user-2/u),
        selected: true,
      },
    ]);
    expect(await personalHomes()).toEqual([]);
    expect(standIn.tokenRequests("refresh_token")).toEqual([]);
    expect(Object.keys(host.readAuthProfiles())).toEqual(["kimi-code:default"]);
  });

  it("are served by their own, which gets its home before its tokens are spent, once", async () => {
    const answer = Promise.withResolvers<undefined>();
    standIn.failNext("token", { kind: "gate", gate: answer.promise });
    const turns = Promise.all([ann.chat.say("hi"), ann.chat.say("hi")]);
    const first = await Promise.race([standIn.waitFor("token"), turns]);
    const form = "form" in first ? first.form : undefined;
    const [home = "", ...others] = await personalHomes();
    expect(others).toEqual([]);
    expect((await readCredential(home))["refresh_token"]).toBe(form?.["refresh_token"]);
    answer.resolve(undefined);
    expect(await turns).toEqual([
      { ok: true, text: "pong" },
      { ok: true, text: "pong" },
    ]);
    const calls = standIn.requests.filter(({ route }) => route === "chat");
    expect(calls.map(({ bearer }) => standIn.login(bearer ?? "")?.accountId)).toEqual([
      "user-2",
      "user-2",
    ]);
    expect(standIn.tokenRequests("refresh_token")).toHaveLength(1);
    expect((await readCredential(home))["access_token"]).toBe(calls[0]?.bearer);
    expect((await stat(home)).mode & 0o777).toBe(0o600);

    expect(await bob.chat.say("hi")).toEqual({ ok: true, text: "pong" });
    expect(servedBy()).toBe(SHARED);
  });

  it("go back to the gateway's account and choose their own again", async () => {
    const unlink = { profileId: await profileIdOf(ann), provider: "kimi-code" };
    await ann.app.request("users.unlinkAuthProfile", unlink);
    expect(await ann.chat.say("hi")).toEqual({ ok: true, text: "pong" });
    expect(servedBy()).toBe(SHARED);
    await choose(ann, annsId);
    expect(await ann.chat.say("hi")).toEqual({ ok: true, text: "pong" });
    expect(servedBy()).toBe("user-2");
    expect(standIn.tokenRequests("refresh_token")).toEqual([]);
  });

  it("have each an account that the other neither sees nor can choose, and that expires for itself", async () => {
    const bobsId = await connectInApp(bob, "FAKE-0002", "user-3");
    const [annsHome] = await personalHomes();
    expect(await bob.chat.say("hi")).toEqual({ ok: true, text: "pong" });
    expect(servedBy()).toBe("user-3");
    expect(standIn.tokenRequests("refresh_token")).toEqual([]);
    const home = (await personalHomes()).find((file) => file !== annsHome) ?? "";
    await expireLogin(host, home);
    expect(await bob.chat.say("hi")).toEqual({ ok: true, text: "pong" });
    expect(servedBy()).toBe("user-3");
    expect(standIn.tokenRequests("refresh_token")).toHaveLength(1);

    expect((await accountsOf(ann)).map(({ authProfileId }) => authProfileId)).toEqual([annsId]);
    await expect(choose(ann, bobsId)).rejects.toThrow(
      /^Select an account from your personal account list/u,
    );
    expect(await ann.chat.say("hi")).toEqual({ ok: true, text: "pong" });
    expect(servedBy()).toBe("user-2");
  });

  it("connect an account again: it keeps its name, and its earlier home is put aside", async () => {
    const homes = await personalHomes();
    expect(await connectInApp(ann, "FAKE-0003", "user-2")).toBe(annsId);
    expect(await ann.chat.say("hi")).toEqual({ ok: true, text: "pong" });
    const bearer = standIn.requests.findLast(({ route }) => route === "chat")?.bearer ?? "";
    expect(standIn.login(bearer)).toMatchObject({ accountId: "user-2", refreshCount: 0 });
    const now = await personalHomes();
    expect(now).toHaveLength(homes.length + 1);

    // The next sign-in to an account of the gateway clears away, as does the gateway once a minute.
    const owner = await openChatWindow(gateway);
    const signIn = owner.say("/login kimi-code");
    await standIn.waitFor("device_authorization", { count: 2 });
    standIn.approveDevice("FAKE-0004", SHARED);
    expect((await signIn.finally(owner.close)).text).toContain("login complete");
    const [replaced = "", ...more] = await personalHomes(".json.removed");
    expect(more).toEqual([]);
    expect(homes).toContain(replaced.replace(/\.removed$/u, ""));
    expect(await personalHomes()).toEqual(
      now.filter((file) => file !== replaced.replace(/\.removed$/u, "")),
    );
    expect(await ann.chat.say("hi")).toEqual({ ok: true, text: "pong" });
    expect(servedBy()).toBe("user-2");
  });

  it("sign in for all in a private chat if they own the gateway", async () => {
    const before = host.readAuthProfiles()["kimi-code:default"];
    telegram.write(OWNER, "/login kimi-code");
    await standIn.waitFor("device_authorization");
    await telegram.heard(OWNER, "Code: <code>FAKE-0005</code>");
    await telegram.heard(OWNER, `${standIn.origin}/code/authorize_device?user_code=FAKE-0005`);
    standIn.approveDevice("FAKE-0005", SHARED);
    await telegram.heard(OWNER, "login complete");
    const profile = host.readAuthProfiles()["kimi-code:default"];
    expect(profile).toMatchObject({
      accountId: SHARED,
      authFlow: expect.stringMatching(/^openclaw:login-/u),
    });
    expect(profile?.access).not.toBe(before?.access);
    telegram.write(OWNER, "hi");
    await telegram.heard(OWNER, "pong");
    expect(standIn.requests.findLast(({ route }) => route === "chat")?.bearer).toBe(
      profile?.access,
    );
  });

  it("cannot sign in for all if they do not own it", async () => {
    expect((await ann.chat.say("/login kimi-code")).text).toContain("Only an OpenClaw owner");
    telegram.write(MEMBER, "/login kimi-code");
    telegram.write(MEMBER, "hi");
    await telegram.heard(MEMBER, "pong");
    await telegram.heard(MEMBER, "Only an OpenClaw owner");
    expect(standIn.count("device_authorization")).toBe(0);
    expect(standIn.violations).toEqual([]);
  });
});
