/** Taking a home's lock: waiting for it, with a way out as soon as waiting has become pointless. */

import { setTimeout as sleep } from "node:timers/promises";
import { KimiError, systemErrorCode } from "../../protocol/errors.ts";
import { type Home, ownerLabel } from "../homes.ts";
import { isDirectoryLockLive, tryDirectoryLock } from "./directory-lock.ts";
import { isFileLocked, LockUnsupportedError, tryFileLock } from "./file-lock.ts";
import type { HeldLock } from "./types.ts";

/** Longest wait for the lock, in ms (the Kimi Code CLI's limit). */
const WAIT_LIMIT_MS = 60_000;
/** Pause between two tries, in ms; both CLIs poll too, at 500 ms and more. */
const POLL_MS = 15;

/** Errors of a lock that this user will never get, however long it waits. */
const HOPELESS = new Set([
  "EACCES",
  "EPERM",
  "EROFS",
  "ENOSPC",
  "EDQUOT",
  "ENOENT",
  // A link or a folder in the place of the lock file.
  "ELOOP",
  "EISDIR",
]);

/** The lock of a home where the platform offers none: the transaction then relies on comparing. */
const NO_LOCK: HeldLock = { compromised: false, release: async () => undefined };

/** What waiting for a lock ended with. */
export type LockOutcome<T> =
  | { readonly lock: HeldLock }
  /** The lock is no longer needed. */
  | { readonly settled: T };

/** Tries to take a home's lock without waiting. */
export async function tryHomeLock(home: Home): Promise<HeldLock | undefined> {
  return home.lock.kind === "directory"
    ? await tryDirectoryLock(home.lock.target)
    : await tryFileLock(home.lock.path);
}

/**
 * Waits for a home's lock.
 *
 * @param options.whileWaiting - asked before each further try; a value ends the waiting
 * @param options.onUnsupported - told when this machine has no such lock
 * @throws KimiError `home_busy` after a minute, `home_not_writable` when the lock cannot be made
 */
export async function waitForHomeLock<T>(
  home: Home,
  options: {
    readonly whileWaiting: () => T | undefined;
    readonly onUnsupported: () => void;
  },
): Promise<LockOutcome<T>> {
  const deadline = performance.now() + WAIT_LIMIT_MS;
  for (;;) {
    try {
      const lock = await tryHomeLock(home);
      if (lock !== undefined) {
        return { lock };
      }
    } catch (error) {
      if (error instanceof LockUnsupportedError) {
        options.onUnsupported();
        return { lock: NO_LOCK };
      }
      const code = systemErrorCode(error) ?? "";
      if (HOPELESS.has(code)) {
        throw new KimiError(
          "home_not_writable",
          `The login was not refreshed, because its lock in ${home.dir} could not be taken. Make that folder writable and try again; you are still signed in.`,
        );
      }
      // Anything else can pass (the CLI retries every error), until the deadline.
    }
    const settled = options.whileWaiting();
    if (settled !== undefined) {
      return { settled };
    }
    if (performance.now() >= deadline) {
      throw new KimiError(
        "home_busy",
        `Another program has been refreshing the ${ownerLabel(home.kind)} login for over a minute. Try again; you are still signed in.`,
      );
    }
    await sleep(POLL_MS);
  }
}

/**
 * True while a refresh of this home may be under way in some process. Synchronous, and changes
 * nothing: for the host's `register`, which cannot wait.
 */
export function isHomeLocked(home: Home): boolean {
  if (home.lock.kind === "directory") {
    return isDirectoryLockLive(home.lock.target);
  }
  return isFileLocked(home.lock.path);
}
