/**
 * The Python CLI's lock: `flock(2)` on a file that is never removed. Node has no such call, so it is
 * made through koffi. On Windows the Python CLI locks the file's first byte instead.
 */

import { closeSync, constants, existsSync, fstatSync, lstatSync, openSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { lockReasons } from "../../words.ts";
import { systemErrorCode } from "../../protocol/errors.ts";
import { loadKoffi } from "./koffi.ts";
import { giveToFileOwner } from "./file-owner.ts";
import { type HeldLock, LockBlockedError, LockUnsupportedError } from "./types.ts";
import { tryRangeLock } from "./windows-range-lock.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;
/** Calls of `flock` that a signal or a busy lock daemon may interrupt, before it counts as missing. */
const MAX_CALLS = 5;
const { errno: ERRNO } = os.constants;
const TRANSIENT_ERRNOS: ReadonlySet<number> = new Set([ERRNO.EINTR, ERRNO.ENOLCK]);

interface FlockApi {
  flock(fd: number, operation: number): number;
  errno(): number;
}

let flockApi: FlockApi | undefined;

function loadFlock(): FlockApi {
  if (flockApi === undefined) {
    const koffi = loadKoffi();
    // The C library is part of the running program.
    const flock = koffi.load(null).func("int flock(int fd, int operation)");
    flockApi = {
      flock: (fd, operation) => flock(fd, operation) as number,
      errno: () => koffi.errno(),
    };
  }
  return flockApi;
}

/**
 * Tries to take the lock.
 *
 * @param file - the lock file; made 0600 when it is missing, as the CLI does
 * @throws LockUnsupportedError when the machine or the file system has no such lock
 * @throws LockBlockedError when the file cannot be a lock
 */
export function tryFileLock(file: string): HeldLock | undefined {
  return process.platform === "win32" ? tryRangeLock(file) : tryFlock(file);
}

/** Opens the lock file, and makes it where it is missing. */
function openLockFile(file: string): number {
  const flags = constants.O_CREAT | constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  try {
    const fd = openSync(file, flags | constants.O_EXCL, 0o600);
    try {
      giveToFileOwner(file, path.dirname(file), "file");
      return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  } catch (error) {
    if (systemErrorCode(error) !== "EEXIST") {
      throw error;
    }
  }
  try {
    return openSync(file, flags, 0o600);
  } catch (error) {
    switch (systemErrorCode(error)) {
      case "ELOOP":
        throw new LockBlockedError(file, lockReasons.link);
      case "EISDIR":
      case "ENXIO":
        throw new LockBlockedError(file, lockReasons.notAFile);
      default:
        throw error;
    }
  }
}

function leadsTo(file: string, fd: number): boolean {
  try {
    const named = lstatSync(file, { bigint: true, throwIfNoEntry: false });
    const open = fstatSync(fd, { bigint: true });
    return named !== undefined && named.ino === open.ino && named.dev === open.dev;
  } catch {
    return false;
  }
}

function tryFlock(file: string): HeldLock | undefined {
  let api: FlockApi;
  try {
    api = loadFlock();
  } catch (error) {
    throw new LockUnsupportedError("flock is not available", { cause: error });
  }
  const fd = openLockFile(file);
  for (let call = 1; api.flock(fd, LOCK_EX | LOCK_NB) !== 0; call += 1) {
    const errno = api.errno();
    if (call < MAX_CALLS && TRANSIENT_ERRNOS.has(errno)) {
      continue;
    }
    closeSync(fd);
    if (errno === ERRNO.EWOULDBLOCK) {
      return undefined;
    }
    throw new LockUnsupportedError(`flock failed with error ${String(errno)}`);
  }
  if (!leadsTo(file, fd)) {
    // The file was replaced between opening and locking; the next one to come locks the new one.
    closeSync(fd);
    return undefined;
  }
  return {
    isHeld: () => leadsTo(file, fd),
    async release() {
      api.flock(fd, LOCK_UN);
      closeSync(fd);
    },
  };
}

/** True while another holder has the lock; false also where that cannot be told. */
export function isFileLocked(file: string): boolean {
  try {
    if (!existsSync(file)) {
      return false;
    }
    const lock = tryFileLock(file);
    void lock?.release();
    return lock === undefined;
  } catch {
    return false;
  }
}
