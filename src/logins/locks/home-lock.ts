/** Taking a home's lock: waiting for it while it lives, with a way out once a peer has refreshed. */

import { setTimeout as sleep } from "node:timers/promises";
import { say } from "../../messages.ts";
import { transientReason } from "../../words.ts";
import { KimiError, systemErrorCode } from "../../protocol/errors.ts";
import type { Home } from "../homes.ts";
import {
  breakDirectoryLock,
  directoryLockStamp,
  isDirectoryLockLive,
  tryDirectoryLock,
} from "./directory-lock.ts";
import { isFileLocked, tryFileLock } from "./file-lock.ts";
import { type HeldLock, LockBlockedError, LockUnsupportedError } from "./types.ts";

/** Longest wait for a lock that lives, in ms (the Kimi Code CLI's limit). */
const WAIT_LIMIT_MS = 60_000;
/** Longest wait for the system to get over a transient error, in ms. */
const TRANSIENT_LIMIT_MS = 5_000;
/** A directory lock whose stamp has not moved for so long has no holder, whatever its date, in ms. */
const DEAD_AFTER_MS = 6_000;
/** Pause between two tries, in ms; both CLIs poll too, at 500 ms and more. */
const POLL_MS = 15;

/** What waiting for a lock ended with. */
export type LockOutcome<T> =
  | { readonly lock: HeldLock }
  /** The lock is no longer needed. */
  | { readonly settled: T };

/** Target of the folder that stands in for `flock`; it excludes every process of this plugin. */
function standInTarget(flockPath: string): string {
  return flockPath.replace(/\.lock$/, ".openclaw");
}

/** The directory lock of a home: its own, or the one that stands in for `flock`. */
function directoryTarget(home: Home): string {
  return home.lock.kind === "directory" ? home.lock.target : standInTarget(home.lock.path);
}

async function tryFlockOrStandIn(file: string): Promise<HeldLock | undefined> {
  let lock: HeldLock | undefined;
  try {
    lock = tryFileLock(file);
  } catch (error) {
    if (!(error instanceof LockUnsupportedError)) {
      throw error;
    }
    return await tryDirectoryLock(standInTarget(file));
  }
  if (lock !== undefined && isDirectoryLockLive(standInTarget(file))) {
    // A process of ours for which `flock` did not work a moment ago.
    await lock.release();
    return undefined;
  }
  return lock;
}

/**
 * Tries to take a home's lock without waiting.
 *
 * @returns `undefined` while another process holds it
 * @throws LockBlockedError, or the system's error
 */
export async function tryHomeLock(home: Home): Promise<HeldLock | undefined> {
  return home.lock.kind === "directory"
    ? await tryDirectoryLock(home.lock.target)
    : await tryFlockOrStandIn(home.lock.path);
}

/** The error for a lock that this user will not get, however long it waits. */
function lockError(home: Home, error: unknown): KimiError {
  if (error instanceof LockBlockedError) {
    const { file, why } = error;
    return new KimiError("home_not_writable", say.lockBlocked({ file, reason: why }));
  }
  const reason = transientReason(systemErrorCode(error));
  return reason === undefined
    ? new KimiError("home_not_writable", say.lockNotWritable({ lock: lockPath(home) }))
    : new KimiError("home_unavailable", say.refreshUnavailable({ reason }));
}

function lockPath(home: Home): string {
  return home.lock.kind === "directory" ? `${home.lock.target}.lock` : home.lock.path;
}

/** Watches a directory lock that another process holds, and removes it once it has no holder. */
class DeadLockWatch {
  readonly #target: string;
  #stamp: string | undefined;
  #sinceMs = performance.now();

  constructor(target: string) {
    this.#target = target;
  }

  /** Called after each try that failed. */
  look(): void {
    const stamp = directoryLockStamp(this.#target);
    if (stamp !== this.#stamp || stamp === undefined) {
      this.#stamp = stamp;
      this.#sinceMs = performance.now();
    } else if (performance.now() - this.#sinceMs >= DEAD_AFTER_MS) {
      breakDirectoryLock(this.#target, stamp);
    }
  }
}

/**
 * Waits for a home's lock, for as long as it has a living holder.
 *
 * @param whileWaiting - asked before each further try; a value ends the waiting
 * @throws KimiError `home_busy` after a minute, `home_not_writable` at once when the lock cannot be
 *   taken at all, `home_unavailable` when the system is in trouble for longer
 */
export async function waitForHomeLock<T>(
  home: Home,
  whileWaiting: () => T | undefined,
): Promise<LockOutcome<T>> {
  const startMs = performance.now();
  const watch = new DeadLockWatch(directoryTarget(home));
  let troubleSinceMs: number | undefined;
  for (;;) {
    try {
      const lock = await tryHomeLock(home);
      if (lock !== undefined) {
        return { lock };
      }
      troubleSinceMs = undefined;
      watch.look();
    } catch (error) {
      const isTransient = transientReason(systemErrorCode(error)) !== undefined;
      troubleSinceMs ??= performance.now();
      if (!isTransient || performance.now() - troubleSinceMs >= TRANSIENT_LIMIT_MS) {
        throw lockError(home, error);
      }
    }
    const settled = whileWaiting();
    if (settled !== undefined) {
      return { settled };
    }
    if (performance.now() - startMs >= WAIT_LIMIT_MS) {
      throw new KimiError("home_busy", say.lockHeld({ owner: home.kind, lock: lockPath(home) }));
    }
    await sleep(POLL_MS);
  }
}

/**
 * True while a refresh of this home may be under way in some process. Synchronous, and changes
 * nothing: for the host's `register`, which cannot wait.
 */
export function isHomeLocked(home: Home): boolean {
  return (
    isDirectoryLockLive(directoryTarget(home)) ||
    (home.lock.kind === "flock" && isFileLocked(home.lock.path))
  );
}
