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
import { formatCredential } from "./credential.ts";
import type { Home } from "./homes.ts";
import { createPrivateFile } from "./private-file.ts";
import { KimiError } from "../protocol/errors.ts";
import { makeFolders } from "./openclaw-home.ts";
import { PERSONAL_SLOT } from "./openclaw-slots.ts";
import { hasTokens, type OAuthProfile } from "../host/profile-shape.ts";

/** The content of a home that takes over a profile's tokens. */
function contentOf(profile: OAuthProfile, home: Home): string {
  const members = {
    access_token: profile.access,
    refresh_token: profile.refresh,
    expires_at: Math.floor(profile.expires / 1_000),
    scope: "",
    token_type: "Bearer",
    // The profile does not say how long its tokens lived.
    expires_in: 0,
  };
  return formatCredential({ members }, home.style);
}

/**
 * Makes the home of a personal account at its first use. Synchronous, like the reading of a profile;
 * it costs one `stat` afterwards.
 *
 * @param profile - the person's profile; a fence or a stand-in for tokens is taken over by nobody
 * @throws KimiError `home_not_writable`; no token is spent then
 */
export function ensurePersonalHome(home: Home, profile: OAuthProfile): void {
  if (!PERSONAL_SLOT.test(home.slot) || !hasTokens(profile) || existsSync(home.file)) {
    return;
  }
  try {
    makeFolders(home);
    // Another process may make it at the same moment, from the same tokens.
    createPrivateFile(home.file, contentOf(profile, home), { durable: true });
  } catch {
    throw new KimiError(
      "home_not_writable",
      `This account's login could not be saved in ${path.dirname(home.file)}. Make that folder writable and try again; you are still signed in.`,
    );
  }
}
