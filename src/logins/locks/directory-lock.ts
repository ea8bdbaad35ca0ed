/**
 * The Kimi Code CLI's lock: a folder made by proper-lockfile, with the CLI's options, so that each
 * side sees and respects the other's. The CLI ends with an error when its live lock is touched.
 *
 * The library goes by the wall clock and by names. What it does to the disk goes through
 * {@link LockFolder}, which removes a folder only while its time stamp says whose it is, and knows by
 * the monotonic clock when the lock was last renewed.
 */

import fs, {
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmdirSync,
  statSync,
} from "node:fs";
import path from "node:path";
import { keptModule } from "../../kept-module.ts";
import { lockReasons } from "../../words.ts";
import { systemErrorCode } from "../../protocol/errors.ts";
import { giveToFileOwner } from "./file-owner.ts";
import { type HeldLock, LockBlockedError } from "./types.ts";

/** Age from which a lock counts as abandoned, in ms (the CLI's value). */
const STALE_MS = 5_000;
/** How often a held lock is renewed, in ms; the CLI renews at half the stale time. */
const UPDATE_MS = 1_000;
/** How long a renewal is trusted by its own process, in ms; less than others wait. */
const TRUSTED_MS = 4_500;

type Callback = (error: NodeJS.ErrnoException | null) => void;
type StatCallback = (error: NodeJS.ErrnoException | null, stat?: fs.Stats) => void;

/** The folder `<target>.lock`, as the library's file system for one lock. */
class LockFolder {
  readonly #path: string;
  /** The folder's time stamp as the disk keeps it, ms since the epoch; `undefined` before it is ours. */
  #stampMs: number | undefined;
  /** The same as the library gave it; FAT counts in steps of two seconds. */
  #givenStamp: Date | undefined;
  /** When that was, by the monotonic clock. */
  #renewedAt = Number.NEGATIVE_INFINITY;
  #isTaken = false;
  #lost = false;

  constructor(target: string) {
    this.#path = `${target}.lock`;
  }

  readonly mkdir = (file: string, done: Callback): void => {
    const startedAt = performance.now();
    fs.mkdir(file, (error) => {
      if (error === null) {
        this.#renewedAt = startedAt;
        this.#stampMs = stampOf(file);
      }
      done(error);
    });
  };

  readonly utimes = (file: string, atime: Date, mtime: Date, callback: Callback): void => {
    const done = this.#guarded(callback);
    const startedAt = performance.now();
    // Written in one turn with the look at whose it is.
    if (!this.#isOurs()) {
      done(Object.assign(new Error("the lock is another's"), { code: "ENOENT" }));
      return;
    }
    try {
      fs.utimesSync(file, atime, mtime);
      this.#stampMs = stampOf(file);
      this.#givenStamp = mtime;
      this.#renewedAt = startedAt;
    } catch (error) {
      done(error as NodeJS.ErrnoException);
      return;
    }
    done(null);
  };

  readonly stat = (file: string, callback: StatCallback): void => {
    const done = this.#guarded(callback);
    fs.stat(file, (error, stat) => {
      if (error !== null) {
        done(error);
        return;
      }
      if (this.#givenStamp !== undefined && stat.mtimeMs === this.#stampMs) {
        // The library compares with what it gave; a file system that rounds would cost the lock.
        stat.mtime = this.#givenStamp;
      }
      done(null, stat);
    });
  };

  readonly rmdir = (file: string, done: Callback): void => {
    try {
      this.rmdirSync(file);
      done(null);
    } catch (error) {
      done(error as NodeJS.ErrnoException);
    }
  };

  readonly rmdirSync = (file: string): void => {
    if (this.#stampMs === undefined ? isAbandoned(file) : this.#isOurs()) {
      rmdirSync(file);
    }
  };

  /** Tells that the library has taken the lock, and renews it from a timer from now on. */
  take(): void {
    this.#isTaken = true;
  }

  /** Tells that the library has found the lock lost. */
  lose(): void {
    this.#lost = true;
  }

  /**
   * A callback of the library's that throws nothing out of its timer: it does when another lock on the
   * same target has come and gone in this process.
   */
  #guarded<T extends unknown[]>(callback: (...args: T) => void): (...args: T) => void {
    return (...args) => {
      try {
        callback(...args);
      } catch (error) {
        if (!this.#isTaken) {
          throw error;
        }
        this.lose();
      }
    };
  }

  /** See {@link HeldLock.isHeld}. */
  isHeld(): boolean {
    if (this.#lost || performance.now() - this.#renewedAt > TRUSTED_MS) {
      return false;
    }
    // The monotonic clock stands still while the machine sleeps; the stamp's age does not.
    const stampMs = this.#stampMs;
    return stampMs !== undefined && this.#isOurs() && Date.now() - stampMs < STALE_MS;
  }

  #isOurs(): boolean {
    try {
      return this.#stampMs !== undefined && stampOf(this.#path) === this.#stampMs;
    } catch {
      return false;
    }
  }
}

/** A folder's time stamp, ms since the epoch. */
function stampOf(folder: string): number | undefined {
  const stat = lstatSync(folder, { throwIfNoEntry: false });
  return stat?.isDirectory() === true ? stat.mtimeMs : undefined;
}

function isAbandoned(file: string): boolean {
  const stat = lstatSync(file, { throwIfNoEntry: false });
  return stat !== undefined && stat.mtimeMs < Date.now() - STALE_MS;
}

/** Makes the folder that locks are in and the empty file beside each lock, as the CLI does. */
function makeSentinel(target: string): void {
  if (lstatSync(target, { throwIfNoEntry: false }) !== undefined) {
    return;
  }
  const dir = path.dirname(target);
  if (mkdirSync(dir, { recursive: true, mode: 0o755 }) !== undefined) {
    giveToFileOwner(dir, path.dirname(dir), "folder");
  }
  try {
    closeSync(openSync(target, "ax"));
  } catch (error) {
    if (systemErrorCode(error) === "EEXIST") {
      return;
    }
    throw error;
  }
  giveToFileOwner(target, dir, "file");
}

/** @throws LockBlockedError for anything but a folder in the lock's place */
function checkPlace(target: string): void {
  const file = `${target}.lock`;
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (stat !== undefined && !stat.isDirectory()) {
    throw new LockBlockedError(
      file,
      stat.isSymbolicLink() ? lockReasons.link : lockReasons.notAFolder,
    );
  }
}

/** The library of the Kimi Code CLI's lock. */
export const loadLockfile = keptModule(async () => (await import("proper-lockfile")).default);

/**
 * Tries to take the lock.
 *
 * @param target - the lock itself is the folder `<target>.lock`
 * @returns `undefined` while another process holds it
 * @throws LockBlockedError for what blocks its place permanently, else the system's error
 */
export async function tryDirectoryLock(target: string): Promise<HeldLock | undefined> {
  const lockfile = await loadLockfile();
  const folder = new LockFolder(target);
  let release: () => Promise<void>;
  try {
    checkPlace(target);
    makeSentinel(target);
    release = await lockfile.lock(target, {
      stale: STALE_MS,
      update: UPDATE_MS,
      realpath: false,
      retries: 0,
      fs: folder,
      // The library's default throws from a timer, which would end the host.
      onCompromised: () => {
        folder.lose();
      },
    });
  } catch (error) {
    if (error instanceof LockBlockedError) {
      throw error;
    }
    switch (systemErrorCode(error)) {
      case "ELOCKED":
        return undefined;
      case "ENOTEMPTY":
        throw new LockBlockedError(`${target}.lock`, lockReasons.leftBehindFull);
      case "EEXIST":
      case "ENOENT":
      case "ENOTDIR":
        throw new LockBlockedError(path.dirname(target), lockReasons.notAFolder);
      default:
        throw error;
    }
  }
  folder.take();
  return {
    isHeld: () => folder.isHeld(),
    async release() {
      // Rejects when the lock was lost; the new holder's folder is left alone.
      await release().catch(() => undefined);
    },
  };
}

/** True while the lock exists and is being renewed, as far as its time stamp tells. */
export function isDirectoryLockLive(target: string): boolean {
  try {
    const stat = statSync(`${target}.lock`, { throwIfNoEntry: false });
    // A stamp far ahead was written before the clock was put back.
    return stat !== undefined && Math.abs(Date.now() - stat.mtimeMs) < STALE_MS;
  } catch {
    return false;
  }
}

/** A lock's time stamp and identity; it changes with each renewal. */
export function directoryLockStamp(target: string): string | undefined {
  let fd: number | undefined;
  try {
    // Opening it makes a network disk ask its server, where `stat` may answer from memory.
    fd = openSync(`${target}.lock`, "r");
    const { ino, mtimeNs } = fstatSync(fd, { bigint: true });
    return `${String(ino)}:${String(mtimeNs)}`;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) {
      closeSync(fd);
    }
  }
}

/**
 * Removes a lock that has not been renewed for so long that it has no holder.
 *
 * @param stamp - its stamp all that time
 * @throws LockBlockedError when it cannot be removed
 */
export function breakDirectoryLock(target: string, stamp: string): void {
  if (directoryLockStamp(target) !== stamp) {
    return;
  }
  const file = `${target}.lock`;
  try {
    rmdirSync(file);
  } catch (error) {
    if (systemErrorCode(error) !== "ENOENT") {
      throw new LockBlockedError(file, lockReasons.leftBehind);
    }
  }
}
