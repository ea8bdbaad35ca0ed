/**
 * Whether a home's file can be replaced. Asked before a token is spent; changes nothing.
 *
 * A folder that takes new files does not tell: a file that was mounted alone into a container, that is
 * immutable, or that belongs to another user in a sticky folder stays where it is, and a rename over
 * it fails only when the new tokens are already there.
 */

import { readFileSync, realpathSync, rmdirSync } from "node:fs";
import path from "node:path";
import { systemErrorCode } from "../protocol/errors.ts";

/** Why a file cannot be replaced: it is a mount point, or the system error of the attempt. */
export type Obstacle = "mounted" | (string & {});

/** Writes a path as `/proc/self/mountinfo` does: blanks and backslashes as octal numbers. */
function asMountPoint(file: string): string {
  return file.replace(
    /[ \t\n\\]/g,
    (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`,
  );
}

/** True when the file itself is a mount point. Only Linux mounts single files. */
function isMountPoint(file: string): boolean {
  if (process.platform !== "linux") {
    return false;
  }
  try {
    // A rename replaces the name in its folder, so a link in the file's place is not followed.
    const named = asMountPoint(path.join(realpathSync(path.dirname(file)), path.basename(file)));
    return readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .some((line) => line.split(" ")[4] === named);
  } catch {
    return false;
  }
}

/**
 * Looks for what would keep a file from being replaced.
 *
 * To remove a folder, the system checks the same rights as for replacing a file: those of the parent
 * folder, its sticky bit, and the flags of what is removed. With a file in the folder's place it
 * stops after that, with `ENOTDIR`, and has changed nothing (POSIX; checked on Linux and in its
 * `may_delete`).
 *
 * @returns `undefined` when nothing is in the way
 */
export function obstacleTo(file: string): Obstacle | undefined {
  if (isMountPoint(file)) {
    return "mounted";
  }
  if (process.platform === "win32") {
    return undefined;
  }
  try {
    rmdirSync(file);
    return "ENOENT";
  } catch (error) {
    const code = systemErrorCode(error);
    switch (code) {
      case "EPERM":
      case "EACCES":
      case "EROFS":
      case "EBUSY":
      case "ENOENT":
        return code;
      default:
        return undefined;
    }
  }
}
