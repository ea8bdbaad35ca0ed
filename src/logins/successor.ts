/**
 * Tokens that a process received and did not live to put in place.
 *
 * They lie in a temporary file beside the home, complete, under the tag of the token that they
 * replace. They are put in place by a rename of that very file, which needs no room on the disk.
 * Files are told apart by age and content and never by a process id, which says nothing about a
 * process in another container.
 */

import { constants, fstatSync, lstatSync, renameSync } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import { tempTagOf } from "./private-file.ts";
import { type Credential, formatCredential, tagOf } from "./credential.ts";
import { readHome } from "./home-file.ts";
import { lastLookAt, overwrite } from "./home-replace.ts";
import type { Home } from "./homes.ts";
import { isGone, MAX_MARK_BYTES } from "./process-mark.ts";

/** Age from which a temporary file is cleared away unless it holds the next tokens, in ms. */
const STALE_MS = 10 * 60_000;
/** Longest time from making room to the response of a process that runs, in ms; more than a request takes. */
const REQUEST_MS = 90_000;
/** Names that versions before 1.0 gave: process id and tag. The Kimi Code CLI's look the same. */
const EARLIER_NAME = /^\d+\.([0-9a-f]{8})$/;

/** Tokens in a temporary file. */
export interface Successor {
  readonly file: string;
  readonly credential: Credential;
}

interface TempFile {
  readonly file: string;
  readonly tag: string;
  /** True when the name alone tells that this plugin made it. */
  readonly ours: boolean;
}

async function tempFilesOf(home: Home): Promise<TempFile[]> {
  const dir = path.dirname(home.file);
  const names = await fs.readdir(dir).catch(() => []);
  return names.flatMap((name): readonly TempFile[] => {
    const file = path.join(dir, name);
    const tag = tempTagOf(name, home.file);
    if (tag !== undefined) {
      return [{ file, tag, ours: true }];
    }
    const prefix = `${path.basename(home.file)}.tmp.`;
    const earlier = name.startsWith(prefix)
      ? EARLIER_NAME.exec(name.slice(prefix.length))?.[1]
      : undefined;
    return earlier === undefined ? [] : [{ file, tag: earlier, ours: false }];
  });
}

async function ageMs(file: string): Promise<number> {
  const stat = await fs.lstat(file).catch(() => undefined);
  return stat === undefined ? 0 : Date.now() - stat.mtimeMs;
}

/** True for a regular file of the home's owner or of this user; no other user's tokens are adopted. */
function isTrusted(file: string, home: Home): boolean {
  try {
    const stat = lstatSync(file);
    const owners = [lstatSync(home.file).uid, process.geteuid?.() ?? stat.uid];
    return stat.isFile() && owners.includes(stat.uid);
  } catch {
    return false;
  }
}

/**
 * Looks for the tokens that replace these, and clears away what is old. Call it only with the home's
 * lock held. A live process can have a temporary file even then: one that was suspended during its
 * request and lost the lock by that. So a young file stays.
 */
export async function findSuccessor(
  home: Home,
  current: Credential,
): Promise<Successor | undefined> {
  const tag = tagOf(current.refreshToken);
  let found: (Successor & { readonly ageMs: number }) | undefined;
  for (const temp of await tempFilesOf(home)) {
    const age = await ageMs(temp.file);
    if (temp.tag === tag && isTrusted(temp.file, home)) {
      const state = readHome({ file: temp.file });
      if (state.status === "valid" && state.credential.refreshToken !== current.refreshToken) {
        if (found === undefined || age < found.ageMs) {
          found = { file: temp.file, credential: state.credential, ageMs: age };
        }
        continue;
      }
    }
    if (age >= STALE_MS && (temp.ours || temp.tag === tag)) {
      await fs.rm(temp.file, { force: true }).catch(() => undefined);
    }
  }
  return found;
}

/**
 * True while another process may have sent this token and not heard, or not stored, the response: its
 * temporary file is there, and the process is not known to be gone. Call it with the home's lock held;
 * the other one has lost it by being suspended.
 *
 * @param wait - `request`: as long as a request can take. `wake`: as long as a suspended process may
 *   still wake up and store what it got
 */
export async function isBeingRenewed(
  home: Home,
  current: Credential,
  wait: "request" | "wake",
): Promise<boolean> {
  const tag = tagOf(current.refreshToken);
  const limitMs = wait === "request" ? REQUEST_MS : STALE_MS;
  for (const { file, ours, tag: itsTag } of await tempFilesOf(home)) {
    const isOpen =
      ours && itsTag === tag && isTrusted(file, home) && Math.abs(await ageMs(file)) < limitMs;
    if (isOpen && !isGone(await headOf(file))) {
      return true;
    }
  }
  return false;
}

async function headOf(file: string): Promise<string> {
  let handle: fs.FileHandle | undefined;
  try {
    handle = await fs.open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const { buffer, bytesRead } = await handle.read(
      Buffer.alloc(MAX_MARK_BYTES),
      0,
      MAX_MARK_BYTES,
      0,
    );
    return buffer.toString("utf8", 0, bytesRead);
  } catch {
    return "";
  } finally {
    await handle?.close();
  }
}

/** How adopting tokens ended; `kept` means that they lie where they were. */
export type AdoptResult = "placed" | "overtaken" | "kept";

/**
 * Puts found tokens in place, unless the home has changed since; never throws.
 *
 * @param current - the tokens that they replace
 */
export async function adoptSuccessor(
  home: Home,
  current: Credential,
  { file, credential }: Successor,
): Promise<AdoptResult> {
  let handle: fs.FileHandle | undefined;
  try {
    handle = await fs.open(file, constants.O_RDONLY | constants.O_NOFOLLOW);
    // They read back whole; a disk that cannot sync is no reason to lose them.
    await handle.sync().catch(() => undefined);
    // From here on in one turn of the event loop.
    const open = fstatSync(handle.fd, { bigint: true });
    const named = lstatSync(file, { bigint: true });
    if (
      named.ino !== open.ino ||
      named.dev !== open.dev ||
      lastLookAt(home, current.refreshToken) !== "same"
    ) {
      return "overtaken";
    }
    renameSync(file, home.file);
    return "placed";
  } catch {
    return lastLookAt(home, current.refreshToken) === "same" &&
      overwrite(home, formatCredential(credential, home.style))
      ? "placed"
      : "kept";
  } finally {
    await handle?.close();
  }
}

/** Clears away the temporary files for tokens that have been replaced. */
export async function clearSuperseded(home: Home, superseded: Credential): Promise<void> {
  const tag = tagOf(superseded.refreshToken);
  for (const temp of await tempFilesOf(home)) {
    if (temp.tag === tag) {
      await fs.rm(temp.file, { force: true }).catch(() => undefined);
    }
  }
}
