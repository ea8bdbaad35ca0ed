/** Whose the files of a lock are. */

import { statSync } from "node:fs";

/** A user and group by number. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The user to whom a new file in this folder must be given. Only root ever has to: a user whose home
 * holds a lock file of root's could not lock any more.
 */
export function ownerOfNewFile(dir: string): Owner | undefined {
  if (process.geteuid?.() !== 0) {
    return undefined;
  }
  const { uid, gid } = statSync(dir);
  return uid === 0 ? undefined : { uid, gid };
}
