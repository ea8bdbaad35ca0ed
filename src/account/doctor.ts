/**
 * What `openclaw doctor` and a failed refresh say about a Kimi login: whose it is, where it is stored,
 * when it was last refreshed, what is wrong with it and the one command that fixes it. Makes no network
 * calls and shows no token.
 */

import type { ProviderPlugin } from "openclaw/plugin-sdk/plugin-entry";
import { DEFAULT_PROFILE_ID } from "../constants.ts";
import { ofProfile, say } from "../messages.ts";
import type { Credential } from "../logins/credential.ts";
import { homeError } from "../logins/home-error.ts";
import { readHome } from "../logins/home-file.ts";
import type { Home } from "../logins/homes.ts";
import { checkAccount } from "../logins/account-check.ts";
import { isKimiError } from "../protocol/errors.ts";
import { regionLabel } from "../protocol/endpoints.ts";
import { type BoundLogin, bindProfile } from "../profiles/bound-login.ts";
import { accountName } from "../profiles/profiles.ts";
import { endedMessage } from "../profiles/login-notes.ts";
import {
  isFenced,
  isFenceFailed,
  isKimiProfile,
  type OAuthProfile,
} from "../host/profile-shape.ts";

type HintContext = Parameters<NonNullable<ProviderPlugin["buildAuthDoctorHint"]>>[0];

/** Time since the tokens were issued, in ms; the home keeps their end and their lifetime. */
function refreshedAgo({ expiresAtMs, expiresInS }: Credential, nowMs: number): number | undefined {
  const issuedMs = expiresAtMs - expiresInS * 1_000;
  const isKnown = expiresInS > 0 && issuedMs > 0 && issuedMs <= nowMs;
  return isKnown ? nowMs - issuedMs : undefined;
}

/** Whose login it is, where it is kept and when it was last refreshed: one sentence. */
export function describeHome(home: Home, nowMs: number, account?: string): string {
  const found = readHome(home);
  return say.login({
    owner: home.kind,
    account,
    site: regionLabel(home.endpoints),
    file: home.file,
    refreshedAgoMs: found.status === "valid" ? refreshedAgo(found.credential, nowMs) : undefined,
  });
}

/** How a login stands; one line. */
async function describeLoginState(
  profile: OAuthProfile,
  login: BoundLogin,
  nowMs: number,
): Promise<string> {
  const { home } = login;
  const about = describeHome(home, nowMs, accountName(home, profile));
  const state = readHome(home);
  if (state.status !== "valid") {
    return `${about} ${homeError(home, state).message}`;
  }
  const { credential } = state;
  try {
    checkAccount(home, credential, profile.accountId);
  } catch (error) {
    return isKimiError(error) ? `${about} ${error.message}` : about;
  }
  const ended = await endedMessage(login, credential);
  if (ended !== undefined) {
    return `${about} ${ended}`;
  }
  if (isFenceFailed(profile)) {
    // The host already prints Kimi's message before this hint.
    return about;
  }
  if (isFenced(profile)) {
    return `${about} ${say.copyLocked()}`;
  }
  return credential.expiresAtMs > nowMs ? `${about} ${say.fine()}` : `${about} ${say.outOfDate()}`;
}

/** A sentence with a command for this profile; the host writes its id in front. */
function addressed(sentence: string, { profileId = DEFAULT_PROFILE_ID }: HintContext): string {
  const isDefault = profileId === DEFAULT_PROFILE_ID;
  return ofProfile(sentence, { profileId, isDefault, label: undefined, isOneOfSeveral: false });
}

/** The host's hint for a profile with an issue; nothing for a profile that is not ours. */
export async function authDoctorHint(ctx: HintContext): Promise<string | undefined> {
  const profile: unknown =
    ctx.profileId === undefined ? undefined : ctx.store.profiles[ctx.profileId];
  if (!isKimiProfile(profile)) {
    return undefined;
  }
  try {
    const login = bindProfile(profile);
    login.claim();
    return addressed(await describeLoginState(profile, login, Date.now()), ctx);
  } catch (error) {
    return isKimiError(error) ? addressed(error.message, ctx) : undefined;
  }
}

/** What is wrong and how to go on; the host asks before it runs anything. */
export function missingAuthMessage(ctx: {
  readonly provider: string;
  readonly listProfileIds: (provider: string) => readonly string[];
}): string {
  return ctx.listProfileIds(ctx.provider).length === 0 ? say.noProfile() : say.profileUnusable();
}
