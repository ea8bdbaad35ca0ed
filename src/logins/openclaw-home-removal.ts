/**
 * Removes a home of OpenClaw's. It is first put aside, under a name that no program takes for a login,
 * and deleted a day later, so that a profile that was only out of sight gets its login back.
 */

import { existsSync, renameSync, rmSync, statSync, utimesSync } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import type { Home } from "./homes.ts";
import { tryHomeLock } from "./locks/home-lock.ts";
import { storesFile } from "./openclaw-home-notes.ts";

/** End of the name of a home that was put aside. */
export const ASIDE_ENDING = ".json.removed";

function asideFile(home: Pick<Home, "file">): string {
  return `${home.file}.removed`;
}

/** Deletes files, as far as that is possible. */
export function deleteFiles(files: readonly string[]): void {
  for (const file of files) {
    try {
      rmSync(file, { force: true });
    } catch {
      // The next look tries again.
    }
  }
}

/** Everything that belongs to a home, by its full name. */
async function filesOf(home: Home): Promise<string[]> {
  const dir = path.dirname(home.file);
  const name = path.basename(home.file);
  const names = await fs.readdir(dir).catch(() => []);
  return names
    .filter((entry) => entry === name || entry.startsWith(`${name}.`))
    .map((entry) => path.join(dir, entry));
}

/** Does something with a home while no refresh is under way; a later one finds no login there. */
async function underLock(home: Home, act: (files: readonly string[]) => void): Promise<boolean> {
  const lock = await tryHomeLock(home);
  if (lock === undefined) {
    return false;
  }
  try {
    act(await filesOf(home));
  } finally {
    await lock.release();
  }
  if (home.lock.kind === "directory") {
    deleteFiles([home.lock.target]);
  }
  return true;
}

/**
 * Puts a home aside.
 *
 * @returns false when a refresh is under way, and nothing was done
 */
export async function putAside(home: Home): Promise<boolean> {
  return await underLock(home, (files) => {
    const aside = asideFile(home);
    if (existsSync(home.file)) {
      // The day begins now.
      utimesSync(home.file, new Date(), new Date());
      renameSync(home.file, aside);
    }
    deleteFiles(
      files.filter((file) => file !== aside && file !== home.file && file !== storesFile(home)),
    );
  });
}

/** Brings a home back that was put aside; costs one `stat` where there is nothing to do. */
export function bringBack(home: Pick<Home, "file">): void {
  try {
    if (
      statSync(home.file, { throwIfNoEntry: false }) === undefined &&
      existsSync(asideFile(home))
    ) {
      renameSync(asideFile(home), home.file);
    }
  } catch {
    // Reading the home says what is wrong.
  }
}

/** When a home was put aside, ms since the epoch. */
export function asideSince(home: Pick<Home, "file">): number | undefined {
  return statSync(asideFile(home), { throwIfNoEntry: false })?.mtimeMs;
}

/**
 * Deletes a home with everything that belongs to it.
 *
 * @returns false when a refresh is under way, and nothing was deleted
 */
export async function removeHome(home: Home): Promise<boolean> {
  return await underLock(home, deleteFiles);
}
