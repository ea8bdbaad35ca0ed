/** A lock is waited for only while it lives; what can never pass is told at once, with its path. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type Home, makeHome } from "../../src/logins/homes.ts";
import { Login } from "../../src/logins/login.ts";
import { REGIONS } from "../../src/protocol/endpoints.ts";
import { startStandIn } from "../kit/standin/server.ts";
import type { StandIn } from "../kit/standin/server.ts";
import type { LoginProcess } from "../kit/login-processes.ts";
import { kill, runTogether, startProcesses } from "../kit/login-processes.ts";
import {
  failureOf,
  giveAway,
  isRoot,
  LIFETIME_MS,
  NOBODY,
  removeScratch,
  signedIn,
  stopWatching,
  testDeps,
  unprivileged,
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
  await standIn.close();
  await removeScratch();
});

async function expired(kind: "kimi-cli" | "kimi-code-cli" = "kimi-code-cli"): Promise<Home> {
  return (await signedIn(standIn, kind, { ageMs: LIFETIME_MS })).home;
}

function access(home: Home): Promise<unknown> {
  return new Login(home, testDeps(standIn.clock.now)).access();
}

function lockOf(home: Home): string {
  return home.lock.kind === "directory" ? `${home.lock.target}.lock` : home.lock.path;
}

async function old(file: string): Promise<void> {
  await utimes(file, new Date(0), new Date(0));
}

const BLOCKED: [
  string,
  string,
  (home: Home, lock: string) => Promise<unknown>,
  (home: Home, lock: string) => string,
][] = [
  [
    "a file in place of the locks' folder",
    "it is not a folder",
    (home) => writeFile(path.join(home.dir, "oauth"), ""),
    (home) => path.join(home.dir, "oauth"),
  ],
  [
    "a link to nowhere in place of the locks' folder",
    "it is not a folder",
    (home) => symlink("/nowhere/at/all", path.join(home.dir, "oauth")),
    (home) => path.join(home.dir, "oauth"),
  ],
  [
    "a file in place of the lock",
    "it is not a folder",
    async (_home, lock) => {
      await mkdir(path.dirname(lock));
      await writeFile(lock, "");
    },
    (_home, lock) => lock,
  ],
  [
    "an old file in place of the lock",
    "it is not a folder",
    async (_home, lock) => {
      await mkdir(path.dirname(lock));
      await writeFile(lock, "");
      await old(lock);
    },
    (_home, lock) => lock,
  ],
  [
    "a link to nowhere in place of the lock",
    "it is a link",
    async (_home, lock) => {
      await mkdir(path.dirname(lock));
      await symlink("/nowhere", lock);
    },
    (_home, lock) => lock,
  ],
  [
    "a link to a folder in place of the lock",
    "it is a link",
    async (home, lock) => {
      await mkdir(path.dirname(lock));
      await symlink(home.dir, lock);
    },
    (_home, lock) => lock,
  ],
  [
    "a lock that was left behind with a file in it",
    "it was left behind and is not empty",
    async (_home, lock) => {
      await mkdir(lock, { recursive: true });
      await writeFile(path.join(lock, ".DS_Store"), "");
      await old(lock);
    },
    (_home, lock) => lock,
  ],
];

describe.skipIf(windows)("a lock of the Kimi Code CLI that can never be taken", () => {
  it.each(BLOCKED)(
    "because of %s is told at once, with the path",
    async (_what, why, make, place) => {
      const home = await expired();
      const lock = lockOf(home);
      await make(home, lock);
      const startMs = performance.now();
      const error = await failureOf(access(home));
      expect(performance.now() - startMs).toBeLessThan(3_000);
      expect(error).toMatchObject({ code: "home_not_writable", transient: false });
      expect(error.message).toBe(
        `Could not refresh the login: ${place(home, lock)} is in the way of its lock (${why}). Delete it and try again; you are still signed in.`,
      );
      expect(standIn.requests).toEqual([]);
    },
  );
});

describe.skipIf(windows)("a lock of the Python CLI that can never be taken", () => {
  it.each<[string, string, (lock: string) => Promise<unknown>]>([
    ["a folder", "it is not a file", (lock) => mkdir(lock)],
    ["a link to nowhere", "it is a link", (lock) => symlink("/nowhere", lock)],
    ["a link in a circle", "it is a link", (lock) => symlink(lock, lock)],
  ])("because of %s in its place is told at once", async (_what, why, make) => {
    const home = await expired("kimi-cli");
    await make(lockOf(home));
    const error = await failureOf(access(home));
    expect(error).toMatchObject({
      code: "home_not_writable",
      message: expect.stringContaining(`${lockOf(home)} is in the way of its lock (${why}).`),
    });
    expect(standIn.requests).toEqual([]);
  });
});

describe("a lock whose stamp does not move", () => {
  it.each([
    ["an hour ahead, because the clock was put back", 3_600_000],
    ["of this moment", 0],
  ])(
    "with a date %s is taken over after six seconds of the monotonic clock",
    async (_what, aheadMs) => {
      const home = await expired();
      const lock = lockOf(home);
      await mkdir(lock, { recursive: true });
      const then = new Date(Date.now() + aheadMs);
      await utimes(lock, then, then);
      const tried = watchTries(home);
      const work = access(home);
      await tried(3);
      expect(standIn.requests).toEqual([]);
      const now = performance.now.bind(performance);
      vi.spyOn(performance, "now").mockImplementation(() => now() + 6_100);
      await work;
      expect(standIn.count("token")).toBe(1);
      expect(existsSync(lock)).toBe(false);
    },
  );

  it("is not taken over while its holder renews it, whatever its date", async () => {
    const home = await expired();
    const lock = lockOf(home);
    await mkdir(lock, { recursive: true });
    let aheadMs = 3_600_000;
    const renew = async (): Promise<void> => {
      aheadMs += 1_000;
      const then = new Date(Date.now() + aheadMs);
      await utimes(lock, then, then);
    };
    await renew();
    const tried = watchTries(home);
    const work = access(home);
    let laterMs = 0;
    const now = performance.now.bind(performance);
    vi.spyOn(performance, "now").mockImplementation(() => now() + laterMs);
    for (let round = 0; round < 6; round += 1) {
      await tried(3);
      laterMs += 5_000;
      await renew();
    }
    expect(standIn.requests).toEqual([]);
    await rm(lock, { recursive: true });
    await work;
    expect(standIn.count("token")).toBe(1);
  });
});

describe.skipIf(!isRoot || windows)("another user's home (only root can try)", () => {
  it.each(["kimi-cli", "kimi-code-cli"] as const)(
    "of the %s gets no lock file that its owner could not use",
    async (kind) => {
      const home = await expired(kind);
      await giveAway(home.dir);
      for (const folder of [home.dir, path.dirname(home.file)]) {
        await chown(folder, NOBODY - 1, NOBODY);
        await chmod(folder, 0o775);
      }
      await chown(home.file, NOBODY - 1, NOBODY);
      await chmod(home.file, 0o660);
      const error = await unprivileged(() => failureOf(access(home)));
      expect(error).toMatchObject({ code: "home_not_writable" });
      expect(existsSync(lockOf(home))).toBe(false);
      expect(existsSync(path.join(home.dir, "oauth"))).toBe(false);
      expect(standIn.requests).toEqual([]);
    },
  );

  it.each(["kimi-cli", "kimi-code-cli"] as const)(
    "of the %s gets lock files of its owner from root",
    async (kind) => {
      const home = await expired(kind);
      await giveAway(home.dir);
      await access(home);
      const made = kind === "kimi-cli" ? lockOf(home) : path.join(home.dir, "oauth");
      expect((await stat(made)).uid).toBe(NOBODY);
    },
  );
});

/** A library that makes `flock` fail below a folder, as on NFS without a lock daemon. */
const SHIM = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int flock(int fd, int op) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n > 0) {
    path[n] = 0;
    if (strstr(path, "kimi-logins-")) {
      char code[8] = "38";
      FILE *file = fopen(getenv("FLOCK_ERRNO_FILE"), "r");
      if (file) { if (!fgets(code, sizeof code, file)) code[0] = 0; fclose(file); }
      errno = atoi(code);
      return -1;
    }
  }
  return ((int (*)(int, int))dlsym(RTLD_NEXT, "flock"))(fd, op);
}
`;
const hasCompiler = process.platform === "linux" && spawnSync("gcc", ["--version"]).status === 0;

describe.skipIf(!hasCompiler)("a file system without flock (needs a C compiler)", () => {
  let folder = "";
  let answer = "";
  let processes: LoginProcess[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "flock-shim-"));
    const [source, library] = [path.join(folder, "shim.c"), path.join(folder, "shim.so")];
    answer = path.join(folder, "errno");
    await writeFile(source, SHIM);
    execFileSync("gcc", ["-shared", "-fPIC", "-o", library, source, "-ldl"]);
    Object.assign(process.env, { LD_PRELOAD: library, FLOCK_ERRNO_FILE: answer });
    try {
      processes = await startProcesses(makeHome("kimi-cli", folder, "unused", REGIONS.global), 4);
    } finally {
      delete process.env.LD_PRELOAD;
      delete process.env.FLOCK_ERRNO_FILE;
    }
  });

  afterAll(async () => {
    await Promise.all(processes.map(({ child }) => kill(child)));
    await rm(folder, { recursive: true, force: true });
  });

  it.each([
    ["ENOLCK", "37"],
    ["ENOSYS", "38"],
    ["EOPNOTSUPP", "95"],
    ["EINVAL", "22"],
  ])(
    "that answers %s still excludes every process of this plugin: one refresh for four of them",
    async (_name, errno) => {
      const { home, pair } = await signedIn(standIn, "kimi-cli", { ageMs: LIFETIME_MS });
      await writeFile(answer, errno);
      standIn.failNext("token", { kind: "delay", ms: 200, at: "after" });
      const results = await runTogether(processes, { home, callers: 5 });
      const renewed = standIn.login(pair.refresh_token);
      expect(results).toEqual(
        Array.from({ length: 20 }, () => ({ accessToken: renewed?.accessToken })),
      );
      expect(standIn.tokenRequests()).toHaveLength(1);
      expect(standIn.reusedRefreshTokens).toBe(0);
    },
  );

  it("excludes a process for which flock works", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-cli", { ageMs: LIFETIME_MS });
    await writeFile(answer, "37");
    const [without] = processes;
    const gate = Promise.withResolvers<void>();
    standIn.failNext("token", { kind: "gate", gate: gate.promise, at: "after" });
    const first = without?.results();
    without?.send({ home, callers: 1 });
    await standIn.waitFor("token");
    expect(existsSync(path.join(path.dirname(home.file), `${home.slot}.openclaw.lock`))).toBe(true);
    const tried = watchTries(home);
    const second = access(home);
    await tried(3);
    gate.resolve();
    const { accessToken } = standIn.login(pair.refresh_token) ?? {};
    expect(await first).toEqual([{ accessToken }]);
    expect(await second).toMatchObject({ accessToken });
    expect(standIn.tokenRequests()).toHaveLength(1);
  });
});

describe("errors of the system that pass", () => {
  it("too many open files cost one call, and the login is not called broken", async () => {
    const home = await expired();
    const fs = (await import("node:fs")).default;
    const { syncBuiltinESMExports } = await import("node:module");
    const { openSync } = fs;
    let failing = true;
    fs.openSync = ((file: string, flags: number, mode?: number) => {
      if (failing && file.includes("credentials")) {
        throw Object.assign(new Error("EMFILE: too many open files"), { code: "EMFILE" });
      }
      return openSync(file, flags, mode);
    }) as typeof openSync;
    syncBuiltinESMExports();
    try {
      const error = await failureOf(access(home));
      expect(error).toMatchObject({ code: "home_unavailable", transient: true });
      expect(error.message).toMatch(
        /too many open files\. Try again in a moment; you are still signed in\.$/u,
      );
      failing = false;
      await access(home);
      expect(standIn.count("token")).toBe(1);
    } finally {
      fs.openSync = openSync;
      syncBuiltinESMExports();
      await sleep(0);
    }
  });
});
