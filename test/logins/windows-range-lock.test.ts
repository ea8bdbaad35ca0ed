/** What is made of each answer of the Windows kernel; the answers come from the test, on every system. */
import { readFile, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { tryRangeLock } from "../../src/logins/locks/windows-range-lock.ts";
import { modeOf, removeScratch, scratch } from "../kit/logins.ts";

const HANDLE = 77;
let file: string;
let calls: unknown[][];

beforeEach(async () => {
  file = path.join(await scratch(), "kimi-code.lock");
  calls = [];
});

afterEach(async () => {
  vi.restoreAllMocks();
  await removeScratch();
});

/** A kernel that opens and locks with these results. */
function kernel({ handle = HANDLE, locked = 1, lastError = 0 }): void {
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  const results: Record<string, number> = {
    CreateFileW: handle,
    LockFileEx: locked,
    UnlockFileEx: 1,
    CloseHandle: 1,
    GetLastError: lastError,
  };
  const func = (signature: string) => {
    const name = /(\w+)\(/u.exec(signature)?.[1] ?? "";
    return (...args: unknown[]) => {
      calls.push([name, ...args]);
      return results[name];
    };
  };
  vi.spyOn(koffi, "load").mockImplementation(((library: string) => {
    expect(library).toBe("kernel32.dll");
    return { func };
  }) as unknown as typeof koffi.load);
}

function called(): unknown[] {
  return calls.map(([name]) => name);
}

describe("the lock of the first byte", () => {
  it("is asked for without waiting, exclusively, at byte 0, and given back with its handle", async () => {
    kernel({});
    const lock = tryRangeLock(file);
    expect(lock?.isHeld()).toBe(true);
    expect(await readFile(file, "utf8")).toBe("\0");
    expect(calls).toEqual([
      // Read and write, shared with everyone, only what exists.
      ["CreateFileW", file, 0xc0000000, 7, null, 3, 0, null],
      // LOCKFILE_FAIL_IMMEDIATELY and LOCKFILE_EXCLUSIVE_LOCK, one byte.
      ["LockFileEx", HANDLE, 3, 0, 1, 0, Buffer.alloc(32)],
    ]);
    await lock?.release();
    expect(calls.slice(2)).toEqual([
      ["UnlockFileEx", HANDLE, 0, 1, 0, Buffer.alloc(32)],
      ["CloseHandle", HANDLE],
    ]);
  });

  it("needs a byte to lock, and leaves a file that has one as it is", async () => {
    kernel({});
    await writeFile(file, "");
    tryRangeLock(file);
    expect((await stat(file)).size).toBe(1);
    tryRangeLock(file);
    expect((await stat(file)).size).toBe(1);
    await writeFile(file, "content");
    tryRangeLock(file);
    expect(await readFile(file, "utf8")).toBe("content");
  });

  it.skipIf(process.platform === "win32")("is in a private file", async () => {
    kernel({});
    tryRangeLock(file);
    expect(await modeOf(file)).toBe(0o600);
  });

  it.each([
    ["another holder", 33],
    ["a wait that would begin", 997],
    ["a code that was lost", 0],
  ])("is another's with %s (%i), and no handle stays open", (_what, lastError) => {
    kernel({ locked: 0, lastError });
    expect(tryRangeLock(file)).toBeUndefined();
    expect(called()).toEqual(["CreateFileW", "LockFileEx", "GetLastError", "CloseHandle"]);
  });

  it("is missing with any other code, and no handle stays open", () => {
    kernel({ locked: 0, lastError: 50 });
    expect(() => tryRangeLock(file)).toThrow(
      expect.objectContaining({
        name: "LockUnsupportedError",
        message: "LockFileEx failed with error 50",
      }),
    );
    expect(called()).toContain("CloseHandle");
  });

  it("is missing where the file cannot be opened, and nothing is locked", () => {
    kernel({ handle: -1 });
    expect(() => tryRangeLock(file)).toThrow("the lock file cannot be opened");
    expect(called()).toEqual(["CreateFileW"]);
  });

  it.skipIf(process.platform === "win32")("is missing where there is no such kernel", () => {
    expect(() => tryRangeLock(file)).toThrow(
      expect.objectContaining({ name: "LockUnsupportedError" }),
    );
  });
});
