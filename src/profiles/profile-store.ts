/** Reading and correcting this provider's profiles in OpenClaw's store. */

import { existsSync } from "node:fs";
import path from "node:path";
import type { Credential } from "../logins/credential.ts";
import { isCurrent, projected } from "./profiles.ts";
import { notePersonalAccount, noteStore } from "../logins/openclaw-home-notes.ts";
import { OWN_SLOT, ownHomesDir } from "../logins/openclaw-slots.ts";
import { isFenced, isOwnProfile, type OAuthProfile, ownSlotOf } from "../host/profile-shape.ts";
import { providerAuthSdk } from "../host/sdk.ts";

/** Notes which store a home's profile was read from, so that the home is not taken for a lost one. */
function noteOwnStore(slot: string, agentDir: string | undefined): void {
  const file = path.join(ownHomesDir(), `${slot}.json`);
  if (OWN_SLOT.test(slot) && existsSync(file)) {
    noteStore({ file }, agentDir, true);
  }
}

/** Reads one profile of this provider. */
export function readProfile(
  agentDir: string | undefined,
  profileId: string | undefined,
): OAuthProfile | undefined {
  if (profileId === undefined) {
    return undefined;
  }
  const store = providerAuthSdk().ensureAuthProfileStore(agentDir, {
    allowKeychainPrompt: false,
    // A personal account is shown only to whoever asks for it by its id.
    profileId,
  });
  const profile: unknown = store.profiles[profileId];
  if (!isOwnProfile(profile)) {
    return undefined;
  }
  const slot = ownSlotOf(profile);
  if (slot !== undefined) {
    notePersonalAccount(slot, profileId);
    noteOwnStore(slot, agentDir);
  }
  return profile;
}

/**
 * Shows a home's tokens in its profile, so that the host sees their true expiry.
 *
 * A fence is left alone: whoever put it there settles it. So is a profile that has been given another
 * home or account since.
 *
 * @param bound - the profile as it was when the tokens were asked for
 */
export async function projectToStore(
  agentDir: string | undefined,
  profileId: string,
  bound: OAuthProfile,
  credential: Credential,
): Promise<void> {
  const isMeant = (profile: OAuthProfile): boolean =>
    profile.authFlow === bound.authFlow &&
    profile.accountId === bound.accountId &&
    !isFenced(profile) &&
    !isCurrent(profile, credential);
  const before = readProfile(agentDir, profileId);
  if (before === undefined || !isMeant(before)) {
    return;
  }
  await providerAuthSdk().updateAuthProfileStoreWithLock({
    ...(agentDir === undefined ? {} : { agentDir }),
    profileId,
    updater: (store) => {
      const profile = store.profiles[profileId];
      if (profile?.type !== "oauth" || !isOwnProfile(profile) || !isMeant(profile)) {
        return false;
      }
      store.profiles[profileId] = projected(profile, credential);
      return true;
    },
  });
}
