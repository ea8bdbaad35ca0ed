/**
 * Replacing a home's file.
 *
 * A refresh token works once, so the new tokens must have a place before the old token is spent.
 * {@link reserve} does everything that can fail before the request is sent: it makes the temporary
 * file with room, rights and owner, syncs it, and rehearses the rename. {@link Reservation.store}
 * fills the file afterwards and puts it in place, after a last look at the home. The temporary file's
 * name ends in a tag for the token that it replaces, so that the tokens of a process that dies in
 * between are found by the next one (`successor.ts`).
 */

import {
  closeSync,
  constants,
  fsyncSync,
  ftruncateSync,
  openSync,
  statSync,
  writeSync,
} from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import { say } from "../messages.ts";
import { transientReason } from "../words.ts";
import { KimiError, systemErrorCode } from "../protocol/errors.ts";
import { type FileOwner, PrivateFile } from "./private-file.ts";
import { type Credential, formatCredential, tagOf } from "./credential.ts";
import { readHome } from "./home-file.ts";
import type { Home } from "./homes.ts";
import { processMark } from "./process-mark.ts";
import { obstacleTo } from "./replaceable.ts";

/** What a last look at a home says about tokens that are to replace others. */
export type LastLook =
  /** The home still holds the login that they renew. */
  | "same"
  /** It holds another login, or newer tokens. */
  | "other"
  /** Its file is gone: the owner signed out, or the file is away for a moment. */
  | "away"
  /** It cannot be told right now. */
  | "unsure";

/** How storing tokens ended. */
export type StoreResult =
  | "placed"
  /** Not placed, because of what the last look said; nothing of them is left on the disk. */
  | "other"
  | "away"
  /** They could not be placed, and lie beside the home where the disk allowed that. */
  | "kept";

/** Room kept for the new tokens beyond the size of the old file, in bytes. */
const RESERVED_EXTRA_BYTES = 8 * 1024;
/** How often the home is looked at again while it cannot be told what it holds, or is away. */
const MAX_LOOKS = 5;
/** Pause between two such looks, in ms. */
const LOOK_PAUSE_MS = 150;
/** Temporary files made before giving up, when another program removes them. */
const MAX_FILES = 3;

/**
 * Looks at a home right before an act.
 *
 * A tombstone counts as the same login: the CLI writes it after a rejection, and the rejected request
 * is one that lost against the request whose tokens are being stored.
 */
export function lastLookAt(home: Home, supersededRefreshToken: string): LastLook {
  const state = readHome(home);
  switch (state.status) {
    case "valid":
      return state.credential.refreshToken === supersededRefreshToken ? "same" : "other";
    case "tombstone":
      return "same";
    case "missing":
      return "away";
    default:
      return "unsure";
  }
}

/** The owner that a new file must be given, where this process would not be it. */
function fileOwnerToSet(home: Home): FileOwner | undefined {
  const { uid, gid } = statSync(home.file);
  return process.geteuid === undefined || uid === process.geteuid() ? undefined : { uid, gid };
}

/**
 * Makes sure that a home's file is this user's, or that this process may give files away.
 *
 * @throws KimiError `home_not_writable`; nothing has been made then, not even a lock
 */
export function checkFileOwner(home: Home): void {
  let owner: FileOwner | undefined;
  try {
    owner = fileOwnerToSet(home);
  } catch {
    return; // Reading the home says what is wrong.
  }
  if (owner !== undefined && process.geteuid?.() !== 0) {
    throw notWritable(home, "EPERM");
  }
}

/**
 * Makes a place for new tokens beside the home's file.
 *
 * @param current - the tokens that will be spent
 * @throws KimiError `home_not_writable` when new tokens could not be kept, or could no longer be read
 *   by the home's owner; `home_unavailable` when that may pass
 */
export async function reserve(home: Home, current: Credential): Promise<Reservation> {
  const obstacle = obstacleTo(home.file);
  if (obstacle !== undefined) {
    throw notWritable(home, obstacle);
  }
  let file: PrivateFile | undefined;
  try {
    const { size } = statSync(home.file);
    file = PrivateFile.create(home.file, {
      tag: tagOf(current.refreshToken),
      owner: fileOwnerToSet(home),
    });
    // Who waits for a response with this file open, and room for what the response brings.
    file.write(processMark().padEnd(size + RESERVED_EXTRA_BYTES));
    // Some disks tell only now that they are full.
    await file.sync();
    file.rehearse();
    return new Reservation(home, current.refreshToken, file);
  } catch (error) {
    file?.discard();
    throw notWritable(home, systemErrorCode(error));
  }
}

/** A place for new tokens, made before the old ones are spent. */
export class Reservation {
  readonly #home: Home;
  readonly #superseded: string;
  #file: PrivateFile;

  constructor(home: Home, supersededRefreshToken: string, file: PrivateFile) {
    this.#home = home;
    this.#superseded = supersededRefreshToken;
    this.#file = file;
  }

  /**
   * Replaces the home's file with new tokens, unless the home has changed since. Never throws,
   * because the old token is spent by now.
   *
   * @param sleep - waits, in ms
   */
  async store(next: Credential, sleep: (ms: number) => Promise<void>): Promise<StoreResult> {
    const text = formatCredential(next, this.#home.style);
    try {
      for (let files = 1; ; files += 1) {
        await this.#fill(text, next);
        const look = await this.#lookUntilSure(sleep);
        if (look === "other") {
          this.#file.discard();
          return "other";
        }
        if (look === "away") {
          this.#leave();
          return "away";
        }
        if (look === "unsure") {
          break;
        }
        if (this.#file.place()) {
          await this.#afterPlacing();
          return "placed";
        }
        if (files >= MAX_FILES) {
          break;
        }
        this.#file.discard();
        this.#file = PrivateFile.create(this.#home.file, {
          tag: tagOf(this.#superseded),
          owner: fileOwnerToSet(this.#home),
        });
      }
    } catch {
      // The next best place is the file itself, the last one the temporary file.
    }
    if (lastLookAt(this.#home, this.#superseded) === "same" && overwrite(this.#home, text)) {
      this.#file.discard();
      return "placed";
    }
    this.#file.leaveOnDisk();
    return "kept";
  }

  /** Clears the place away. */
  cancel(): void {
    this.#file.discard();
  }

  /** Writes the tokens and waits for the disk; what could not be synced must at least read back. */
  async #fill(text: string, next: Credential): Promise<void> {
    this.#file.write(text);
    try {
      await this.#file.sync();
    } catch (error) {
      const state = readHome({ file: this.#file.path });
      if (state.status !== "valid" || state.credential.refreshToken !== next.refreshToken) {
        throw error;
      }
    }
  }

  /**
   * Looks at the home until it can be told what it holds. The last look and what follows it happen in
   * one turn of the event loop.
   */
  async #lookUntilSure(sleep: (ms: number) => Promise<void>): Promise<LastLook> {
    for (let looks = 1; ; looks += 1) {
      const state = readHome(this.#home);
      const look = lastLookAt(this.#home, this.#superseded);
      if (look === "same" || look === "other") {
        return look;
      }
      if (looks >= MAX_LOOKS) {
        // Bytes that stay damaged are no login that could be lost.
        return state.status === "corrupt" ? "same" : look;
      }
      await sleep(LOOK_PAUSE_MS);
    }
  }

  /**
   * The owner signed out, or the file is away. In the first case no token may stay on the disk; where
   * the whole folder is away, the temporary file is too, and waits in it.
   */
  #leave(): void {
    if (this.#file.isOurs) {
      this.#file.discard();
    } else {
      this.#file.leaveOnDisk();
    }
  }

  async #afterPlacing(): Promise<void> {
    if (this.#home.style === "kimi-code-cli") {
      await fs.chmod(path.dirname(this.#home.file), 0o700).catch(() => undefined);
    }
  }
}

/**
 * Writes tokens over those in the file itself, for a file that cannot be replaced. One write with the
 * old length at least, so that no moment shows a part of both.
 *
 * @returns false when that did not work
 */
export function overwrite(home: Home, text: string): boolean {
  const bytes = Buffer.from(text, "utf8");
  let fd: number | undefined;
  try {
    const { size } = statSync(home.file);
    fd = openSync(home.file, constants.O_WRONLY | constants.O_NOFOLLOW);
    const padded = Buffer.concat([bytes, Buffer.alloc(Math.max(0, size - bytes.byteLength), " ")]);
    if (writeSync(fd, padded, 0, padded.byteLength, 0) !== padded.byteLength) {
      return false;
    }
    ftruncateSync(fd, bytes.byteLength);
    fsyncSync(fd);
    return true;
  } catch {
    return false;
  } finally {
    if (fd !== undefined) {
      closeSync(fd);
    }
  }
}

/** The error for a home whose file could not be replaced. */
export function notWritable(home: Home, code: string | undefined): KimiError {
  const reason = code === "EBUSY" ? undefined : transientReason(code);
  if (reason !== undefined) {
    return new KimiError("home_unavailable", say.refreshUnavailable({ reason }));
  }
  const message =
    code === "mounted" || code === "EBUSY"
      ? say.mountedAlone({ file: home.file, folder: home.dir })
      : say.tokensNotSaved({ folder: path.dirname(home.file), code });
  return new KimiError("home_not_writable", message);
}
