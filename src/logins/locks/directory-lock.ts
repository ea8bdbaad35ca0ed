/**
 * The Kimi Code CLI's lock: a folder made by proper-lockfile, with the CLI's options, so that each
 * side sees and respects the other's. The CLI ends with an error when its live lock is touched, so
 * nothing but the library ever touches it.
 */

import { statSync } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import { systemErrorCode } from "../../protocol/errors.ts";
import { ownerOfNewFile } from "./owner.ts";
import type { HeldLock } from "./types.ts";

/** Age from which a lock counts as abandoned, in ms (the CLI's value). */
const STALE_MS = 5_000;
/** How often a held lock is renewed, in ms; the CLI renews at half the stale time. */
const UPDATE_MS = 1_000;

/** Makes the sentinel file and its folder where they are missing. */
async function makeSentinel(target: string): Promise<void> {
  const dir = path.dirname(target);
  if ((await fs.mkdir(dir, { recursive: true })) !== undefined) {
    const owner = ownerOfNewFile(path.dirname(dir));
    if (owner !== undefined) {
      await fs.lchown(dir, owner.uid, owner.gid);
    }
  }
  let handle: fs.FileHandle;
  try {
    handle = await fs.open(target, "ax");
  } catch (error) {
    if (systemErrorCode(error) === "EEXIST") {
      return;
    }
    throw error;
  }
  try {
    const owner = ownerOfNewFile(dir);
    if (owner !== undefined) {
      await handle.chown(owner.uid, owner.gid);
    }
  } finally {
    await handle.close();
  }
}

/**
 * Tries to take the lock.
 *
 * @param target - the lock's sentinel file; the lock itself is the folder `<target>.lock`
 */
export async function tryDirectoryLock(target: string): Promise<HeldLock | undefined> {
  const { default: lockfile } = await import("proper-lockfile");
  await makeSentinel(target);
  let compromised = false;
  let release: () => Promise<void>;
  try {
    release = await lockfile.lock(target, {
      stale: STALE_MS,
      update: UPDATE_MS,
      realpath: false,
      retries: 0,
      // The library's default throws from a timer, which would end the host.
      onCompromised: () => {
        compromised = true;
      },
    });
  } catch (error) {
    if (systemErrorCode(error) === "ELOCKED") {
      return undefined;
    }
    throw error;
  }
  return {
    get compromised() {
      return compromised;
    },
    async release() {
      // Rejects when the lock was lost meanwhile; whoever has it now must keep it.
      await release().catch(() => undefined);
    },
  };
}

/** True while the lock exists and is being renewed. */
export function isDirectoryLockLive(target: string): boolean {
  const stat = statSync(`${target}.lock`, { throwIfNoEntry: false });
  return stat !== undefined && Date.now() - stat.mtimeMs < STALE_MS;
}
