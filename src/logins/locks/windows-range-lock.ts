/**
 * The Python CLI's lock on Windows: `msvcrt.locking(fd, LK_NBLCK, 1)` at byte 0, which is an
 * exclusive range lock of the kernel. Taken here with `LockFileEx`, which excludes it both ways.
 */

import { statSync, writeFileSync } from "node:fs";
import { loadKoffi } from "./koffi.ts";
import { type HeldLock, LockUnsupportedError } from "./types.ts";

const GENERIC_READ_WRITE = 0xc0000000;
const SHARE_ALL = 0x7;
const OPEN_EXISTING = 3;
const INVALID_HANDLE = -1;
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
        "intptr_t __stdcall CreateFileW(str16, uint32, uint32, void*, uint32, uint32, void*)",
      ),
      lock: lib.func("int __stdcall LockFileEx(intptr_t, uint32, uint32, uint32, uint32, void*)"),
      unlock: lib.func("int __stdcall UnlockFileEx(intptr_t, uint32, uint32, uint32, void*)"),
      close: lib.func("int __stdcall CloseHandle(intptr_t)"),
      lastError: lib.func("uint32 __stdcall GetLastError()"),
    };
  } catch (error) {
    throw new LockUnsupportedError("LockFileEx is not available", { cause: error });
  }
  const { open, lock, unlock, close, lastError } = kernel;
  const handle: unknown = open(file, GENERIC_READ_WRITE, SHARE_ALL, null, OPEN_EXISTING, 0, null);
  if (Number(handle) === INVALID_HANDLE) {
    throw new LockUnsupportedError("the lock file cannot be opened");
  }
  // A zeroed OVERLAPPED is offset 0.
  const overlapped = Buffer.alloc(32);
  if (lock(handle, FLAGS_EXCLUSIVE_NONBLOCKING, 0, 1, 0, overlapped) === 0) {
    const code = lastError() as number;
    close(handle);
    // Code 0: the call that asked for it has lost it. Waiting is the safe reading.
    if (code === ERROR_LOCK_VIOLATION || code === ERROR_IO_PENDING || code === 0) {
      return undefined;
    }
    throw new LockUnsupportedError(`LockFileEx failed with error ${String(code)}`);
  }
  return {
    // The kernel keeps a lock for as long as its handle is open, and such a file cannot be replaced.
    isHeld: () => true,
    async release() {
      unlock(handle, 0, 1, 0, overlapped);
      close(handle);
    },
  };
}
