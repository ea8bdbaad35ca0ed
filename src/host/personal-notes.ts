/**
 * Which personal accounts have a home here. The host keeps a person's own accounts apart and lists
 * them to nobody; but reads one for anyone who knows its id. So the id is noted beside the home when
 * the account is used, and a fence that a crash left in it can be found.
 */

import { readFileSync } from "node:fs";
import path from "node:path";
import { ownHomesDir, PERSONAL_SLOT, slotsWith } from "../logins/openclaw-slots.ts";

/** End of a note's name. */
export const ACCOUNT_NOTE = ".json.account";

/** The accounts that were noted: slot and profile id of each. */
export function personalAccounts(): { readonly slot: string; readonly profileId: string }[] {
  return slotsWith(ACCOUNT_NOTE, PERSONAL_SLOT).flatMap((slot) => {
    try {
      return [
        {
          slot,
          profileId: readFileSync(path.join(ownHomesDir(), `${slot}${ACCOUNT_NOTE}`), "utf8"),
        },
      ];
    } catch {
      return [];
    }
  });
}
