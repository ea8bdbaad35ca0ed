/** Names and folder of own homes, for code that must load nothing to look whether there are any. */

import { readdirSync } from "node:fs";
import path from "node:path";
import { PLUGIN_ID } from "../constants.ts";
import { statePathsSdk } from "../host/sdk.ts";

/** Slots of homes that a sign-in made. */
export const OWN_SLOT = /^login-[0-9a-f]{16}-[0-9a-f]{8}$/;
/** Slots of homes of personal accounts. */
export const PERSONAL_SLOT = /^personal-[0-9a-f]{16}-[0-9a-f]{8}$/;

/** The folder of own homes. */
export function ownHomesDir(): string {
  return path.join(statePathsSdk().resolveStateDir(process.env), PLUGIN_ID, "credentials");
}

/**
 * The slots with a file of this ending in the folder of own homes.
 *
 * @param ending - from the first dot on, e.g. `.json`
 */
export function slotsWith(ending: string, pattern: RegExp): string[] {
  let names: string[];
  try {
    names = readdirSync(ownHomesDir());
  } catch {
    return [];
  }
  return names
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice(0, -ending.length))
    .filter((slot) => pattern.test(slot));
}
