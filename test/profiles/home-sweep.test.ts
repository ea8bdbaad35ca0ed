import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, rename, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  type OpenClawConfig,
  updateAuthProfileStoreWithLock,
  upsertAuthProfile,
} from "openclaw/plugin-sdk/provider-auth";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { profilePlaces, profilesIn } from "../../src/host/profile-places.ts";
import {
  createOpenClawHome,
  isBeingClaimed,
  newOpenClawHome,
  unclaimedMark,
} from "../../src/logins/openclaw-home.ts";
import { removeHome } from "../../src/logins/openclaw-home-removal.ts";
import { sweepHomes } from "../../src/profiles/home-sweep.ts";
import { notePersonalAccount } from "../../src/logins/openclaw-home-notes.ts";
import { personalAccounts } from "../../src/logins/openclaw-slots.ts";
import { pluginStateDir } from "../../src/host/state.ts";
import { bindProfile } from "../../src/profiles/bound-login.ts";
import { homeOfProfile, profileFor } from "../../src/profiles/profiles.ts";
import { isSameAccount } from "../../src/host/profile-shape.ts";
import { withNewTokens } from "../../src/logins/credential.ts";
import type { Home } from "../../src/logins/homes.ts";
import { processMark } from "../../src/logins/process-mark.ts";
import { tryHomeLock } from "../../src/logins/locks/home-lock.ts";
import { endpointsOf, REGIONS } from "../../src/protocol/endpoints.ts";

const endpoints = REGIONS.global;
const HOUR_MS = 60 * 60_000;

/** The mark of a process that has certainly ended: its id is larger than any that a system gives out. */
function deadMark(): string {
  return processMark().replace(/"pid":\d+/u, '"pid":4194305');
}

/** Lets a file look as if it had last changed so long ago. */
async function age(file: string, ms: number): Promise<void> {
  const then = new Date(Date.now() - ms);
  await utimes(file, then, then);
}

const credential = () =>
  withNewTokens(
    {},
    { accessToken: "access", refreshToken: "refresh", expiresInS: 900 },
    "kimi-code-cli",
    Date.now(),
  );

/** A home whose sign-in is long over, as after the end of the process that made it. */
async function settledHome(): Promise<Home> {
  const home = newOpenClawHome(pluginStateDir(), endpoints);
  createOpenClawHome(home, credential());
  await writeFile(unclaimedMark(home), deadMark());
  await age(home.file, HOUR_MS);
  return home;
}

/** The files in the folder of homes. */
async function filesBeside(home: Home): Promise<string[]> {
  return (await readdir(path.dirname(home.file))).toSorted();
}

function store(home: Home, profileId: string, agentDir?: string): void {
  const profile = profileFor(home, credential(), { id: "user-1", name: undefined });
  upsertAuthProfile({
    profileId,
    credential: profile,
    ...(agentDir === undefined ? {} : { agentDir }),
  });
}

async function signOut(profileId: string): Promise<void> {
  await updateAuthProfileStoreWithLock({
    updater: (profiles) => {
      delete profiles.profiles[profileId];
      return true;
    },
  });
}

function profileOf(accountId: string | undefined, host: string) {
  const home = newOpenClawHome(pluginStateDir(), endpointsOf(host, `${host}/v1`));
  return profileFor(home, credential(), { id: accountId, name: undefined });
}

describe("the homes of logins made here", () => {
  let root: string;
  let stateDir: string;
  let config: OpenClawConfig;

  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), "kimi-own-homes-"));
    stateDir = path.join(root, "state");
    vi.stubEnv("OPENCLAW_STATE_DIR", stateDir);
    config = {};
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(root, { recursive: true, force: true });
  });

  it("stay while a profile names them, and are put aside with everything that is theirs when it is removed", async () => {
    const kept = await settledHome();
    const ended = await settledHome();
    store(kept, "kimi-code:default");
    store(ended, "kimi-code:work");
    expect(await sweepHomes(config)).toBe(0);

    await writeFile(`${ended.file}.tmp.0123456789abcdef.00000000`, "left by a crash");
    await signOut("kimi-code:work");
    expect(await sweepHomes(config)).toBe(1);
    const name = path.basename(ended.file);
    const own = (await filesBeside(kept)).filter((entry) => entry.startsWith(ended.slot));
    expect(own).toEqual([`${name}.removed`, `${name}.stores`]);
    expect(existsSync(kept.file)).toBe(true);
    expect(await readdir(path.join(kept.dir, "oauth"))).toEqual([]);
  });

  it("that were put aside are deleted after a day, and not before", async () => {
    const home = await settledHome();
    store(home, "kimi-code:work");
    await sweepHomes(config);
    await signOut("kimi-code:work");
    await sweepHomes(config);
    await age(`${home.file}.removed`, 23 * HOUR_MS);
    await sweepHomes(config);
    expect(existsSync(`${home.file}.removed`)).toBe(true);
    await age(`${home.file}.removed`, 25 * HOUR_MS);
    await sweepHomes(config);
    expect(await filesBeside(home)).toEqual([]);
  });

  it("that were put aside come back when a profile that names them is seen again", async () => {
    const home = await settledHome();
    store(home, "kimi-code:work");
    await sweepHomes(config);
    await signOut("kimi-code:work");
    expect(await sweepHomes(config)).toBe(1);
    store(home, "kimi-code:work");
    expect(await sweepHomes(config)).toBe(0);
    expect(existsSync(home.file)).toBe(true);
  });

  it("that were put aside come back when their profile is used", async () => {
    const home = await settledHome();
    store(home, "kimi-code:work");
    await sweepHomes(config);
    await signOut("kimi-code:work");
    await sweepHomes(config);
    expect(existsSync(home.file)).toBe(false);
    const login = bindProfile(profileFor(home, credential(), { id: "user-1", name: undefined }));
    expect(existsSync(home.file)).toBe(false);
    login.claim();
    expect(existsSync(home.file)).toBe(true);
    expect(existsSync(`${home.file}.removed`)).toBe(false);
  });

  it("go although another agent's store is broken, and a stray file lies among the agents", async () => {
    const zoe = path.join(stateDir, "agents", "zoe", "agent");
    const bob = path.join(stateDir, "agents", "bob", "agent");
    const home = await settledHome();
    store(home, "kimi-code:work", zoe);
    expect(await sweepHomes(config)).toBe(0);
    await updateAuthProfileStoreWithLock({
      agentDir: zoe,
      updater: (found) => delete found.profiles["kimi-code:work"],
    });
    await mkdir(bob, { recursive: true });
    const database = (await readdir(zoe)).find((name) => name.endsWith(".sqlite")) ?? "";
    await writeFile(path.join(bob, database), Buffer.alloc(8_192, 7));
    await writeFile(path.join(stateDir, "agents", ".DS_Store"), "");
    expect(await sweepHomes(config)).toBe(1);
    expect(existsSync(home.file)).toBe(false);
  });

  it("stay while a store that named them cannot be read", async () => {
    const zoe = path.join(stateDir, "agents", "zoe", "agent");
    const home = await settledHome();
    store(home, "kimi-code:work", zoe);
    await sweepHomes(config);
    for (const name of await readdir(zoe)) {
      await writeFile(path.join(zoe, name), Buffer.alloc(8_192, 7));
    }
    expect(await sweepHomes(config)).toBe(0);
    expect(existsSync(home.file)).toBe(true);
  });

  it("stay for a profile in a folder that only the sign-in knew of", async () => {
    const elsewhere = path.join(root, "elsewhere");
    await mkdir(elsewhere);
    const home = newOpenClawHome(pluginStateDir(), endpoints);
    createOpenClawHome(home, credential(), elsewhere);
    await writeFile(unclaimedMark(home), deadMark());
    await age(home.file, 48 * HOUR_MS);
    store(home, "kimi-code:default", elsewhere);
    expect(await sweepHomes(config)).toBe(0);
    expect(existsSync(home.file)).toBe(true);
  });

  it("leave no file of a sign-in that was killed before it had a home", async () => {
    const home = newOpenClawHome(pluginStateDir(), endpoints);
    createOpenClawHome(home, credential());
    const temp = `${home.file}.tmp.0123456789abcdef`;
    await rename(home.file, temp);
    await sweepHomes(config);
    expect(existsSync(temp)).toBe(true);
    for (const name of await filesBeside(home)) {
      await age(path.join(path.dirname(home.file), name), HOUR_MS);
    }
    await sweepHomes(config);
    expect(await filesBeside(home)).toEqual([]);
  });

  it("stay for a profile of any agent, wherever the agent keeps it", async () => {
    const elsewhere = path.join(root, "elsewhere");
    config = {
      agents: { list: [{ id: "far", agentDir: elsewhere }] },
    };
    const home = await settledHome();
    store(home, "kimi-code:default", elsewhere);
    expect(await sweepHomes(config)).toBe(0);
    const near = await settledHome();
    store(near, "kimi-code:near", path.join(stateDir, "agents", "near", "agent"));
    expect(await sweepHomes(config)).toBe(0);
    expect(existsSync(near.file)).toBe(true);
  });

  it("stay while the sign-in that made them may still store its profile", async () => {
    const home = newOpenClawHome(pluginStateDir(), endpoints);
    createOpenClawHome(home, credential());
    await age(home.file, 2 * HOUR_MS);
    expect(isBeingClaimed(home)).toBe(true);
    expect(await sweepHomes(config)).toBe(0);
    await writeFile(unclaimedMark(home), deadMark());
    expect(isBeingClaimed(home)).toBe(false);
    expect(await sweepHomes(config)).toBe(1);
  });

  it("stay for an hour after a sign-in whose process is gone", async () => {
    const home = await settledHome();
    await age(home.file, HOUR_MS - 60_000);
    expect(await sweepHomes(config)).toBe(0);
    await age(home.file, HOUR_MS + 60_000);
    expect(await sweepHomes(config)).toBe(1);
  });

  it("stay while a sign-in of another container may still store its profile", async () => {
    const home = await settledHome();
    await writeFile(
      unclaimedMark(home),
      processMark()
        .replace(/"space":"[^"]*"/u, '"space":"elsewhere"')
        .replace(/"pid":\d+/u, '"pid":4194305'),
    );
    await age(home.file, 5 * HOUR_MS);
    expect(await sweepHomes(config)).toBe(0);
    await age(unclaimedMark(home), 25 * HOUR_MS);
    expect(await sweepHomes(config)).toBe(1);
  });

  it("stay when the config knows of a profile that no store shows", async () => {
    const home = await settledHome();
    await rm(`${home.file}.stores`);
    config = {
      auth: { profiles: { "kimi-code:default": { provider: "kimi-code", mode: "oauth" } } },
    };
    expect(await sweepHomes(config)).toBe(0);
    expect(existsSync(home.file)).toBe(true);
  });

  it("stay while they are being refreshed, and go afterwards", async () => {
    const home = await settledHome();
    const lock = await tryHomeLock(home);
    expect(await removeHome(home)).toBe(false);
    await lock?.release();
    expect(await removeHome(home)).toBe(true);
  });

  it("are never files of another kind", async () => {
    const folder = path.join(stateDir, "kimi-code-oauth", "credentials");
    await mkdir(folder, { recursive: true });
    const names = ["kimi-code.json", "login-1.json", "login-0123456789abcdef-01234567.txt"];
    for (const name of names) {
      await writeFile(path.join(folder, name), "{}");
    }
    expect(await sweepHomes(config)).toBe(0);
    expect(await readdir(folder)).toEqual(names.toSorted());
  });

  it("are found again in a state folder that was moved, and shared with a copy of it", async () => {
    const home = await settledHome();
    const profile = profileFor(home, credential(), { id: "user-1", name: undefined });
    const copy = path.join(root, "copy");
    await cp(stateDir, copy, { recursive: true });
    vi.stubEnv("OPENCLAW_STATE_DIR", copy);
    expect(homeOfProfile(profile, process.env).file).toBe(home.file);
    const moved = path.join(root, "moved");
    await rename(stateDir, moved);
    vi.stubEnv("OPENCLAW_STATE_DIR", moved);
    expect(homeOfProfile(profile, process.env).file).toBe(
      path.join(moved, "kimi-code-oauth", "credentials", path.basename(home.file)),
    );
  });

  it("are refused to a profile with other endpoints", async () => {
    const home = newOpenClawHome(pluginStateDir(), endpoints);
    const profile = profileFor(home, credential(), { id: "user-1", name: undefined });
    expect(() =>
      homeOfProfile({ ...profile, issuer: REGIONS["mainland-cn"].oauthHost }, process.env),
    ).toThrow(/belongs to another address/);
  });
});

describe("the note of a personal account's home", () => {
  let root: string;

  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), "kimi-personal-"));
    vi.stubEnv("OPENCLAW_STATE_DIR", root);
    await mkdir(path.join(root, "kimi-code-oauth", "credentials"), { recursive: true });
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(root, { recursive: true, force: true });
  });

  it("says whose it is, and keeps no home of another kind", () => {
    const home = newOpenClawHome(pluginStateDir(), endpoints, "personal");
    const { slot } = home;
    notePersonalAccount(home, "personal:owner:1");
    notePersonalAccount(newOpenClawHome(pluginStateDir(), endpoints), "kimi-code:default");
    notePersonalAccount({ ...home, slot: "../personal" }, "personal:owner:2");
    expect(personalAccounts(pluginStateDir())).toEqual([{ slot, profileId: "personal:owner:1" }]);
  });

  it("makes no place for profiles where there is no account to be seen", () => {
    notePersonalAccount(
      newOpenClawHome(pluginStateDir(), endpoints, "personal"),
      "personal:owner:1",
    );
    expect(profilePlaces()).toContainEqual({ profileId: "personal:owner:1" });
    expect(profilesIn({ profileId: "personal:owner:1" })).toEqual([]);
  });

  it("keeps the home of an account that cannot be seen", async () => {
    const home = newOpenClawHome(pluginStateDir(), endpoints, "personal");
    createOpenClawHome(home, credential());
    notePersonalAccount(home, "personal:owner:1");
    expect(await sweepHomes({})).toBe(0);
    expect(existsSync(home.file)).toBe(true);
  });
});

describe("two profiles", () => {
  it.each([
    ["are one account's: same account, same issuer", "user-1", "http://127.0.0.1:1", true],
    ["are not, with another account", "user-2", "http://127.0.0.1:1", false],
    ["are not, with another issuer", "user-1", "http://127.0.0.1:2", false],
    ["are not, with an unknown account", undefined, "http://127.0.0.1:1", false],
  ])("%s", (_what, accountId, host, same) => {
    expect(
      isSameAccount(profileOf("user-1", "http://127.0.0.1:1"), profileOf(accountId, host)),
    ).toBe(same);
  });
});
