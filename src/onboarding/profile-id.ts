/** Where a login is stored when a user cannot name the profile: in the Control UI, an app, a private chat. */

import { DEFAULT_PROFILE_ID, PROVIDER_ID } from "../constants.ts";
import { isKimiProfile, isSameAccount, type OAuthProfile } from "../host/profile-shape.ts";
import { providerAuthSdk } from "../host/sdk.ts";

/**
 * The profile of the same account, else the default one; a new one where that belongs to another
 * account, because "Add account" must not take the place of the account that is there.
 */
export function profileIdFor(profile: OAuthProfile, agentDir: string | undefined): string {
  const { profiles } = providerAuthSdk().ensureAuthProfileStore(agentDir, {
    allowKeychainPrompt: false,
  });
  const known: Readonly<Record<string, unknown>> = profiles;
  const ids = [DEFAULT_PROFILE_ID, ...Object.keys(known)];
  const same = ids.find((id) => isSameAccount(known[id], profile));
  if (same !== undefined) {
    return same;
  }
  const first = known[DEFAULT_PROFILE_ID];
  // In doubt, it is the same account that signs in again.
  if (!isKimiProfile(first) || first.accountId === undefined || profile.accountId === undefined) {
    return DEFAULT_PROFILE_ID;
  }
  for (let number = 2; ; number += 1) {
    const id = `${PROVIDER_ID}:${String(number)}`;
    if (known[id] === undefined) {
      return id;
    }
  }
}
