import fs, { existsSync } from "node:fs";
import { mkdir, readdir, rmdir, stat, utimes } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Home } from "../../src/logins/homes.ts";
import { tryDirectoryLock } from "../../src/logins/locks/directory-lock.ts";
import { isHomeLocked, tryHomeLock } from "../../src/logins/locks/home-lock.ts";
import { Login } from "../../src/logins/login.ts";
import { startStandIn } from "../kit/standin/server.ts";
import type { StandIn } from "../kit/standin/server.ts";
import { endProcesses, hasPython, kill, python, pythonHolding } from "../kit/login-processes.ts";
import {
  failureOf,
  KINDS,
  LIFETIME_MS,
  modeOf,
  removeScratch,
  scratch,
  signedIn,
  stopWatching,
  stored,
  testDeps,
  watchTries,
} from "../kit/logins.ts";

const windows = process.platform === "win32";

let standIn: StandIn;

beforeEach(async () => {
  standIn = await startStandIn();
});

afterEach(async () => {
  vi.restoreAllMocks();
  stopWatching();
  await endProcesses();
  await standIn.close();
  await removeScratch();
});

function lockPath(home: Home): string {
  return home.lock.kind === "flock" ? home.lock.path : `${home.lock.target}.lock`;
}

async function lockedHome(ageMs: number): Promise<{ home: Home; lock: string }> {
  const { home } = await signedIn(standIn, "kimi-code-cli", { ageMs: LIFETIME_MS });
  const lock = lockPath(home);
  await mkdir(lock, { recursive: true });
  const then = new Date(Date.now() - ageMs);
  await utimes(lock, then, then);
  return { home, lock };
}

describe("the Kimi Code CLI's lock", () => {
  it("is waited for while its holder keeps it alive, and not touched", async () => {
    const { home, lock } = await lockedHome(3_000);
    const { mtimeMs, ino } = await stat(lock);
    const tried = watchTries(home);
    const work = new Login(home, testDeps(standIn.clock.now)).access();
    await tried(10);
    expect(isHomeLocked(home)).toBe(true);
    expect(await readdir(lock)).toEqual([]);
    expect(await stat(lock)).toMatchObject({ mtimeMs, ino });
    expect(standIn.requests).toEqual([]);
    // Renewed as its holder does it.
    await utimes(lock, new Date(), new Date());
    await tried(10);
    expect(standIn.requests).toEqual([]);
    await rmdir(lock);
    await work;
    expect(standIn.count("token")).toBe(1);
    expect(existsSync(lock)).toBe(false);
  });

  it("that nobody has renewed for five seconds is taken over", async () => {
    const { home, lock } = await lockedHome(5_100);
    expect(isHomeLocked(home)).toBe(false);
    const { accessToken } = await new Login(home, testDeps(standIn.clock.now)).access();
    expect(await stored(home)).toMatchObject({ access_token: accessToken });
    expect(existsSync(lock)).toBe(false);
  });

  it("is an empty folder beside an empty file, as the CLI makes it", async () => {
    const target = path.join(await scratch(), "oauth", "kimi-code");
    const lock = await tryDirectoryLock(target);
    expect(await tryDirectoryLock(target)).toBeUndefined();
    expect(await readdir(path.dirname(target))).toEqual(["kimi-code", "kimi-code.lock"]);
    expect(await readdir(`${target}.lock`)).toEqual([]);
    expect((await stat(target)).size).toBe(0);
    await lock?.release();
    expect(await readdir(path.dirname(target))).toEqual(["kimi-code"]);
  });

  it.each<[string, (lock: string) => Promise<unknown>]>([
    ["taken away", (lock) => rmdir(lock)],
    ["touched", (lock) => utimes(lock, new Date(0), new Date(0))],
  ])(
    "that is %s by another program is known to be lost, and ends nothing",
    async (_what, disturb) => {
      const target = path.join(await scratch(), "oauth", "kimi-code");
      const lock = await tryDirectoryLock(target);
      expect(lock?.isHeld()).toBe(true);
      await disturb(`${target}.lock`);
      expect(lock?.isHeld()).toBe(false);
      await expect(lock?.release()).resolves.toBeUndefined();
    },
  );
});

describe("a lock that was taken over and given back in this same process", () => {
  it("throws nothing out of a timer, also when its disk fails", async () => {
    const target = path.join(await scratch(), "oauth", "kimi-code");
    const first = await tryDirectoryLock(target);
    const stamp = (await stat(`${target}.lock`)).mtime;
    await utimes(`${target}.lock`, new Date(0), new Date(0));
    const second = await tryDirectoryLock(target);
    await second?.release();
    // As if it were the first one's again.
    await mkdir(`${target}.lock`);
    await utimes(`${target}.lock`, stamp, stamp);
    const failed = Promise.withResolvers<void>();
    const { utimesSync } = fs;
    fs.utimesSync = () => {
      failed.resolve();
      throw Object.assign(new Error("EIO: i/o error"), { code: "EIO" });
    };
    syncBuiltinESMExports();
    try {
      await failed.promise;
    } finally {
      fs.utimesSync = utimesSync;
      syncBuiltinESMExports();
    }
    expect(first?.isHeld()).toBe(false);
  });
});

describe.skipIf(!hasPython)("the Python CLI's lock (needs Python with fcntl)", () => {
  it("keeps us waiting while a Python process holds it", async () => {
    const { home } = await signedIn(standIn, "kimi-cli", { ageMs: LIFETIME_MS });
    const holder = await pythonHolding(lockPath(home));
    expect(isHomeLocked(home)).toBe(true);
    const tried = watchTries(home);
    const work = new Login(home, testDeps(standIn.clock.now)).access();
    await tried(10);
    expect(standIn.requests).toEqual([]);
    await holder.letGo();
    await work;
    expect(standIn.count("token")).toBe(1);
    expect(isHomeLocked(home)).toBe(false);
  });

  it("is given up after a minute, and the login is as it was", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-cli", { ageMs: LIFETIME_MS });
    await pythonHolding(lockPath(home));
    const tried = watchTries(home);
    const work = failureOf(new Login(home, testDeps(standIn.clock.now)).access());
    await tried(2);
    const now = performance.now.bind(performance);
    vi.spyOn(performance, "now").mockImplementation(() => now() + 61_000);
    expect(await work).toMatchObject({
      code: "home_busy",
      transient: true,
      message: expect.stringContaining("for over a minute"),
    });
    expect(standIn.requests).toEqual([]);
    expect(await stored(home)).toMatchObject({ refresh_token: pair.refresh_token });
  });

  it("cannot be taken by Python during our refresh, and can be right after it", async () => {
    const { home } = await signedIn(standIn, "kimi-cli", { ageMs: LIFETIME_MS });
    const gate = Promise.withResolvers<void>();
    standIn.failNext("token", { kind: "gate", gate: gate.promise });
    const work = new Login(home, testDeps(standIn.clock.now)).access();
    await standIn.waitFor("token");
    expect(await python("try", lockPath(home))).toEqual({ result: "busy" });
    gate.resolve();
    await work;
    expect(await python("try", lockPath(home))).toEqual({ result: "free" });
    expect(await modeOf(lockPath(home))).toBe(0o600);
  });

  it("goes with a process that is killed", async () => {
    const { home } = await signedIn(standIn, "kimi-cli", { ageMs: LIFETIME_MS });
    const holder = await pythonHolding(lockPath(home));
    await kill(holder.child);
    await new Login(home, testDeps(standIn.clock.now)).access();
    expect(standIn.count("token")).toBe(1);
  });
});

describe.each(KINDS)("whether a refresh of the %s home is under way", (kind) => {
  it.skipIf(windows && kind === "kimi-cli")("is seen without changing anything", async () => {
    const { home } = await signedIn(standIn, kind);
    expect(isHomeLocked(home)).toBe(false);
    expect(existsSync(lockPath(home))).toBe(false);
    const lock = await tryHomeLock(home);
    expect(isHomeLocked(home)).toBe(true);
    await lock?.release();
    expect(isHomeLocked(home)).toBe(false);
  });
});
