/** Remembers that Kimi has ended a login, for `openclaw doctor`, which asks nobody. */

import { z } from "zod";
import { type Credential, fingerprint } from "../logins/credential.ts";
import { readHome } from "../logins/home-file.ts";
import { isKimiError } from "../protocol/errors.ts";
import { loginKey } from "./login-key.ts";
import type { LoginRef } from "./login-ref.ts";
import { readNote, writeNote } from "./state.ts";

/** The refresh token that Kimi refused, by its fingerprint, and what the user was told. */
const noteSchema = z.object({ of: z.string(), message: z.string().max(8_192) });

function noteOf({ home, accountId }: LoginRef): string {
  return `ended-${loginKey(home, accountId)}.json`;
}

/** Notes it, if that is what an error says. */
export async function noteIfEnded(error: unknown, login: LoginRef): Promise<void> {
  if (!isKimiError(error) || error.code !== "login_ended") {
    return;
  }
  const state = readHome(login.home);
  if (state.state === "valid") {
    await writeNote(noteOf(login), {
      of: fingerprint(state.credential.refreshToken),
      message: error.message,
    });
  }
}

/** What the user was told when Kimi refused this very credential; `undefined` if it has not. */
export async function endedMessage(
  login: LoginRef,
  { refreshToken }: Credential,
): Promise<string | undefined> {
  const note = noteSchema.safeParse(await readNote(noteOf(login))).data;
  return note?.of === fingerprint(refreshToken) ? note.message : undefined;
}
