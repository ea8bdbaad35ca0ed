/**
 * Follows a home whose login Kimi has ended, until its owner signs in again. Only then is there
 * anything to watch; a living login is read when it is used.
 */

import { unwatchFile, watchFile } from "node:fs";
import { readHome } from "../logins/home-file.ts";
import type { Home } from "../logins/homes.ts";
import { healProfiles } from "./heal.ts";

/** How often the file is looked at, in ms. */
const LOOK_MS = 1_000;

const followed = new Set<string>();

/** Puts the profiles of a home right as soon as it holds a login again. */
export function followEndedLogin(home: Home): void {
  if (followed.has(home.file)) {
    return;
  }
  followed.add(home.file);
  const before = readHome(home);
  const ended = before.state === "valid" ? before.credential.refreshToken : undefined;
  const look = (): void => {
    const state = readHome(home);
    if (state.state === "valid" && state.credential.refreshToken !== ended) {
      unwatchFile(home.file, look);
      followed.delete(home.file);
      healProfiles();
    }
  };
  watchFile(home.file, { interval: LOOK_MS, persistent: false }, look);
}
