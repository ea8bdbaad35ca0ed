/**
 * Notes beside a home of OpenClaw's: which profile stores name it, and whose personal account it is.
 *
 * The host does not tell where its stores are: an agent's may be anywhere, and only the command that
 * signed in may know the place. So a note lists the stores that name a home, and says whether its
 * profile was ever seen there.
 */

import { readFileSync } from "node:fs";
import path from "node:path";
import { isMainThread } from "node:worker_threads";
import type { Home } from "./homes.ts";
import { writePrivateFile } from "./private-file.ts";
import { processState } from "../process-state.ts";
import { isRecord } from "../json.ts";
import { ACCOUNT_NOTE, openClawHomesDir, PERSONAL_SLOT } from "./openclaw-slots.ts";

/** The note of a home. */
export interface StoresNote {
  /** Folders of agents; the empty text stands for the store that all share. */
  readonly stores: readonly string[];
  /** True once a profile in one of them was seen to name the home. */
  readonly claimed: boolean;
}

/** The note's file. */
export function storesFile(home: Pick<Home, "file">): string {
  return `${home.file}.stores`;
}

/** Reads a home's note; one that cannot be read says nothing. */
export function readStores(home: Pick<Home, "file">): StoresNote {
  try {
    const note: unknown = JSON.parse(readFileSync(storesFile(home), "utf8"));
    if (isRecord(note) && Array.isArray(note.stores)) {
      const stores = note.stores.filter((store) => typeof store === "string");
      return { stores, claimed: note.claimed === true };
    }
  } catch {
    // There is none.
  }
  return { stores: [], claimed: false };
}

/**
 * Notes that a store names a home, or will.
 *
 * @param agentDir - the store's folder; `undefined` for the one that all share
 * @param claimed - a profile in it was seen to name the home
 */
export function noteStore(
  home: Pick<Home, "file">,
  agentDir: string | undefined,
  claimed: boolean,
): void {
  const store = agentDir ?? "";
  const noted = processState("home-stores", () => new Set<string>());
  const key = [home.file, store, claimed].join("\0");
  if (!isMainThread || noted.has(key)) {
    return;
  }
  const note = readStores(home);
  if (!note.stores.includes(store) || note.claimed !== (note.claimed || claimed)) {
    try {
      writePrivateFile(
        storesFile(home),
        JSON.stringify({
          stores: [...new Set([...note.stores, store])],
          claimed: note.claimed || claimed,
        }),
      );
    } catch {
      return; // The login works without the note; the next use tries again.
    }
  }
  noted.add(key);
}

function notedAccounts(): Set<string> {
  return processState("personal-notes", () => new Set<string>());
}

/** Notes whose home this is; at most once in this process, and never a reason to fail. */
export function notePersonalAccount(home: Home, profileId: string): void {
  const { slot } = home;
  const file = path.join(openClawHomesDir(home.dir), `${slot}${ACCOUNT_NOTE}`);
  if (!PERSONAL_SLOT.test(slot) || notedAccounts().has(file)) {
    return;
  }
  try {
    writePrivateFile(file, profileId);
    notedAccounts().add(file);
  } catch {
    // The account works without the note; only a leftover fence in it would go unnoticed.
  }
}
