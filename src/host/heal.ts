/**
 * Replaces a fence that nobody will settle any more.
 *
 * The host puts a fence in place of a profile's tokens before it refreshes. When the process dies,
 * or Kimi ended the login, the fence stays and the profile is locked. The tokens are in the home, so
 * the profile can be made from it again, unless a refresh of that login is under way: then the fence
 * belongs to a live process.
 */

import { readHome } from "../logins/home-file.ts";
import { isHomeLocked } from "../logins/locks/home-lock.ts";
import { type ProfilePlace, profilePlaces, profilesIn } from "./at-start.ts";
import { homeOfProfile, projected } from "./profile.ts";
import { isFenced, isFenceFailed, isOwnProfile, type OAuthProfile } from "./profile-shape.ts";
import { recheck } from "./recheck.ts";
import { providerAuthSdk } from "./sdk.ts";

/** How long the host may take to put its marker there for good, in ms. */
const SETTLE_LIMIT_MS = 10_000;
/** How long a profile that cannot be healed yet is looked at again, in ms; the host waits for its fence as long. */
const RECHECK_LIMIT_MS = 120_000;

type Credential = ReturnType<typeof profilesIn>[number][1];

/** What one look at the stores came to. */
type HealResult = "nothing" | "healed" | "locked";

/** Heals every profile that can be healed now and whose fence is meant. */
export function healOnce(isMeant: (profile: OAuthProfile) => boolean = isFenced): HealResult {
  const sdk = providerAuthSdk();
  let result: HealResult = "nothing";
  for (const place of profilePlaces()) {
    for (const [profileId, profile] of profilesIn(place)) {
      if (profile.type !== "oauth" || !isOwnProfile(profile) || !isMeant(profile)) {
        continue;
      }
      const healed = healedProfile(profile);
      if (healed === "locked") {
        result = "locked";
        continue;
      }
      if (healed === undefined) {
        continue;
      }
      result = result === "locked" ? result : "healed";
      if (place.profileId !== undefined) {
        void healPersonal(place.profileId, healed);
      } else {
        sdk.upsertAuthProfile({ profileId, credential: healed, ...place });
        void endCooldown(profileId, place);
      }
    }
  }
  return result;
}

function healedProfile<T extends OAuthProfile>(profile: T): T | "locked" | undefined {
  try {
    const home = homeOfProfile(profile, process.env);
    if (isHomeLocked(home)) {
      return "locked";
    }
    const state = readHome(home);
    return projected(profile, state.state === "valid" ? state.credential : undefined);
  } catch {
    // A profile without a home cannot be healed; the next use says what to do.
    return undefined;
  }
}

/**
 * Replaces the fence in a personal account, together with the pause that the host imposed. The host
 * writes these accounts before this function returns, so that whoever reads one next finds it healed.
 */
async function healPersonal(profileId: string, healed: Credential): Promise<void> {
  await providerAuthSdk().updateAuthProfileStoreWithLock({
    profileId,
    updater: (store) => {
      const profile: unknown = store.profiles[profileId];
      if (!isOwnProfile(profile) || !isFenced(profile)) {
        return false;
      }
      store.profiles[profileId] = healed;
      store.usageStats = {};
      return true;
    },
  });
}

/** Ends the pause that the host imposed when the fence was put there for good. */
async function endCooldown(profileId: string, place: ProfilePlace): Promise<void> {
  await providerAuthSdk().updateAuthProfileStoreWithLock({
    ...place,
    profileId,
    updater: (store) => {
      if (store.usageStats?.[profileId] === undefined) {
        return false;
      }
      const { [profileId]: _ended, ...others } = store.usageStats;
      store.usageStats = others;
      return true;
    },
  });
}

/** Heals now what can be healed, and the rest as soon as its home is free. */
export function healProfiles(): void {
  if (healOnce() === "locked") {
    recheck(RECHECK_LIMIT_MS, () => healOnce() !== "locked");
  }
}

/**
 * Takes away the fence that the host is about to put there for good, because Kimi ended the login.
 * With it in place, the host would say no more than that there are no credentials, even after the
 * user has signed in again; without it, each turn asks the home and hears how things are.
 */
export function liftComingFence(): void {
  recheck(SETTLE_LIMIT_MS, () => healOnce(isFenceFailed) === "healed");
}
