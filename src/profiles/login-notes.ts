/**
 * What OpenClaw's state remembers about a login: whose it is, and that Kimi has ended it. The second
 * is for `openclaw doctor`, which makes no network calls.
 */

import { isMainThread } from "node:worker_threads";
import { z } from "zod";
import { readNote, writeNote } from "../host/state.ts";
import { type Credential, fingerprint } from "../logins/credential.ts";
import { readHome } from "../logins/home-file.ts";
import type { Home } from "../logins/homes.ts";
import type { AccountMemory } from "../logins/login-deps.ts";
import { isKimiError } from "../protocol/errors.ts";

const accountNote = z.object({ of: z.string(), accountId: z.string().min(1).max(256) });

/**
 * Remembers whose login is in a home, by the fingerprint of its refresh token.
 *
 * @param key - of the home, whatever its account
 */
export function accountMemory(key: string): AccountMemory {
  const name = `account-${key}.json`;
  return {
    recall: async (of) => {
      const note = accountNote.safeParse(await readNote(name)).data;
      return note?.of === of ? note.accountId : undefined;
    },
    remember: async (of, accountId) => {
      await writeNote(name, { of, accountId });
    },
  };
}

/** A login as far as its note is concerned. */
interface NotedLogin {
  readonly home: Home;
  readonly key: string;
}

/** The refresh token that Kimi rejected, by its fingerprint, and what the user was told. */
const endedNote = z.object({ of: z.string(), message: z.string().max(8_192) });

function endedNoteOf({ key }: NotedLogin): string {
  return `ended-${key}.json`;
}

/** Notes that Kimi has ended a login, if that is what an error says; never in a worker thread. */
export async function noteIfEnded(error: unknown, login: NotedLogin): Promise<void> {
  if (!isMainThread || !isKimiError(error) || error.code !== "login_ended") {
    return;
  }
  const home = readHome(login.home);
  if (home.status === "valid") {
    const of = fingerprint(home.credential.refreshToken);
    await writeNote(endedNoteOf(login), { of, message: error.message });
  }
}

/** What the user was told when Kimi rejected this very credential; `undefined` if it has not. */
export async function endedMessage(
  login: NotedLogin,
  { refreshToken }: Credential,
): Promise<string | undefined> {
  const note = endedNote.safeParse(await readNote(endedNoteOf(login))).data;
  return note?.of === fingerprint(refreshToken) ? note.message : undefined;
}
