/** The folder lock when others get in between, and when the disk refuses. */
import fs, { existsSync } from "node:fs";
import { chmod, chown, mkdir, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  breakDirectoryLock,
  directoryLockStamp,
  isDirectoryLockLive,
  tryDirectoryLock,
} from "../../src/logins/locks/directory-lock.ts";
import { LockBlockedError } from "../../src/logins/locks/types.ts";
import { refuse, withFs } from "../kit/fs-faults.ts";
import {
  giveAway,
  isRoot,
  NOBODY,
  openFiles,
  removeScratch,
  scratch,
  unprivileged,
} from "../kit/logins.ts";

let target: string;
let lock: string;

beforeEach(async () => {
  target = path.join(await scratch(), "oauth", "kimi-code");
  lock = `${target}.lock`;
});

afterEach(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  await removeScratch();
});

async function abandoned(ageMs: number): Promise<void> {
  await mkdir(lock, { recursive: true });
  const then = new Date(Date.now() - ageMs);
  await utimes(lock, then, then);
}

describe("taking the folder lock", () => {
  it("finds the empty file beside it that another process has just made", async () => {
    const { mkdirSync } = fs;
    using _race = withFs({
      mkdirSync: ((dir: string, options: fs.MakeDirectoryOptions) => {
        mkdirSync(dir, options);
        fs.writeFileSync(target, "theirs");
      }) as typeof mkdirSync,
    });
    const held = await tryDirectoryLock(target);
    expect(held?.isHeld()).toBe(true);
    expect(fs.readFileSync(target, "utf8")).toBe("theirs");
    await held?.release();
  });

  it("names a file that has just come into the place of its folder", async () => {
    const { mkdirSync } = fs;
    using _race = withFs({
      mkdirSync: ((dir: string, options: fs.MakeDirectoryOptions) => {
        fs.writeFileSync(dir, "");
        return mkdirSync(dir, options);
      }) as typeof mkdirSync,
    });
    await expect(tryDirectoryLock(target)).rejects.toMatchObject({
      name: "LockBlockedError",
      file: path.dirname(target),
      why: "it is not a folder",
    });
  });

  it.skipIf(process.platform === "win32")(
    "fails with the system's error where nothing may be made",
    async () => {
      await mkdir(path.dirname(target));
      await giveAway(path.dirname(path.dirname(target)));
      await chmod(path.dirname(target), 0o500);
      await unprivileged(() =>
        expect(tryDirectoryLock(target)).rejects.toMatchObject({ code: "EACCES" }),
      );
      await chmod(path.dirname(target), 0o700);
    },
  );

  it.skipIf(!isRoot)("makes what belongs to the home's owner (only root can try)", async () => {
    const home = path.dirname(path.dirname(target));
    await chown(home, NOBODY, NOBODY + 1);
    const held = await tryDirectoryLock(target);
    for (const made of [path.dirname(target), target]) {
      expect(await stat(made)).toMatchObject({ uid: NOBODY, gid: NOBODY + 1 });
    }
    await held?.release();
  });

  it.skipIf(!isRoot)(
    "leaves nothing that its owner could not use (only root can try)",
    async () => {
      const home = path.dirname(path.dirname(target));
      await chown(home, NOBODY, NOBODY);
      {
        using _fault = withFs({ lchownSync: refuse("EPERM") });
        await expect(tryDirectoryLock(target)).rejects.toThrow("EPERM");
        expect(await readdir(home)).toEqual([]);
      }
      await mkdir(path.dirname(target));
      await chown(path.dirname(target), NOBODY, NOBODY);
      using _fault = withFs({ chownSync: refuse("EPERM") });
      await expect(tryDirectoryLock(target)).rejects.toThrow("EPERM");
      expect(await readdir(path.dirname(target))).toEqual([]);
    },
  );

  it("takes over what was last renewed five seconds ago, and nothing younger", async () => {
    vi.spyOn(Date, "now").mockReturnValue(Date.now());
    await abandoned(4_999);
    expect(isDirectoryLockLive(target)).toBe(true);
    expect(await tryDirectoryLock(target)).toBeUndefined();
    await abandoned(5_001);
    expect(isDirectoryLockLive(target)).toBe(false);
    const held = await tryDirectoryLock(target);
    expect(held?.isHeld()).toBe(true);
    await held?.release();
    expect(existsSync(lock)).toBe(false);
  });

  it("does not remove a lock that its holder renews at the last moment", async () => {
    await abandoned(10_000);
    const { lstatSync } = fs;
    let looks = 0;
    using _race = withFs({
      lstatSync: ((file: string, ...rest: []) => {
        // The second look is the one right before the removal.
        if (file === lock && (looks += 1) === 2) {
          fs.utimesSync(lock, new Date(), new Date());
        }
        return lstatSync(file, ...rest);
      }) as typeof lstatSync,
    });
    const { ino } = await stat(lock);
    expect(await tryDirectoryLock(target)).toBeUndefined();
    expect((await stat(lock)).ino).toBe(ino);
    expect(looks).toBeGreaterThanOrEqual(2);
  });
});

describe("a folder lock that is held", () => {
  it("is renewed each second, and is held for as long as that works", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const held = await tryDirectoryLock(target);
    const before = (await stat(lock)).mtimeMs;
    const renewed = Promise.withResolvers<void>();
    const { utimesSync } = fs;
    using _watch = withFs({
      utimesSync: (file, atime, mtime) => {
        utimesSync(file, atime, mtime);
        renewed.resolve();
      },
    });
    vi.advanceTimersByTime(999);
    await turn();
    expect((await stat(lock)).mtimeMs).toBe(before);
    vi.advanceTimersByTime(1);
    await renewed.promise;
    expect(held?.isHeld()).toBe(true);
    expect(await tryDirectoryLock(target)).toBeUndefined();
    await held?.release();
    expect(existsSync(lock)).toBe(false);
  });

  it("is not renewed when it is another's by the moment of writing", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const held = await tryDirectoryLock(target);
    const other = new Date(Date.now() - 1_000);
    const seen = Promise.withResolvers<void>();
    const real = fs.stat;
    using _race = withFs({
      stat: ((file: string, done: (error: Error | null, stats: fs.Stats) => void) => {
        real(file, (error, stats) => {
          fs.utimesSync(lock, other, other);
          done(error, stats);
          seen.resolve();
        });
      }) as typeof fs.stat,
    });
    vi.advanceTimersByTime(1_000);
    await seen.promise;
    expect(held?.isHeld()).toBe(false);
    expect((await stat(lock)).mtimeMs).toBe(Math.trunc(other.getTime()));
    await held?.release();
    expect(existsSync(lock)).toBe(true);
  });

  it.each([
    [4_500, true],
    [4_501, false],
  ])("is trusted %i ms after its last renewal by the monotonic clock: %s", async (ms, isHeld) => {
    let nowMs = 1_000;
    vi.spyOn(performance, "now").mockImplementation(() => nowMs);
    const held = await tryDirectoryLock(target);
    nowMs += ms;
    expect(held?.isHeld()).toBe(isHeld);
    await held?.release();
  });

  it("is not held any more when its date is five seconds ago, as after a sleep of the machine", async () => {
    const held = await tryDirectoryLock(target);
    const now = Date.now.bind(Date);
    const clock = vi.spyOn(Date, "now").mockImplementation(() => now() + 3_000);
    expect(held?.isHeld()).toBe(true);
    clock.mockImplementation(() => now() + 6_100);
    expect(held?.isHeld()).toBe(false);
    await held?.release();
  });

  it("is kept on a file system that counts in steps of two seconds", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    // The library rounds to the next second, which such a disk cannot keep.
    vi.spyOn(Date, "now").mockReturnValue(Math.floor(Date.now() / 2_000) * 2_000 + 500);
    const { utimesSync } = fs;
    const written: number[] = [];
    using _coarse = withFs({
      utimesSync: (file, atime, mtime) => {
        const ms = Math.floor(Number(mtime) / 2_000) * 2_000;
        written.push(ms);
        utimesSync(file, atime, new Date(ms));
      },
    });
    const held = await tryDirectoryLock(target);
    for (let round = 0; round < 3; round += 1) {
      const count = written.length;
      vi.advanceTimersByTime(1_000);
      await vi.waitFor(() => {
        expect(written.length).toBeGreaterThan(count);
      });
      expect(held?.isHeld()).toBe(true);
    }
    await held?.release();
    expect(existsSync(lock)).toBe(false);
  });

  it("is replaced by a file of another program: not held, and left alone", async () => {
    const held = await tryDirectoryLock(target);
    await rm(lock, { recursive: true });
    await writeFile(lock, "theirs");
    expect(held?.isHeld()).toBe(false);
    await held?.release();
    expect(fs.readFileSync(lock, "utf8")).toBe("theirs");
  });
});

describe("a lock without a holder", () => {
  it.runIf(existsSync("/proc/self/fd"))("is looked at without leaving a file open", async () => {
    await abandoned(0);
    const before = await openFiles();
    for (let looks = 0; looks < 3; looks += 1) {
      expect(directoryLockStamp(target)).toBeDefined();
    }
    expect(await openFiles()).toBe(before);
  });

  it("is removed while its stamp is the one that was watched", async () => {
    await abandoned(0);
    const stamp = directoryLockStamp(target) ?? "";
    expect(stamp).toMatch(/^\d+:\d+$/u);
    breakDirectoryLock(target, "1:1");
    expect(existsSync(lock)).toBe(true);
    await abandoned(1_000);
    breakDirectoryLock(target, stamp);
    expect(existsSync(lock)).toBe(true);
    breakDirectoryLock(target, directoryLockStamp(target) ?? "");
    expect(existsSync(lock)).toBe(false);
    expect(directoryLockStamp(target)).toBeUndefined();
  });

  it("that cannot be removed is named", async () => {
    await abandoned(0);
    await writeFile(path.join(lock, "more"), "");
    const stamp = directoryLockStamp(target) ?? "";
    expect(() => {
      breakDirectoryLock(target, stamp);
    }).toThrow(
      expect.objectContaining({ file: lock, why: "it was left behind and cannot be removed" }),
    );
    expect(() => {
      breakDirectoryLock(target, stamp);
    }).toThrow(LockBlockedError);
  });

  it("that goes away at this moment is no trouble", async () => {
    await abandoned(0);
    const { rmdirSync } = fs;
    using _race = withFs({
      rmdirSync: (dir) => {
        rmdirSync(dir);
        rmdirSync(dir);
      },
    });
    breakDirectoryLock(target, directoryLockStamp(target) ?? "");
    expect(existsSync(lock)).toBe(false);
  });

  it("is not live, however far ahead its date is, nor where nothing can be seen", async () => {
    vi.spyOn(Date, "now").mockReturnValue(Date.now());
    await abandoned(-5_000);
    expect(isDirectoryLockLive(target)).toBe(false);
    await abandoned(-4_999);
    expect(isDirectoryLockLive(target)).toBe(true);
    await rm(path.dirname(target), { recursive: true });
    expect(isDirectoryLockLive(target)).toBe(false);
    await writeFile(path.dirname(target), "");
    expect(isDirectoryLockLive(target)).toBe(false);
    expect(directoryLockStamp(target)).toBeUndefined();
  });
});
