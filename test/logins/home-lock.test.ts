/** Waiting for a home's lock while the system is in trouble, and the folder that stands in for `flock`. */
import fs, { existsSync } from "node:fs";
import { mkdir, stat, utimes, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Home } from "../../src/logins/homes.ts";
import { isHomeLocked, tryHomeLock, waitForHomeLock } from "../../src/logins/locks/home-lock.ts";
import { startStandIn } from "../kit/standin/server.ts";
import type { StandIn } from "../kit/standin/server.ts";
import { systemError, withFs } from "../kit/fs-faults.ts";
import {
  failureOf,
  homeFor,
  KINDS,
  removeScratch,
  scratch,
  signedIn,
  writeLogin,
} from "../kit/logins.ts";

type HomeLock = typeof import("../../src/logins/locks/home-lock.ts");

let standIn: StandIn;
let laterMs: number;
const realNow = performance.now.bind(performance);

beforeEach(async () => {
  standIn = await startStandIn();
  laterMs = 0;
  vi.spyOn(performance, "now").mockImplementation(() => realNow() + laterMs);
});

afterEach(async () => {
  vi.restoreAllMocks();
  // What was loaded beside a mock is not for other files.
  vi.resetModules();
  await standIn.close();
  await removeScratch();
});

/** Opening a home's lock file fails, once or for longer. */
function failingLock(home: Home, code: string, times = Infinity): Disposable {
  const { openSync } = fs;
  let left = times;
  return withFs({
    openSync: ((file: string, ...rest: [number]) => {
      if (home.lock.kind === "flock" && file === home.lock.path && left > 0) {
        left -= 1;
        throw systemError(code);
      }
      return openSync(file, ...rest);
    }) as typeof openSync,
  });
}

describe("while the system is in trouble", () => {
  it("a lock is tried for again until it can be had", async () => {
    const { home } = await signedIn(standIn, "kimi-cli");
    using _fault = failingLock(home, "EMFILE", 3);
    const asked = vi.fn<() => undefined>();
    const outcome = await waitForHomeLock(home, asked);
    expect(outcome).toHaveProperty("lock");
    expect(asked).toHaveBeenCalledTimes(3);
    if ("lock" in outcome) {
      await outcome.lock.release();
    }
  });

  it("a lock is given up after five seconds, and the reason passes", async () => {
    const { home } = await signedIn(standIn, "kimi-cli");
    using _fault = failingLock(home, "EIO");
    let rounds = 0;
    const work = waitForHomeLock(home, () => {
      rounds += 1;
      laterMs = rounds === 1 ? 4_000 : 5_100;
      return undefined;
    });
    const error = await failureOf(work);
    expect(rounds).toBe(2);
    expect(error).toMatchObject({ code: "home_unavailable", transient: true });
    expect(error.message).toContain("the disk reported an error");
  });

  it("trouble that ends and begins again counts from its new beginning", async () => {
    const { home } = await signedIn(standIn, "kimi-cli");
    const held = await tryHomeLock(home);
    let rounds = 0;
    let fault: Disposable | undefined;
    const outcome = await waitForHomeLock(home, () => {
      rounds += 1;
      fault?.[Symbol.dispose]();
      // In turn: trouble, and a lock that another one holds.
      fault = rounds % 2 === 1 ? failingLock(home, "EIO") : undefined;
      laterMs += 3_000;
      return rounds === 7 ? "enough" : undefined;
    });
    fault?.[Symbol.dispose]();
    expect(outcome).toEqual({ settled: "enough" });
    await held?.release();
  });

  it.each(["EACCES", "EPERM", "EROFS", "ENOSPC"])(
    "that does not pass by itself (%s), the lock is named at once",
    async (code) => {
      const { home } = await signedIn(standIn, "kimi-cli");
      using _fault = failingLock(home, code);
      const asked = vi.fn<() => undefined>();
      const error = await failureOf(waitForHomeLock(home, asked));
      expect(error).toMatchObject({ code: "home_not_writable", transient: false });
      expect(error.message).toContain(home.lock.kind === "flock" ? home.lock.path : "?");
      expect(asked).not.toHaveBeenCalled();
    },
  );

  it("the folder lock is named with its folder", async () => {
    const { home } = await signedIn(standIn, "openclaw");
    using _fault = withFs({
      mkdirSync: () => {
        throw systemError("EROFS");
      },
    });
    const error = await failureOf(waitForHomeLock(home, () => undefined));
    expect(error).toMatchObject({ code: "home_not_writable" });
    expect(error.message).toContain(
      home.lock.kind === "directory" ? `${home.lock.target}.lock` : "?",
    );
  });
});

describe("a lock that another one holds", () => {
  it.each(["kimi-cli", "openclaw"] as const)(
    "of the %s home is named after a minute, and not before",
    async (kind) => {
      const { home } = await signedIn(standIn, kind);
      const held = await tryHomeLock(home);
      let rounds = 0;
      const error = await failureOf(
        waitForHomeLock(home, () => {
          rounds += 1;
          laterMs = rounds === 1 ? 59_000 : 60_500;
          return undefined;
        }),
      );
      expect(rounds).toBe(2);
      expect(error).toMatchObject({ code: "home_busy" });
      expect(error.message).toContain(
        home.lock.kind === "directory" ? `${home.lock.target}.lock` : home.lock.path,
      );
      await held?.release();
    },
  );

  it("is not waited for once it is no longer needed", async () => {
    const { home } = await signedIn(standIn, "openclaw");
    const held = await tryHomeLock(home);
    expect(await waitForHomeLock(home, () => "renewed")).toEqual({ settled: "renewed" });
    expect(held?.isHeld()).toBe(true);
    await held?.release();
  });

  it("whose stamp moves each time is not dead, and one that stands still for six seconds is", async () => {
    const { home } = await signedIn(standIn, "openclaw");
    const lock = home.lock.kind === "directory" ? `${home.lock.target}.lock` : "";
    await mkdir(lock, { recursive: true });
    vi.spyOn(performance, "now").mockImplementation(() => laterMs);
    let rounds = 0;
    const outcome = await waitForHomeLock(home, () => {
      rounds += 1;
      laterMs += 3_000;
      if (rounds < 4) {
        const then = new Date(Date.now() + 10_000 * rounds);
        fs.utimesSync(lock, then, then);
      }
      return undefined;
    });
    expect(outcome).toHaveProperty("lock");
    // The last stamp is seen in the fourth round, and again three and six seconds later.
    expect(rounds).toBe(6);
    if ("lock" in outcome) {
      await outcome.lock.release();
    }
  });
});

describe("whether a home is locked", () => {
  it.each(KINDS)("is seen of the %s home while its lock is held, and no longer", async (kind) => {
    const { home } = await signedIn(standIn, kind);
    expect(isHomeLocked(home)).toBe(false);
    const held = await tryHomeLock(home);
    expect(isHomeLocked(home)).toBe(true);
    await held?.release();
    expect(isHomeLocked(home)).toBe(false);
  });
});

/** The modules as they are where `flock` answers that it is not there. */
async function withoutFlock(): Promise<HomeLock> {
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  vi.spyOn(koffi, "load").mockImplementation(() => {
    throw new Error("no such library");
  });
  vi.resetModules();
  return await import("../../src/logins/locks/home-lock.ts");
}

describe.skipIf(process.platform === "win32")("where flock does not work", () => {
  it("a folder beside the lock file stands in for it", async () => {
    const home = homeFor("kimi-cli", path.join(await scratch(), "a.lock.folder"), standIn);
    await writeLogin(home, standIn.issueLogin());
    const folder = path.join(path.dirname(home.file), `${home.slot}.openclaw.lock`);
    // Has it loaded, as in another process.
    await (await tryHomeLock(home))?.release();
    const other = await withoutFlock();
    const held = await other.tryHomeLock(home);
    expect((await stat(folder)).isDirectory()).toBe(true);
    expect(await other.tryHomeLock(home)).toBeUndefined();
    expect(other.isHomeLocked(home)).toBe(true);
    // A process for which it works respects the folder too, and leaves its own lock free.
    expect(isHomeLocked(home)).toBe(true);
    expect(await tryHomeLock(home)).toBeUndefined();
    await held?.release();
    expect(existsSync(folder)).toBe(false);
    const free = await tryHomeLock(home);
    expect(free?.isHeld()).toBe(true);
    await free?.release();
  });

  it("a folder that was left behind does not count", async () => {
    const { home } = await signedIn(standIn, "kimi-cli");
    const folder = path.join(path.dirname(home.file), `${home.slot}.openclaw.lock`);
    await mkdir(folder);
    const then = new Date(Date.now() - 6_000);
    await utimes(folder, then, then);
    expect(isHomeLocked(home)).toBe(false);
    const held = await tryHomeLock(home);
    expect(held?.isHeld()).toBe(true);
    await held?.release();
  });

  it("what blocks the folder's place is named", async () => {
    const { home } = await signedIn(standIn, "kimi-cli");
    await writeFile(path.join(path.dirname(home.file), `${home.slot}.openclaw.lock`), "");
    const other = await withoutFlock();
    await expect(other.waitForHomeLock(home, () => undefined)).rejects.toMatchObject({
      code: "home_not_writable",
      message: expect.stringContaining("(it is not a folder)"),
    });
  });
});
