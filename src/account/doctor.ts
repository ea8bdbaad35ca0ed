/**
 * What `openclaw doctor` and a failed refresh say about a Kimi login: whose it is, where its home is,
 * when it was last refreshed, what is wrong with it and the one command that mends it. Reads files
 * only; asks nobody, changes nothing and shows no token.
 */

import type { ProviderPlugin } from "openclaw/plugin-sdk/plugin-entry";
import type { Credential } from "../logins/credential.ts";
import { homeError } from "../logins/home-error.ts";
import { readHome } from "../logins/home-file.ts";
import { type Home, ownerLabel } from "../logins/homes.ts";
import { checkAccount } from "../logins/account-check.ts";
import { isKimiError } from "../protocol/errors.ts";
import { regionLabel } from "../protocol/endpoints.ts";
import { type BoundLogin, bindProfile } from "../profiles/bound-login.ts";
import { endedMessage } from "../profiles/login-notes.ts";
import {
  isFenced,
  isFenceFailed,
  isKimiProfile,
  type OAuthProfile,
} from "../host/profile-shape.ts";

type HintContext = Parameters<NonNullable<ProviderPlugin["buildAuthDoctorHint"]>>[0];

function ago(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) {
    return "less than a minute ago";
  }
  if (minutes < 120) {
    return `${String(minutes)} min ago`;
  }
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${String(hours)} h ago` : `${String(Math.floor(hours / 24))} days ago`;
}

/** When a pair was issued, in words; the home keeps its end and its lifetime. */
function lastRefresh(credential: Credential, nowMs: number): string {
  const issuedMs = credential.expiresAtMs - credential.expiresInS * 1000;
  return credential.expiresInS > 0 && issuedMs > 0 && issuedMs <= nowMs
    ? `refreshed ${ago(nowMs - issuedMs)}`
    : "last refresh unknown";
}

function chainOf(home: Home): string {
  return home.kind === "openclaw"
    ? "OpenClaw's own login"
    : `shared with the ${ownerLabel(home.kind)}`;
}

/** Whose login it is, where its home is and when it was last refreshed: one sentence. */
export function describeHome(home: Home, nowMs: number): string {
  const where = `Kimi login ${chainOf(home)}, ${regionLabel(home.endpoints)}, home ${home.file}`;
  const state = readHome(home);
  return state.state === "valid"
    ? `${where}, ${lastRefresh(state.credential, nowMs)}.`
    : `${where}.`;
}

/** How a login stands; one line. */
async function describeLoginState(
  profile: OAuthProfile,
  login: BoundLogin,
  nowMs: number,
): Promise<string> {
  const { home } = login;
  const about = describeHome(home, nowMs);
  const state = readHome(home);
  if (state.state !== "valid") {
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
    // What Kimi said stands before this hint.
    return about;
  }
  if (isFenced(profile)) {
    return `${about} OpenClaw's copy is locked by a refresh that did not end. It is made anew from the home when OpenClaw starts: openclaw gateway restart`;
  }
  return credential.expiresAtMs > nowMs
    ? `${about} All is well: Kimi's tokens live for minutes and are renewed while they are used.`
    : `${about} The token is out of date, which is normal when nobody used it; the next use renews it. To ask Kimi now: openclaw models status`;
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
    return await describeLoginState(profile, login, Date.now());
  } catch (error) {
    return isKimiError(error) ? error.message : undefined;
  }
}

/** What is wrong and how to go on; the host asks before it runs anything. */
export function missingAuthMessage(ctx: {
  readonly provider: string;
  readonly listProfileIds: (provider: string) => readonly string[];
}): string {
  return ctx.listProfileIds(ctx.provider).length === 0
    ? "OpenClaw has no Kimi login yet. Sign in with: openclaw models auth login --provider kimi-code"
    : "OpenClaw cannot use its Kimi login right now. See what is wrong with: openclaw doctor";
}
