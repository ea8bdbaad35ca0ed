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
import { existsSync } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import { type Credential, fingerprint, formatCredential } from "../logins/credential.ts";
import { type Home, makeHome } from "../logins/homes.ts";
import { tryHomeLock } from "../logins/locks/home-lock.ts";
import type { Endpoints } from "../protocol/endpoints.ts";
import { KimiError, systemErrorCode } from "../protocol/errors.ts";
import { pluginStateDir } from "./state-dir.ts";

/** How long a home may wait for its profile to be stored, in ms. */
const UNCLAIMED_LIMIT_MS = 24 * 60 * 60_000;

/** The end of a slot: stands for the addresses that the login belongs to. */
function addressTag({ oauthHost, apiBase }: Endpoints): string {
  return fingerprint(`${oauthHost}\0${apiBase}`).slice(0, 8);
}

/** A new home for a login that is about to be made; nothing is written yet. */
export function newOwnHome(endpoints: Endpoints, prefix: "login" | "personal" = "login"): Home {
  const slot = `${prefix}-${randomBytes(8).toString("hex")}-${addressTag(endpoints)}`;
  return makeHome("openclaw", pluginStateDir(), slot, endpoints);
}

/**
 * The mark of a home whose profile nobody has seen yet: the host stores a profile some time after
 * the sign-in has returned. It holds the id of the process that signs in.
 */
export function unclaimedMark(home: Pick<Home, "file">): string {
  return `${home.file}.unclaimed`;
}

/** True while the process that signed in may still be about to store the profile. */
export async function isBeingClaimed(home: Pick<Home, "file">): Promise<boolean> {
  const mark = unclaimedMark(home);
  try {
    const { mtimeMs } = await fs.stat(mark);
    if (Date.now() - mtimeMs > UNCLAIMED_LIMIT_MS) {
      return false;
    }
    const pid = Number(await fs.readFile(mark, "utf8"));
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    // EPERM would mean a live process of another user.
    return systemErrorCode(error) === "EPERM";
  }
}

/**
 * Checks, before anyone is asked to approve a sign-in, that its tokens will have a place.
 *
 * @throws KimiError `home_not_writable`
 */
export async function checkOwnHomesWritable(): Promise<void> {
  let dir = path.join(pluginStateDir(), "credentials");
  while (!existsSync(dir) && path.dirname(dir) !== dir) {
    dir = path.dirname(dir);
  }
  try {
    // The slash makes it an error when a file is in the folder's place.
    await fs.access(`${dir}${path.sep}`, fs.constants.W_OK | fs.constants.X_OK);
  } catch {
    throw notWritable();
  }
}

function notWritable(): KimiError {
  return new KimiError(
    "home_not_writable",
    `A new login could not be kept in ${pluginStateDir()}. Make that folder writable and sign in again.`,
  );
}

/**
 * Puts a new login into its home: complete and on the disk, or not at all.
 *
 * @throws KimiError `home_not_writable`; nothing is left behind then
 */
export async function createOwnHome(home: Home, credential: Credential): Promise<void> {
  const dir = path.dirname(home.file);
  const temp = `${home.file}.tmp.${String(process.pid)}.${randomBytes(4).toString("hex")}`;
  try {
    for (const folder of [home.dir, dir]) {
      await fs.mkdir(folder, { recursive: true, mode: 0o700 });
      await fs.chmod(folder, 0o700);
    }
    await fs.writeFile(unclaimedMark(home), String(process.pid), { flag: "wx", mode: 0o600 });
    const handle = await fs.open(temp, "wx", 0o600);
    try {
      await handle.writeFile(formatCredential(credential, home.style));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await fs.rename(temp, home.file);
  } catch {
    for (const file of [temp, home.file, unclaimedMark(home)]) {
      await fs.rm(file, { force: true }).catch(() => undefined);
    }
    throw notWritable();
  }
}

/**
 * Removes a home with everything that belongs to it. Under its lock, so that a refresh under way
 * ends first; a later one finds no login there and makes none.
 *
 * @returns false when a refresh is under way, and nothing was removed
 */
export async function removeOwnHome(home: Home): Promise<boolean> {
  const lock = await tryHomeLock(home);
  if (lock === undefined) {
    return false;
  }
  try {
    const dir = path.dirname(home.file);
    const name = path.basename(home.file);
    for (const entry of await fs.readdir(dir).catch(() => [])) {
      if (entry === name || entry.startsWith(`${name}.`)) {
        await fs.rm(path.join(dir, entry), { force: true });
      }
    }
  } finally {
    await lock.release();
  }
  if (home.lock.kind === "directory") {
    await fs.rm(home.lock.target, { force: true });
  }
  return true;
}

/**
 * The home of a profile in the state folder that is in use now. A profile names its home by its full
 * path, so that a copy of a state folder shares the login with the original and does not split its
 * chain; a folder that was moved takes its homes along.
 *
 * @throws KimiError `login_missing` when the home belongs to other addresses than the profile says:
 *   tokens of the one must not be sent to the other
 */
export function presentOwnHome(home: Home): Home {
  if (!home.slot.endsWith(`-${addressTag(home.endpoints)}`)) {
    throw new KimiError(
      "login_missing",
      "This profile names a login that belongs to another address. Sign in again with: openclaw models auth login --provider kimi-code --device-code",
    );
  }
  const dir = pluginStateDir();
  return home.dir === dir || existsSync(home.dir)
    ? home
    : makeHome(home.kind, dir, home.slot, home.endpoints);
}
