/**
 * The one way in which this plugin writes a private file.
 *
 * The content goes into a temporary file beside the target: made with `O_EXCL` and mode 0600, under a
 * name with a random part, so that no other process or thread can have the same one. It is put in
 * place in one step. A temporary file is only renamed or removed while its name still leads to the
 * very file that is open here: a name alone says nothing about whose file it is.
 *
 * Synchronous except for {@link PrivateFile.sync}, so that a caller can look at the target right
 * before it replaces it. Errors are the system's own; callers turn them into words.
 */

import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { promisify } from "node:util";

/** A user and group by number. */
export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

/** How a temporary file is made. */
export interface PrivateFileOptions {
  /** Short word at the end of the temporary name; says what the content is for. */
  readonly tag?: string | undefined;
  /** Who the file must belong to, where that is not this process's user. */
  readonly owner?: FileOwner | undefined;
}

// `O_NOFOLLOW` is undefined on Windows, which counts as 0 here.
const FLAGS = constants.O_CREAT | constants.O_EXCL | constants.O_RDWR | constants.O_NOFOLLOW;
/** The end of a temporary file's name: random part, and tag where there is one. */
const TEMP_ENDING = /^[0-9a-f]{16}(?:\.([0-9a-z]+))?$/;

/**
 * Reads the tag of a temporary file's name.
 *
 * @param name - a file name without its folder
 * @param target - path or name of the file that the temporary one would replace
 * @returns the tag, `""` for a temporary file without one, `undefined` for any other file
 */
export function tempTagOf(name: string, target: string): string | undefined {
  const prefix = `${path.basename(target)}.tmp.`;
  const match = name.startsWith(prefix) ? TEMP_ENDING.exec(name.slice(prefix.length)) : null;
  return match === null ? undefined : (match[1] ?? "");
}

/** A temporary file that is open and not in place yet. */
export class PrivateFile {
  readonly target: string;
  readonly #options: PrivateFileOptions;
  readonly #fd: number;
  #path: string;
  #open = true;

  private constructor(target: string, options: PrivateFileOptions, temp: string, fd: number) {
    this.target = target;
    this.#options = options;
    this.#path = temp;
    this.#fd = fd;
  }

  /**
   * Makes an empty temporary file beside the target.
   *
   * @throws the system's error; nothing is left behind then
   */
  static create(target: string, options: PrivateFileOptions = {}): PrivateFile {
    const temp = tempPath(target, options.tag);
    const fd = openSync(temp, FLAGS, 0o600);
    const file = new PrivateFile(target, options, temp, fd);
    try {
      if (options.owner !== undefined) {
        fchownSync(fd, options.owner.uid, options.owner.gid);
      }
      // Only an odd umask makes this necessary; some file systems refuse the call.
      if ((fstatSync(fd).mode & 0o600) !== 0o600) {
        fchmodSync(fd, 0o600);
      }
    } catch (error) {
      file.discard();
      throw error;
    }
    return file;
  }

  /** Where the temporary file is now. */
  get path(): string {
    return this.#path;
  }

  /** Replaces the whole content. */
  write(content: string): void {
    const bytes = Buffer.from(content, "utf8");
    let done = 0;
    while (done < bytes.byteLength) {
      // An almost full disk takes a part without calling it an error.
      done += writeSync(this.#fd, bytes, done, bytes.byteLength - done, done);
    }
    ftruncateSync(this.#fd, bytes.byteLength);
  }

  /** Waits until the content is on the disk. */
  async sync(): Promise<void> {
    await promisify(fsync)(this.#fd);
  }

  /** Like {@link sync}, for callers that cannot wait; blocks the thread. */
  syncNow(): void {
    fsyncSync(this.#fd);
  }

  /** True while the temporary name leads to the file that is open here. */
  get isOurs(): boolean {
    return this.#open && leadsTo(this.#path, this.#fd);
  }

  /**
   * Tries the rename that will put this file in place, over a second temporary file. The file has
   * another name afterwards.
   *
   * @throws the system's error when the folder does not allow it
   */
  rehearse(): void {
    const second = PrivateFile.create(this.target, this.#options);
    try {
      renameSync(this.#path, second.#path);
      this.#path = second.#path;
    } catch (error) {
      second.discard();
      throw error;
    } finally {
      second.#close();
    }
  }

  /**
   * Puts the file in place of the target in one step.
   *
   * @returns false when the temporary file is gone or is another's; nothing has changed then
   * @throws the system's error when the target cannot be replaced; the temporary file stays
   */
  place(): boolean {
    if (!this.isOurs) {
      return false;
    }
    renameSync(this.#path, this.target);
    this.#close();
    return true;
  }

  /**
   * Puts the file in place unless the target exists.
   *
   * @returns false when the target exists; the temporary file is removed in both cases
   * @throws the system's error when the folder does not allow it
   */
  placeIfAbsent(): boolean {
    try {
      // A link fails where a rename would replace what another process has just made.
      linkSync(this.#path, this.target);
      return true;
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "EEXIST") {
        return false;
      }
      // Without hard links (vfat, exFAT, some network disks): look, then rename.
      if (lstatSync(this.target, { throwIfNoEntry: false }) !== undefined) {
        return false;
      }
      return this.place();
    } finally {
      this.discard();
    }
  }

  /** Closes the file and leaves it where it is. */
  leaveOnDisk(): void {
    this.#close();
  }

  /** Closes the file and removes it, unless its name leads to another file by now; never throws. */
  discard(): void {
    if (!this.#open) {
      return;
    }
    try {
      if (this.isOurs) {
        rmSync(this.#path, { force: true });
      }
    } catch {
      // It is cleared away by age.
    }
    this.#close();
  }

  #close(): void {
    if (this.#open) {
      this.#open = false;
      try {
        closeSync(this.#fd);
      } catch {
        // What a late error says about the content, sync() has said before.
      }
    }
  }
}

function tempPath(target: string, tag: string | undefined): string {
  return `${target}.tmp.${randomBytes(8).toString("hex")}${tag === undefined ? "" : `.${tag}`}`;
}

function leadsTo(file: string, fd: number): boolean {
  const named = lstatSync(file, { bigint: true, throwIfNoEntry: false });
  const open = fstatSync(fd, { bigint: true });
  return named !== undefined && named.ino === open.ino && named.dev === open.dev;
}

/**
 * Writes a private file in one step.
 *
 * @param durable - wait for the disk; leave it out for what may be lost
 * @throws the system's error; the target is as it was then
 */
export function writePrivateFile(target: string, content: string, { durable = false } = {}): void {
  const file = PrivateFile.create(target);
  try {
    file.write(content);
    if (durable) {
      file.syncNow();
    }
    file.place();
  } finally {
    file.discard();
  }
}

/**
 * Writes a private file in one step, unless it exists.
 *
 * @returns false when it exists
 * @throws the system's error; nothing is left behind then
 */
export function createPrivateFile(
  target: string,
  content: string,
  { durable = false } = {},
): boolean {
  const file = PrivateFile.create(target);
  try {
    file.write(content);
    if (durable) {
      file.syncNow();
    }
    return file.placeIfAbsent();
  } finally {
    file.discard();
  }
}
