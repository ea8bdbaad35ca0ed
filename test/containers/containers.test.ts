/** What docs/containers.md promises, with real mounts, users and process namespaces. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { chmod, chown, copyFile, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Home } from "../../src/logins/homes.ts";
import { Login } from "../../src/logins/login.ts";
import { nextMessage } from "../kit/login-processes.ts";
import {
  ageLock,
  failureOf,
  homeFor,
  isRoot,
  KINDS,
  leftovers,
  LIFETIME_MS,
  NOBODY,
  removeScratch,
  scratch,
  signedIn,
  stored,
  testDeps,
  unprivileged,
  writeLogin,
} from "../kit/logins.ts";
import { type StandIn, startStandIn, type TokenReply } from "../kit/standin/server.ts";

const CHILD = path.join(import.meta.dirname, "..", "kit", "login-child.ts");

/** True where root may do this; a container may forbid it. */
function can(script: string): boolean {
  return process.platform === "linux" && isRoot && spawnSync("sh", ["-c", script]).status === 0;
}

const canMount = can(`f=$(mktemp) && mount --bind "$f" "$f" && umount "$f" && rm "$f"`);
const canFreeze = can(`f=$(mktemp) && chattr +i "$f" && chattr -i "$f" && rm "$f"`);
const canUnshare = can("unshare --pid --fork --mount-proc --kill-child true");
const canDropRights = can("setpriv --bounding-set -chown --inh-caps -chown true");

let standIn: StandIn;
const mounts: string[] = [];
const frozen: string[] = [];
const children = new Set<ChildProcess>();

beforeEach(async () => {
  standIn = await startStandIn();
});

afterEach(async () => {
  for (const child of children) {
    child.kill("SIGKILL");
    await once(child, "close").catch(() => undefined);
  }
  children.clear();
  for (const mount of mounts.splice(0).toReversed()) {
    execFileSync("umount", [mount]);
  }
  for (const file of frozen.splice(0)) {
    execFileSync("chattr", ["-i", file]);
  }
  await standIn.close();
  await removeScratch();
});

/** Mounts a file or folder, as a container does. */
function bind(from: string, to: string, options: "rw" | "ro" = "rw"): void {
  execFileSync("mount", ["--bind", from, to]);
  mounts.push(to);
  if (options === "ro") {
    execFileSync("mount", ["-o", "remount,ro,bind", to]);
  }
}

async function expired(
  kind: (typeof KINDS)[number],
  dir?: string,
): Promise<{ home: Home; pair: TokenReply }> {
  if (dir === undefined) {
    return await signedIn(standIn, kind, { ageMs: LIFETIME_MS });
  }
  const home = homeFor(kind, dir, standIn);
  const pair = standIn.issueLogin();
  await writeLogin(home, pair, { issuedAtMs: standIn.clock.now() - LIFETIME_MS });
  return { home, pair };
}

function login(home: Home): Login {
  return new Login(home, testDeps(standIn.clock.now));
}

describe.skipIf(!canMount).each(KINDS)("the file of a %s login that is mounted alone", (kind) => {
  it.each(["rw", "ro"] as const)(
    "(%s) costs no token, and the message says to mount the folder",
    async (options) => {
      const { home, pair } = await expired(kind);
      const outside = path.join(await scratch(), "login.json");
      await copyFile(home.file, outside);
      bind(outside, home.file, options);
      for (let round = 0; round < 2; round += 1) {
        const error = await failureOf(login(home).access());
        expect(error).toMatchObject({ code: "home_not_writable" });
        expect(error.message).toContain(
          `${home.file} is mounted as a single file and cannot be replaced. Mount the folder ${home.dir}, not the file`,
        );
      }
      expect(standIn.requests).toEqual([]);
      expect(standIn.isLiveRefresh(pair.refresh_token)).toBe(true);
      expect(await leftovers(home)).toEqual([]);
    },
  );

  it("is found out below a folder with blanks in its name and behind a link", async () => {
    const real = path.join(await scratch(), "a folder\twith blanks\\");
    await mkdir(real);
    const link = path.join(await scratch(), "link");
    await symlink(real, link);
    const { home } = await expired(kind, link);
    bind(home.file, home.file);
    expect(await failureOf(login(home).access())).toMatchObject({ code: "home_not_writable" });
    expect(standIn.requests).toEqual([]);
  });

  it("serves its token for as long as that lives", async () => {
    const { home, pair } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS / 2 + 1_000 });
    bind(home.file, home.file, "ro");
    const one = login(home);
    expect(await one.access()).toMatchObject({ accessToken: pair.access_token });
    standIn.clock.advance(LIFETIME_MS / 2 - 10_000);
    expect(await one.access({ background: true })).toMatchObject({
      accessToken: pair.access_token,
    });
    expect(standIn.requests).toEqual([]);
  });
});

describe.skipIf(!canMount)("the folder of a login that is mounted", () => {
  it("takes new tokens, and the other side sees them", async () => {
    const { home: outside } = await expired("kimi-code-cli");
    const inside = await scratch();
    bind(outside.dir, inside);
    const { accessToken } = await login(homeFor("kimi-code-cli", inside, standIn)).access();
    expect(await stored(outside)).toMatchObject({ access_token: accessToken });
    expect(await login(outside).access()).toMatchObject({ accessToken });
    expect(standIn.count("token")).toBe(1);
  });

  it("read-only costs no token, and serves the one that lives", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-code-cli", {
      ageMs: LIFETIME_MS / 2 + 1_000,
    });
    bind(home.dir, home.dir, "ro");
    const one = login(home);
    expect(await one.access()).toMatchObject({ accessToken: pair.access_token });
    standIn.clock.advance(LIFETIME_MS / 2);
    expect(await failureOf(one.access())).toMatchObject({ code: "home_not_writable" });
    expect(standIn.requests).toEqual([]);
  });
});

describe("a file that stays where it is", () => {
  it.skipIf(!canFreeze)("because it is immutable costs no token", async () => {
    const { home, pair } = await expired("kimi-code-cli");
    execFileSync("chattr", ["+i", home.file]);
    frozen.push(home.file);
    const error = await failureOf(login(home).access());
    expect(error).toMatchObject({
      code: "home_not_writable",
      message: expect.stringContaining("is protected from changes"),
    });
    expect(standIn.isLiveRefresh(pair.refresh_token)).toBe(true);
    expect(await leftovers(home)).toEqual([]);
  });

  it.skipIf(!canFreeze)(
    "because nothing may be removed from its folder costs no token, and leaves nothing there",
    async () => {
      const { home } = await expired("kimi-code-cli");
      const folder = path.dirname(home.file);
      execFileSync("chattr", ["+a", folder]);
      try {
        expect(await failureOf(login(home).access())).toMatchObject({ code: "home_not_writable" });
        expect(readdirSync(folder)).toEqual([path.basename(home.file)]);
      } finally {
        execFileSync("chattr", ["-a", folder]);
      }
      expect(standIn.requests).toEqual([]);
    },
  );

  it.skipIf(!isRoot)(
    "because it is another user's in a sticky folder costs no token (only root can try)",
    async () => {
      const { home } = await expired("kimi-code-cli");
      for (const folder of [home.dir, path.dirname(home.file)]) {
        await chown(folder, NOBODY - 1, NOBODY);
        await chmod(folder, 0o1777);
      }
      await chown(home.file, NOBODY - 1, NOBODY);
      await chmod(home.file, 0o666);
      expect(await unprivileged(() => failureOf(login(home).access()))).toMatchObject({
        code: "home_not_writable",
      });
      expect(standIn.requests).toEqual([]);
      expect(existsSync(path.join(home.dir, "oauth"))).toBe(false);
    },
  );
});

/** A process that uses a home, started by another command. */
async function start(
  command: readonly string[],
  home: Home,
): Promise<{ child: ChildProcess; access: () => Promise<unknown> }> {
  const [file, ...args] = [...command, process.execPath, CHILD, JSON.stringify(home)];
  const child = spawn(file, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  children.add(child);
  await nextMessage(child);
  return {
    child,
    access: async () => {
      const answer = nextMessage(child);
      child.send({ callers: 1 });
      return await answer;
    },
  };
}

const CONTAINER = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];

describe.skipIf(!canUnshare)("two containers that share a login", () => {
  it.each(KINDS)(
    "make one refresh of an expired %s login, though their process ids are equal",
    async (kind) => {
      const { home, pair } = await expired(kind);
      const [one, two] = [await start(CONTAINER, home), await start(CONTAINER, home)];
      standIn.failNext("token", { kind: "delay", ms: 300, at: "after" });
      const results = await Promise.all([one.access(), two.access()]);
      const { accessToken } = standIn.login(pair.refresh_token) ?? {};
      expect(results).toEqual([[{ accessToken }], [{ accessToken }]]);
      expect(standIn.tokenRequests()).toHaveLength(1);
    },
  );

  it("lose nothing when one stands still during its request and the other cannot see its process", async () => {
    const { home, pair } = await expired("kimi-code-cli");
    const gate = Promise.withResolvers<void>();
    standIn.failNext("token", { kind: "gate", gate: gate.promise, at: "after" });
    const [sleeper, other] = [await start([], home), await start(CONTAINER, home)];
    const slept = sleeper.access();
    await standIn.waitFor("token");
    sleeper.child.kill("SIGSTOP");
    await ageLock(home);
    expect(await other.access()).toEqual([{ code: "home_busy" }]);
    expect(await leftovers(home)).toHaveLength(1);
    gate.resolve();
    sleeper.child.kill("SIGCONT");
    const { accessToken, refreshToken } = standIn.login(pair.refresh_token) ?? {};
    expect(await slept).toEqual([{ accessToken }]);
    expect(await stored(home)).toMatchObject({ refresh_token: refreshToken });
    expect(await other.access()).toEqual([{ accessToken }]);
    expect(standIn.reusedRefreshTokens).toBe(0);
  });
});

describe.skipIf(!canDropRights)("root without the right to give files away", () => {
  it.each(["kimi-code-cli", "kimi-cli"] as const)(
    "refuses another user's %s login and leaves no lock of root's",
    async (kind) => {
      const { home } = await expired(kind);
      for (const place of [home.dir, path.dirname(home.file), home.file]) {
        await chown(place, NOBODY, NOBODY);
      }
      const before = await readFile(home.file, "utf8");
      const weak = await start(
        ["setpriv", "--bounding-set", "-chown", "--inh-caps", "-chown"],
        home,
      );
      expect(await weak.access()).toEqual([{ code: "home_not_writable" }]);
      expect(readdirSync(home.dir)).toEqual(["credentials"]);
      expect(readdirSync(path.dirname(home.file))).toEqual([path.basename(home.file)]);
      expect(await readFile(home.file, "utf8")).toBe(before);
      expect(standIn.requests).toEqual([]);
    },
  );
});

describe("a login whose plugin has no place for its notes", () => {
  it("works anyway", async () => {
    const state = path.join(await scratch(), "state");
    await writeFile(state, "a file where the state folder should be");
    const { home, pair } = await expired("kimi-code-cli");
    const accounts = {
      recall: async () =>
        await readFile(path.join(state, "account.json"), "utf8").then(() => undefined),
      remember: async () => await writeFile(path.join(state, "account.json"), "{}"),
    };
    const renewed = await new Login(home, { ...testDeps(standIn.clock.now), accounts }).access({
      accountId: "user-1",
    });
    expect(standIn.login(pair.refresh_token)).toMatchObject({ accessToken: renewed.accessToken });
  });
});
