/**
 * Reading and replacing a home's file.
 *
 * A refresh token works once, so the new pair must have a place before the old one is spent:
 * {@link reserve} makes the temporary file, with room for the new tokens and the owner's rights,
 * before the request is sent, and {@link Reservation.commit} fills and renames it afterwards. The
 * temporary file's name holds the fingerprint of the token that it replaces; when a process dies
 * between the two, {@link findSuccessor} finds the pair that it had received.
 */

import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import { KimiError, systemErrorCode } from "../protocol/errors.ts";
import {
  type Credential,
  fingerprint,
  formatCredential,
  MAX_CREDENTIAL_BYTES,
  parseCredential,
} from "./credential.ts";
import type { Home } from "./homes.ts";

/** What a home holds right now. */
export type HomeState =
  | { readonly state: "valid"; readonly credential: Credential }
  | { readonly state: "tombstone" }
  | { readonly state: "missing"; readonly dangling: boolean }
  | { readonly state: "unreadable"; readonly reason: string }
  | { readonly state: "corrupt"; readonly reason: string };

/** Room kept for the new tokens beyond the size of the old file, in bytes. */
const RESERVED_EXTRA_BYTES = 8 * 1024;
/** Age from which a dead process's temporary file is cleared away, in ms. */
const STALE_TEMP_MS = 10 * 60_000;
/** End of a temporary file's name: its process, and the fingerprint of the token that it replaces. */
const TEMP_NAME = /^(\d+)\.([0-9a-f]{8})$/;

function unreadableReason(code: string | undefined): string {
  switch (code) {
    case "EACCES":
    case "EPERM":
      return "this user may not read it";
    case "ELOOP":
      return "it is a link that leads in a circle";
    case "ENOTDIR":
      return "a part of its path is not a folder";
    default:
      return "reading it failed";
  }
}

/**
 * Reads a home; never throws, never blocks on a pipe in the file's place.
 *
 * Synchronous, because the file is small and the host's `register` cannot wait.
 */
export function readHome(home: Pick<Home, "file">): HomeState {
  let fd: number;
  try {
    fd = openSync(home.file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    const code = systemErrorCode(error);
    if (code !== "ENOENT") {
      return { state: "unreadable", reason: unreadableReason(code) };
    }
    const link = lstatSync(home.file, { throwIfNoEntry: false });
    return { state: "missing", dangling: link !== undefined };
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) {
      return {
        state: "unreadable",
        reason: stat.isDirectory() ? "it is a folder" : "it is not a regular file",
      };
    }
    if (stat.size > MAX_CREDENTIAL_BYTES) {
      return { state: "corrupt", reason: "it is too large to be a login" };
    }
    return parseCredential(utf8(readFileSync(fd)));
  } catch {
    return { state: "unreadable", reason: unreadableReason(undefined) };
  } finally {
    closeSync(fd);
  }
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** A place for the new pair, made before the old one is spent. */
export interface Reservation {
  /** Replaces the home's file with the new pair in one step. */
  commit(next: Credential): Promise<void>;
  /** Clears the place away. */
  cancel(): Promise<void>;
}

/** Writes from the start of a file; an almost full disk takes a part without calling it an error. */
async function writeAll(handle: fs.FileHandle, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.byteLength) {
    done += (await handle.write(bytes, done, bytes.byteLength - done, done)).bytesWritten;
  }
}

function tempPath(home: Home, supersededRefreshToken: string): string {
  return `${home.file}.tmp.${String(process.pid)}.${fingerprint(supersededRefreshToken).slice(0, 8)}`;
}

/**
 * Makes room for a new pair beside the home's file.
 *
 * @param current - the pair that will be spent
 * @throws KimiError `home_not_writable` when the new pair could not be kept, or could no longer be
 *   read by the home's owner
 */
export async function reserve(home: Home, current: Credential): Promise<Reservation> {
  const temp = tempPath(home, current.refreshToken);
  const flags =
    constants.O_CREAT | constants.O_EXCL | constants.O_RDWR | (constants.O_NOFOLLOW ?? 0);
  let handle: fs.FileHandle | undefined;
  try {
    const owner = await fs.stat(home.file);
    await fs.rm(temp, { force: true });
    handle = await fs.open(temp, flags, 0o600);
    await writeAll(handle, Buffer.alloc(owner.size + RESERVED_EXTRA_BYTES, " "));
    if (process.getuid && owner.uid !== process.getuid()) {
      // The owner must be able to read what we write into its home.
      await handle.chown(owner.uid, owner.gid);
    }
  } catch (error) {
    await handle?.close().catch(() => undefined);
    await fs.rm(temp, { force: true }).catch(() => undefined);
    throw notWritable(home, systemErrorCode(error));
  }
  const open = handle;
  let settled = false;
  return {
    async commit(next) {
      const bytes = Buffer.from(formatCredential(next, home.style), "utf8");
      try {
        await writeAll(open, bytes);
        await open.truncate(bytes.byteLength);
        await open.chmod(0o600);
        await open.sync();
      } finally {
        await open.close();
      }
      await fs.rename(temp, home.file);
      settled = true;
      if (home.style === "kimi-code-cli") {
        await fs.chmod(path.dirname(home.file), 0o700).catch(() => undefined);
      }
    },
    async cancel() {
      if (!settled) {
        settled = true;
        await open.close().catch(() => undefined);
        await fs.rm(temp, { force: true }).catch(() => undefined);
      }
    },
  };
}

function notWritable(home: Home, code: string | undefined): KimiError {
  const why =
    code === "ENOSPC" || code === "EDQUOT"
      ? "the disk is full"
      : code === "EROFS"
        ? "the disk is read-only"
        : code === "ENOENT"
          ? "its folder is gone"
          : code === "EPERM"
            ? "it belongs to another user"
            : "this user may not write there";
  return new KimiError(
    "home_not_writable",
    `The login was not refreshed, because new tokens could not be kept in ${path.dirname(home.file)}: ${why}. Correct that and try again; you are still signed in.`,
  );
}

/**
 * Looks for the pair that a process received for this token and did not live to put in place.
 *
 * Call it only with the home's lock held. Another live process can have such a file even then: one
 * that was suspended during its request, and lost the lock by that, still needs the room it made.
 */
export async function findSuccessor(
  home: Home,
  current: Credential,
): Promise<Credential | undefined> {
  const dir = path.dirname(home.file);
  const prefix = `${path.basename(home.file)}.tmp.`;
  const tag = fingerprint(current.refreshToken).slice(0, 8);
  const names = await fs.readdir(dir).catch(() => []);
  let found: Credential | undefined;
  for (const name of names) {
    const [, pid, replaced] = TEMP_NAME.exec(name.startsWith(prefix) ? name.slice(prefix.length) : "") ?? [];
    if (pid === undefined) {
      continue;
    }
    const file = path.join(dir, name);
    if (replaced === tag) {
      const state = readHome({ file });
      if (state.state === "valid" && state.credential.refreshToken !== current.refreshToken) {
        found = state.credential;
        continue;
      }
    } else if (!(await isOld(file))) {
      continue;
    }
    if (isGone(Number(pid))) {
      await fs.rm(file, { force: true }).catch(() => undefined);
    }
  }
  return found;
}

async function isOld(file: string): Promise<boolean> {
  const stat = await fs.lstat(file).catch(() => undefined);
  return stat !== undefined && Date.now() - stat.mtimeMs >= STALE_TEMP_MS;
}

/** True when there is no such process any more. */
function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    // EPERM would mean a live process of another user.
    return systemErrorCode(error) === "ESRCH";
  }
}

/** Clears away the temporary files that a committed pair has replaced. */
export async function clearSuperseded(home: Home, superseded: Credential): Promise<void> {
  const dir = path.dirname(home.file);
  const prefix = `${path.basename(home.file)}.tmp.`;
  const tag = `.${fingerprint(superseded.refreshToken).slice(0, 8)}`;
  for (const name of await fs.readdir(dir).catch(() => [])) {
    if (name.startsWith(prefix) && name.endsWith(tag)) {
      await fs.rm(path.join(dir, name), { force: true }).catch(() => undefined);
    }
  }
}
