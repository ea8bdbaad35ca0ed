/**
 * The Python CLI's lock on Windows: `msvcrt.locking(fd, LK_NBLCK, 1)` at byte 0, which is an
 * exclusive range lock of the kernel. Taken here with `LockFileEx`, which excludes it both ways.
 */

import { statSync, writeFileSync } from "node:fs";
import { loadKoffi, LockUnsupportedError } from "./file-lock.ts";
import type { HeldLock } from "./types.ts";

const GENERIC_READ_WRITE = 0xc0000000;
const SHARE_ALL = 0x7;
const OPEN_EXISTING = 3;
const FLAGS_EXCLUSIVE_NONBLOCKING = 0x3;
const ERROR_LOCK_VIOLATION = 33;
const ERROR_IO_PENDING = 997;

/**
 * Tries to lock the first byte.
 *
 * @throws LockUnsupportedError when the kernel's functions cannot be called
 */
export function tryRangeLock(file: string): HeldLock | undefined {
  // The CLI writes one NUL byte into an empty lock file first.
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) === 0) {
    writeFileSync(file, "\0", { mode: 0o600, flag: "a" });
  }
  let kernel;
  try {
    const lib = loadKoffi().load("kernel32.dll");
    kernel = {
      open: lib.func(
        "void* __stdcall CreateFileW(str16, uint32, uint32, void*, uint32, uint32, void*)",
      ),
      lock: lib.func("int __stdcall LockFileEx(void*, uint32, uint32, uint32, uint32, void*)"),
      unlock: lib.func("int __stdcall UnlockFileEx(void*, uint32, uint32, uint32, void*)"),
      close: lib.func("int __stdcall CloseHandle(void*)"),
      lastError: lib.func("uint32 __stdcall GetLastError()"),
    };
  } catch (error) {
    throw new LockUnsupportedError("LockFileEx is not available", { cause: error });
  }
  const { open, lock, unlock, close, lastError } = kernel;
  const handle: unknown = open(file, GENERIC_READ_WRITE, SHARE_ALL, null, OPEN_EXISTING, 0, null);
  // A zeroed OVERLAPPED is offset 0.
  const overlapped = Buffer.alloc(32);
  if (lock(handle, FLAGS_EXCLUSIVE_NONBLOCKING, 0, 1, 0, overlapped) === 0) {
    const code = lastError() as number;
    close(handle);
    if (code === ERROR_LOCK_VIOLATION || code === ERROR_IO_PENDING) {
      return undefined;
    }
    throw new LockUnsupportedError(`LockFileEx failed with error ${String(code)}`);
  }
  return {
    compromised: false,
    async release() {
      unlock(handle, 0, 1, 0, overlapped);
      close(handle);
    },
  };
}
