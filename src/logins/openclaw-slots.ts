/**
 * Names and notes of the homes that belong to OpenClaw. Light: this loads with the plugin, to see
 * whether there are any such homes at all.
 */

import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** Slots of homes that a sign-in made. */
export const LOGIN_SLOT = /^login-[0-9a-f]{16}-[0-9a-f]{8}$/;
/** Slots of homes of personal accounts. */
export const PERSONAL_SLOT = /^personal-[0-9a-f]{16}-[0-9a-f]{8}$/;
/** End of the name of the note that says whose personal account a home is. */
export const ACCOUNT_NOTE = ".json.account";

/**
 * The folder of these homes.
 *
 * @param stateDir - the plugin's folder in OpenClaw's state
 */
export function openClawHomesDir(stateDir: string): string {
  return path.join(stateDir, "credentials");
}

/**
 * The slots that have a file with this ending.
 *
 * @param ending - from the first dot on, e.g. `.json`
 */
export function slotsWith(stateDir: string, ending: string, pattern: RegExp): string[] {
  let names: string[];
  try {
    names = readdirSync(openClawHomesDir(stateDir));
  } catch {
    return [];
  }
  return names
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice(0, -ending.length))
    .filter((slot) => pattern.test(slot));
}

/** True when there is a home whose profile may be gone. */
export function hasOpenClawHomes(stateDir: string): boolean {
  return [LOGIN_SLOT, PERSONAL_SLOT].some((slot) => slotsWith(stateDir, ".json", slot).length > 0);
}

/** A personal account that has a home here. */
export interface PersonalAccount {
  readonly slot: string;
  readonly profileId: string;
}

/**
 * The personal accounts that were noted. The host never lists a person's own accounts, but reads
 * one by its id; so the id is noted beside the home when the account is used.
 */
export function personalAccounts(stateDir: string): PersonalAccount[] {
  return slotsWith(stateDir, ACCOUNT_NOTE, PERSONAL_SLOT).flatMap((slot) => {
    try {
      const file = path.join(openClawHomesDir(stateDir), `${slot}${ACCOUNT_NOTE}`);
      return [{ slot, profileId: readFileSync(file, "utf8") }];
    } catch {
      return [];
    }
  });
}
