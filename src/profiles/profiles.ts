/**
 * The profile in OpenClaw's store as a projection of a home: which members it has, and how the home
 * is found again from them.
 */

import type { OpenClawConfig } from "openclaw/plugin-sdk/provider-auth";
import type { Account } from "../protocol/account-id.ts";
import { CLIENT_ID, type Env, regionLabel, tokenEndpointOf } from "../protocol/endpoints.ts";
import { PROVIDER_ID } from "../constants.ts";
import { ownerLabel } from "../messages.ts";
import type { Credential } from "../logins/credential.ts";
import { bindingOf, type Home, homeOfBinding } from "../logins/homes.ts";
import { homeInStateDir } from "../logins/openclaw-home.ts";
import { isKimiProfile, NO_TOKEN, type OAuthProfile } from "../host/profile-shape.ts";
import { providerAuthSdk } from "../host/sdk.ts";
import { pluginStateDir } from "../host/state.ts";

/** An expiry long past, ms since the epoch; the host refuses 0. */
const LONG_EXPIRED_MS = 1_000;

/**
 * The home that a profile names. Writes nothing.
 *
 * @throws KimiError when the profile does not name one that can be used
 */
export function homeOfProfile(profile: OAuthProfile, env: Env): Home {
  const named = homeOfBinding(profile, env);
  return named.kind === "openclaw" ? homeInStateDir(named, pluginStateDir()) : named;
}

/**
 * Reads one profile of this provider. A personal account is readable by its id only.
 *
 * @returns `undefined` for another provider's profile, or when there is none
 */
export function readProfile(
  agentDir: string | undefined,
  profileId: string,
): OAuthProfile | undefined {
  const options = { allowKeychainPrompt: false, profileId };
  const store = providerAuthSdk().ensureAuthProfileStore(agentDir, options);
  const profile: unknown = store.profiles[profileId];
  return isKimiProfile(profile) ? profile : undefined;
}

/** True where this provider has several profiles, so that a sentence has to say which account it means. */
export function hasSeveralProfiles(agentDir: string | undefined): boolean {
  const store = providerAuthSdk().ensureAuthProfileStore(agentDir, { allowKeychainPrompt: false });
  return Object.values<unknown>(store.profiles).filter(isKimiProfile).length > 1;
}

/** The first profile of this provider in the user's order, with its id. */
export function firstProfile(
  agentDir: string | undefined,
  config: OpenClawConfig | undefined,
): readonly [string, OAuthProfile] | undefined {
  const store = providerAuthSdk().ensureAuthProfileStore(agentDir, { allowKeychainPrompt: false });
  const order = store.order?.[PROVIDER_ID] ?? config?.auth?.order?.[PROVIDER_ID] ?? [];
  for (const profileId of [...order, ...Object.keys(store.profiles)]) {
    const profile: unknown = store.profiles[profileId];
    if (isKimiProfile(profile)) {
      return [profileId, profile];
    }
  }
  return undefined;
}

/** Where a login is, as the lists of the host show it behind the profile's id. */
function placeOf(home: Home): string {
  return `${ownerLabel(home.kind)}, ${regionLabel(home.endpoints)}`;
}

/** What the user of a profile is called at Kimi, if that was known when it was made. */
export function accountName(home: Home, { displayName = "" }: OAuthProfile): string | undefined {
  const place = ` (${placeOf(home)})`;
  return displayName.endsWith(place) ? displayName.slice(0, -place.length) : undefined;
}

/** A new profile for a login. */
export function profileFor(
  home: Home,
  credential: Credential,
  { id: accountId, name }: Account,
): OAuthProfile & { access: string; refresh: string; expires: number } {
  const { authFlow, issuer, enterpriseUrl } = bindingOf(home);
  const place = placeOf(home);
  return {
    type: "oauth",
    provider: PROVIDER_ID,
    access: credential.accessToken,
    refresh: credential.refreshToken,
    expires: credential.expiresAtMs,
    displayName: name === undefined ? place : `${name} (${place})`,
    clientId: CLIENT_ID,
    tokenEndpoint: tokenEndpointOf(home.endpoints),
    ...(authFlow === undefined ? {} : { authFlow }),
    ...(issuer === undefined ? {} : { issuer }),
    ...(enterpriseUrl === undefined ? {} : { enterpriseUrl }),
    ...(accountId === undefined ? {} : { accountId }),
  };
}

/** A profile with the tokens of its home; without tokens when the home has none. */
export function projected<T extends OAuthProfile>(
  profile: T,
  credential: Credential | undefined,
): T {
  return {
    ...profile,
    access: credential?.accessToken ?? NO_TOKEN,
    refresh: credential?.refreshToken ?? NO_TOKEN,
    expires: credential?.expiresAtMs ?? LONG_EXPIRED_MS,
  };
}

/** True when a profile already has what its home holds. */
export function isCurrent(profile: OAuthProfile, credential: Credential): boolean {
  return (
    profile.access === credential.accessToken &&
    profile.refresh === credential.refreshToken &&
    profile.expires === credential.expiresAtMs
  );
}
