/**
 * Which personal accounts have a home here. The host keeps a person's own accounts apart and lists
 * them to nobody; whoever knows an account's id may read it. So the id is noted beside the home when
 * the account is used, and a fence that a crash left in it can be found.
 */

import { readFileSync } from "node:fs";
import path from "node:path";
import { writePrivateFile } from "../private-file.ts";
import { ownHomesDir, PERSONAL_SLOT, slotsWith } from "./own-slots.ts";

const NOTE = ".json.account";
const noted = new Set<string>();

/** Notes whose home this is; at most once in this process, and never a reason to fail. */
export function notePersonalAccount(slot: string, profileId: string): void {
  const file = path.join(ownHomesDir(), `${slot}${NOTE}`);
  if (!PERSONAL_SLOT.test(slot) || noted.has(file)) {
    return;
  }
  try {
    writePrivateFile(file, profileId);
    noted.add(file);
  } catch {
    // The account works without the note; only a leftover fence in it would go unnoticed.
  }
}

/** The accounts that were noted: slot and profile id of each. */
export function personalAccounts(): { readonly slot: string; readonly profileId: string }[] {
  return slotsWith(NOTE, PERSONAL_SLOT).flatMap((slot) => {
    try {
      return [{ slot, profileId: readFileSync(path.join(ownHomesDir(), `${slot}${NOTE}`), "utf8") }];
    } catch {
      return [];
    }
  });
}
