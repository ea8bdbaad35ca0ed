/**
 * The Python CLI's lock: `flock(2)` on a file that is never removed. Node has no such call, so it is
 * made through koffi. On Windows the Python CLI locks the file's first byte instead.
 */

import { closeSync, constants, existsSync, fchownSync, openSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { systemErrorCode } from "../../protocol/errors.ts";
import { ownerOfNewFile } from "./owner.ts";
import type { HeldLock } from "./types.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;

type Koffi = typeof import("koffi");

interface FlockApi {
  flock(fd: number, operation: number): number;
  errno(): number;
  readonly wouldBlock: number;
}

let flockApi: FlockApi | undefined;

/** koffi is CommonJS with a native part; it is loaded on first use only. */
export function loadKoffi(): Koffi {
  return createRequire(import.meta.url)("koffi") as Koffi;
}

function loadFlock(): FlockApi {
  if (flockApi === undefined) {
    const koffi = loadKoffi();
    // The C library is part of the running program.
    const flock = koffi.load(null).func("int flock(int fd, int operation)");
    flockApi = {
      flock: (fd, operation) => flock(fd, operation) as number,
      errno: () => koffi.errno(),
      wouldBlock: koffi.os.errno.EWOULDBLOCK ?? koffi.os.errno.EAGAIN ?? 11,
    };
  }
  return flockApi;
}

/** Thrown when this machine offers no way to take the Python CLI's lock. */
export class LockUnsupportedError extends Error {
  override readonly name = "LockUnsupportedError";
}

/**
 * Tries to take the lock.
 *
 * @param file - the lock file; made 0600 when it is missing, as the CLI does
 * @throws LockUnsupportedError when the machine or the file system has no such lock
 */
export async function tryFileLock(file: string): Promise<HeldLock | undefined> {
  if (process.platform === "win32") {
    const { tryRangeLock } = await import("./windows-range-lock.ts");
    return tryRangeLock(file);
  }
  return tryFlock(file);
}

/** Opens the lock file, and makes it where it is missing. */
function openLockFile(file: string): number {
  const flags = constants.O_CREAT | constants.O_RDWR | constants.O_NOFOLLOW;
  let fd: number;
  try {
    fd = openSync(file, flags | constants.O_EXCL, 0o600);
  } catch (error) {
    if (systemErrorCode(error) === "EEXIST") {
      return openSync(file, flags, 0o600);
    }
    throw error;
  }
  const owner = ownerOfNewFile(path.dirname(file));
  if (owner !== undefined) {
    fchownSync(fd, owner.uid, owner.gid);
  }
  return fd;
}

function tryFlock(file: string): HeldLock | undefined {
  let api: FlockApi;
  try {
    api = loadFlock();
  } catch (error) {
    throw new LockUnsupportedError("flock is not available", { cause: error });
  }
  const fd = openLockFile(file);
  if (api.flock(fd, LOCK_EX | LOCK_NB) !== 0) {
    const errno = api.errno();
    closeSync(fd);
    if (errno === api.wouldBlock) {
      return undefined;
    }
    throw new LockUnsupportedError(`flock failed with error ${String(errno)}`);
  }
  return {
    compromised: false,
    async release() {
      api.flock(fd, LOCK_UN);
      closeSync(fd);
    },
  };
}

/** True while another holder has the lock; false also where that cannot be told. */
export function isFileLocked(file: string): boolean {
  if (process.platform === "win32" || !existsSync(file)) {
    return false;
  }
  try {
    const lock = tryFlock(file);
    void lock?.release();
    return lock === undefined;
  } catch {
    return false;
  }
}
