/** `flock` when the system answers oddly, and a lock file that is replaced at the wrong moment. */
import fs, { existsSync } from "node:fs";
import { once } from "node:events";
import { chmod, chown, mkdir, rename, stat, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { isFileLocked, tryFileLock } from "../../src/logins/locks/file-lock.ts";
import { systemError, withFs } from "../kit/fs-faults.ts";
import {
  giveAway,
  isRoot,
  NOBODY,
  openFiles,
  removeScratch,
  scratch,
  unprivileged,
} from "../kit/logins.ts";

type FileLock = typeof import("../../src/logins/locks/file-lock.ts");
type Koffi = typeof import("koffi");

const { errno } = os.constants;
const server = createServer();
let file: string;

beforeEach(async () => {
  file = path.join(await scratch(), "kimi-code.lock");
});

afterEach(async () => {
  vi.restoreAllMocks();
  // What was loaded beside a mock is not for other files.
  vi.resetModules();
  await removeScratch();
});

/** `flock` of the real system, but for the answers that are given here, first to last. */
async function withAnswers(
  answers: (number | (() => void))[],
): Promise<FileLock & { readonly calls: () => number }> {
  const koffi = createRequire(import.meta.url)("koffi") as Koffi;
  const { load, errno: realErrno } = koffi;
  let calls = 0;
  let failed: number | undefined;
  vi.spyOn(koffi, "load").mockImplementation((...args) => {
    const library = load(...args);
    const flock = library.func("int flock(int fd, int operation)");
    const scripted = (fd: number, operation: number): unknown => {
      calls += 1;
      const answer = answers.shift();
      if (typeof answer === "number") {
        failed = answer;
        return -1;
      }
      failed = undefined;
      answer?.();
      return flock(fd, operation) as unknown;
    };
    return { func: () => scripted } as unknown as typeof library;
  });
  vi.spyOn(koffi, "errno").mockImplementation(() => failed ?? realErrno());
  vi.resetModules();
  const module = await import("../../src/logins/locks/file-lock.ts");
  return { ...module, calls: () => calls };
}

describe.skipIf(process.platform === "win32")("flock", () => {
  it.each([
    ["a signal", errno.EINTR],
    ["a busy lock daemon", errno.ENOLCK],
  ])("is tried again after %s, up to five times", async (_what, code) => {
    const { tryFileLock: tryLock, calls } = await withAnswers([code, code, code, code]);
    const lock = tryLock(file);
    expect(lock?.isHeld()).toBe(true);
    expect(calls()).toBe(5);
    await lock?.release();
  });

  it.each([
    ["a signal that comes each time", errno.EINTR, 5],
    ["a file system without it", errno.ENOSYS, 1],
    ["a file system that does not take it", errno.EOPNOTSUPP, 1],
  ])("is missing with %s, and leaves no file open", async (_what, code, wanted) => {
    const answers = Array.from({ length: 5 }, () => code);
    const { tryFileLock: tryLock, calls } = await withAnswers(answers);
    const before = await openFiles();
    expect(() => tryLock(file)).toThrow(
      expect.objectContaining({
        name: "LockUnsupportedError",
        message: expect.stringContaining(String(code)),
      }),
    );
    expect(calls()).toBe(wanted);
    expect(await openFiles()).toBe(before);
  });

  it("is missing where its library cannot be loaded", async () => {
    const koffi = createRequire(import.meta.url)("koffi") as Koffi;
    vi.spyOn(koffi, "load").mockImplementation(() => {
      throw new Error("no such library");
    });
    vi.resetModules();
    const module = await import("../../src/logins/locks/file-lock.ts");
    expect(() => module.tryFileLock(file)).toThrow("flock is not available");
    expect(existsSync(file)).toBe(false);
    await writeFile(file, "");
    expect(module.isFileLocked(file)).toBe(false);
  });

  it("on a file that was replaced in between does not count", async () => {
    const { tryFileLock: tryLock } = await withAnswers([
      () => {
        fs.renameSync(file, `${file}.moved`);
        fs.writeFileSync(file, "");
      },
    ]);
    const before = await openFiles();
    expect(tryLock(file)).toBeUndefined();
    expect(await openFiles()).toBe(before);
    const lock = tryLock(file);
    expect(lock?.isHeld()).toBe(true);
    await lock?.release();
  });

  it("on a file that was removed in between does not count", async () => {
    const { tryFileLock: tryLock } = await withAnswers([
      () => {
        fs.rmSync(file);
      },
    ]);
    expect(tryLock(file)).toBeUndefined();
  });
});

describe.skipIf(process.platform === "win32")("the lock file", () => {
  it("is made for its owner only, and excludes everyone until it is given back", async () => {
    const before = await openFiles();
    const lock = tryFileLock(file);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(tryFileLock(file)).toBeUndefined();
    expect(isFileLocked(file)).toBe(true);
    await lock?.release();
    expect(isFileLocked(file)).toBe(false);
    expect(existsSync(file)).toBe(true);
    expect(await openFiles()).toBe(before);
  });

  it("that is renamed or gone is not held any more", async () => {
    const lock = tryFileLock(file);
    await rename(file, `${file}.moved`);
    expect(lock?.isHeld()).toBe(false);
    await rename(`${file}.moved`, file);
    expect(lock?.isHeld()).toBe(true);
    using _fault = withFs({
      lstatSync: () => {
        throw systemError("EIO");
      },
    });
    expect(lock?.isHeld()).toBe(false);
    await lock?.release();
  });

  it("that cannot be opened gives the system's error, and counts as free", async () => {
    await writeFile(file, "");
    await chmod(file, 0);
    await giveAway(path.dirname(file));
    await unprivileged(async () => {
      expect(() => tryFileLock(file)).toThrow("EACCES");
      expect(isFileLocked(file)).toBe(false);
    });
    expect(() => tryFileLock(path.join(file, "below"))).toThrow("ENOTDIR");
  });

  it.each<[string, string, () => unknown]>([
    ["a link to nowhere", "it is a link", () => symlink("/nowhere", file)],
    ["a link to a file", "it is a link", () => symlink("/etc/hostname", file)],
    ["a folder", "it is not a file", () => mkdir(file)],
    ["a socket", "it is not a file", () => once(server.listen(file), "listening")],
  ])("in whose place %s lies is named, and counts as free", async (_what, why, make) => {
    await make();
    expect(() => tryFileLock(file)).toThrow(
      expect.objectContaining({ name: "LockBlockedError", file, why }),
    );
    expect(isFileLocked(file)).toBe(false);
    server.close();
  });

  it.skipIf(!isRoot)("belongs to its folder's owner (only root can try)", async () => {
    await chown(path.dirname(file), NOBODY, NOBODY + 1);
    const lock = tryFileLock(file);
    expect(await stat(file)).toMatchObject({ uid: NOBODY, gid: NOBODY + 1 });
    await lock?.release();
  });

  it.skipIf(!isRoot)(
    "that a user makes in another's folder stays that user's (only root can try)",
    async () => {
      await chown(path.dirname(file), NOBODY + 1, NOBODY + 1);
      await chmod(path.dirname(file), 0o777);
      await unprivileged(async () => {
        const lock = tryFileLock(file);
        expect(lock?.isHeld()).toBe(true);
        await lock?.release();
      });
      expect(await stat(file)).toMatchObject({ uid: NOBODY });
    },
  );

  it.skipIf(!isRoot)(
    "is gone again when its owner could not use it (only root can try)",
    async () => {
      await chown(path.dirname(file), NOBODY, NOBODY);
      const before = await openFiles();
      using _fault = withFs({
        chownSync: () => {
          throw systemError("EPERM");
        },
      });
      expect(() => tryFileLock(file)).toThrow("EPERM");
      expect(existsSync(file)).toBe(false);
      expect(await openFiles()).toBe(before);
    },
  );
});
