/**
 * Homes of personal accounts: a person's own login on a shared gateway.
 *
 * The host alone may keep what such a sign-in returns, and a method that writes anything is not
 * allowed to offer it. So the home is made when the account is used for the first time: it takes the
 * tokens over from the person's profile before any of them is spent, and is the login's home from
 * then on.
 */

import { existsSync } from "node:fs";
import path from "node:path";
import { say } from "../messages.ts";
import { KimiError } from "../protocol/errors.ts";
import { formatCredential } from "./credential.ts";
import type { Home } from "./homes.ts";
import { makeFolders } from "./openclaw-home.ts";
import { PERSONAL_SLOT } from "./openclaw-slots.ts";
import { createPrivateFile } from "./private-file.ts";

/** The tokens that a person's profile holds. */
export interface ProfileTokens {
  readonly access: string;
  readonly refresh: string;
  /** End of the access token's life, ms since the epoch. */
  readonly expires: number;
}

/** The content of a home that takes over a profile's tokens. */
function contentOf({ access, refresh, expires }: ProfileTokens, home: Home): string {
  const members = {
    access_token: access,
    refresh_token: refresh,
    expires_at: Math.floor(expires / 1_000),
    scope: "",
    token_type: "Bearer",
    // The profile does not say how long its tokens lived.
    expires_in: 0,
  };
  return formatCredential({ members }, home.style);
}

/** True for the home of a personal account that was not used yet. */
export function awaitsAdoption(home: Home): boolean {
  return PERSONAL_SLOT.test(home.slot) && !existsSync(home.file);
}

/**
 * Makes the home of a personal account from the tokens in its profile.
 *
 * @throws KimiError `home_not_writable`; no token is spent then
 */
export function adoptPersonalAccount(home: Home, tokens: ProfileTokens): void {
  try {
    makeFolders(home);
    // Another process may make it at the same moment, from the same tokens.
    createPrivateFile(home.file, contentOf(tokens, home), { durable: true });
  } catch {
    const folder = path.dirname(home.file);
    throw new KimiError("home_not_writable", say.personalNotSaved({ folder }));
  }
}
