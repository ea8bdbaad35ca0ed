/** Whose the files of a lock are. */

import { chownSync, lchownSync, rmdirSync, rmSync, statSync } from "node:fs";
import type { FileOwner } from "../private-file.ts";

/**
 * The user to whom a new file in this folder must be given. Only root ever has to: a user whose home
 * holds a lock file of root's could not lock any more.
 */
function fileOwnerIn(dir: string): FileOwner | undefined {
  if (process.geteuid?.() !== 0) {
    return undefined;
  }
  const { uid, gid } = statSync(dir);
  return uid === 0 ? undefined : { uid, gid };
}

/**
 * Gives something that was just made in a folder to the folder's owner. What cannot be given away is
 * removed again, because the owner could not use it.
 *
 * @throws the system's error; the new file or folder is gone then
 */
export function giveToFileOwner(made: string, dir: string, kind: "file" | "folder"): void {
  try {
    const owner = fileOwnerIn(dir);
    if (owner !== undefined) {
      (kind === "file" ? chownSync : lchownSync)(made, owner.uid, owner.gid);
    }
  } catch (error) {
    if (kind === "file") {
      rmSync(made, { force: true });
    } else {
      rmdirSync(made);
    }
    throw error;
  }
}
