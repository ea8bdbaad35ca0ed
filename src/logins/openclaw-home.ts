/**
 * Homes of the logins that were made here: one private file for each sign-in, in this plugin's
 * folder of OpenClaw's state, in the Kimi Code CLI's format and with its lock.
 *
 * The host names a profile only after a sign-in has returned (`--profile-id`, or a name of its own
 * for a replacement), and may copy or rename it later. So a home is named by itself, at random, and
 * the profile says which home it belongs to: two accounts can never come to share a file, and a
 * sign-in never touches the home of an earlier one.
 */

import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { say } from "../messages.ts";
import { type Credential, fingerprint, formatCredential } from "./credential.ts";
import { type Home, makeHome } from "./homes.ts";
import { isGone, processMark } from "./process-mark.ts";
import { createPrivateFile, PrivateFile, writePrivateFile } from "./private-file.ts";
import type { Endpoints } from "../protocol/endpoints.ts";
import { KimiError } from "../protocol/errors.ts";
import { deleteFiles } from "./openclaw-home-removal.ts";
import { noteStore, storesFile } from "./openclaw-home-notes.ts";
import { openClawHomesDir } from "./openclaw-slots.ts";

/** How long a sign-in may take to store its profile, in ms; a wizard goes on with other questions first. */
const UNCLAIMED_LIMIT_MS = 24 * 60 * 60_000;

/** The end of a slot: stands for the endpoints that the login belongs to. */
function endpointsTag({ oauthHost, apiBase }: Endpoints): string {
  return fingerprint(`${oauthHost}\0${apiBase}`).slice(0, 8);
}

/** A new home for a login that is about to be made; nothing is written yet. */
export function newOpenClawHome(
  stateDir: string,
  endpoints: Endpoints,
  prefix: "login" | "personal" = "login",
): Home {
  const slot = `${prefix}-${randomBytes(8).toString("hex")}-${endpointsTag(endpoints)}`;
  return makeHome("openclaw", stateDir, slot, endpoints);
}

/**
 * The mark of a home whose profile was not seen yet: the host stores a profile some time after the
 * sign-in has returned. It tells the process that signs in.
 */
export function unclaimedMark(home: Pick<Home, "file">): string {
  return `${home.file}.unclaimed`;
}

/**
 * True while the process that signed in may still be about to store the profile. A process in another
 * container cannot be seen, so only one that is certainly gone ends this early.
 */
export function isBeingClaimed(home: Pick<Home, "file">): boolean {
  const mark = unclaimedMark(home);
  try {
    const ageMs = Date.now() - statSync(mark).mtimeMs;
    return Math.abs(ageMs) < UNCLAIMED_LIMIT_MS && !isGone(readFileSync(mark, "utf8"));
  } catch {
    return false;
  }
}

/**
 * Makes the folders of a home; a file system without rights keeps its own.
 *
 * @throws the system's error
 */
export function makeFolders(home: Home): void {
  for (const folder of [home.dir, path.dirname(home.file)]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    try {
      chmodSync(folder, 0o700);
    } catch {
      // vfat, CIFS and the like refuse it.
    }
  }
}

/**
 * Checks, before anyone is asked to approve a sign-in, that its tokens will have a place: does what
 * keeping them will do.
 *
 * @throws KimiError `home_not_writable`
 */
export function checkHomesWritable(stateDir: string): void {
  const probe = path.join(openClawHomesDir(stateDir), "probe");
  let file: PrivateFile | undefined;
  try {
    makeFolders(
      makeHome("openclaw", stateDir, "probe", { region: "custom", oauthHost: "", apiBase: "" }),
    );
    file = PrivateFile.create(probe);
    file.write(" ".repeat(8 * 1024));
    file.syncNow();
    file.rehearse();
  } catch {
    throw stateDirNotWritable(stateDir);
  } finally {
    file?.discard();
  }
}

function stateDirNotWritable(stateDir: string): KimiError {
  return new KimiError("home_not_writable", say.newLoginNotSaved({ folder: stateDir }));
}

/**
 * Puts a new login into its home: complete and on the disk, or not at all.
 *
 * @param agentDir - folder of the agent whose store will name it; `undefined` for the shared store
 * @throws KimiError `home_not_writable`; nothing is left behind then
 */
export function createOpenClawHome(home: Home, credential: Credential, agentDir?: string): void {
  try {
    makeFolders(home);
    writePrivateFile(unclaimedMark(home), processMark());
    noteStore(home, agentDir, false);
    createPrivateFile(home.file, formatCredential(credential, home.style), { durable: true });
  } catch {
    deleteFiles([home.file, unclaimedMark(home), storesFile(home)]);
    throw stateDirNotWritable(home.dir);
  }
}

/**
 * The home that a profile names, in the state folder that is in use now. A profile names its home by
 * its full path, so that a copy of a state folder shares the login with the original; a folder that
 * was moved takes its homes along. Writes nothing.
 *
 * @throws KimiError `login_missing` when the home belongs to other endpoints than the profile says:
 *   tokens of the one must not be sent to the other
 */
export function homeInStateDir(named: Home, stateDir: string): Home {
  if (!named.slot.endsWith(`-${endpointsTag(named.endpoints)}`)) {
    throw new KimiError("login_missing", say.profileOfOtherEndpoints());
  }
  return named.dir === stateDir || existsSync(named.dir)
    ? named
    : makeHome(named.kind, stateDir, named.slot, named.endpoints);
}
