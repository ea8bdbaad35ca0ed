/**
 * Replaces a fence whose refresh will never finish.
 *
 * The host puts a fence in place of a profile's tokens before it refreshes. When the process dies,
 * or Kimi ended the login, the fence stays and the profile is locked. The tokens are in the home, so
 * the profile can be made from it again, unless a refresh of that login is under way: then the fence
 * belongs to a live process. Each place is healed by itself: a store that is broken, busy or full
 * costs nothing but its own profiles.
 */

import { isMainThread } from "node:worker_threads";
import { readHome } from "../logins/home-file.ts";
import { bringBack } from "../logins/openclaw-home-removal.ts";
import { isHomeLocked } from "../logins/locks/home-lock.ts";
import { type ProfilePlace, profilePlaces, profilesIn } from "../host/profile-places.ts";
import { homeOfProfile, projected } from "./profiles.ts";
import {
  isFenced,
  isFenceFailed,
  isKimiProfile,
  type OAuthProfile,
} from "../host/profile-shape.ts";
import { pollUntil } from "../host/poll-until.ts";
import { providerAuthSdk } from "../host/sdk.ts";

/** How long the host may take to make its marker permanent, in ms. */
const FENCE_FAILS_WITHIN_MS = 10_000;
/** How long a profile that cannot be healed yet is looked at again, in ms; the host waits for its fence as long. */
const RECHECK_LIMIT_MS = 120_000;

type Profile = ReturnType<typeof profilesIn>[number][1];

/** What one look at the stores came to; the last one that applies counts. */
type HealResult =
  | "nothing"
  | "healed"
  /** A home is being refreshed. */
  | "locked"
  /** A store could not be read or written. */
  | "failed";

/** Heals every profile that can be healed now and whose fence is wanted; never throws. */
function healOnce(isWanted: (profile: OAuthProfile) => boolean = isFenced): HealResult {
  const results = new Set<HealResult>();
  for (const place of profilePlaces()) {
    try {
      for (const [profileId, profile] of profilesIn(place)) {
        if (profile.type === "oauth" && isKimiProfile(profile) && isWanted(profile)) {
          results.add(healProfile(place, profileId, profile));
        }
      }
    } catch {
      results.add("failed");
    }
  }
  return (
    (["failed", "locked", "healed"] as const).find((result) => results.has(result)) ?? "nothing"
  );
}

function healProfile(
  place: ProfilePlace,
  profileId: string,
  profile: Profile & OAuthProfile,
): HealResult {
  const healed = healedProfile(profile);
  if (healed === undefined || healed === "locked") {
    return healed ?? "nothing";
  }
  if (place.profileId !== undefined) {
    healPersonal(place.profileId, profile, healed);
    return "healed";
  }
  // `register` cannot wait for the host's own conditional write. So the profile is looked at once more,
  // in the turn of the event loop in which it is written: somebody may have signed in or out since.
  const now: unknown = profilesIn(place).find(([id]) => id === profileId)?.[1];
  if (!isSameFence(now, profile)) {
    return "nothing";
  }
  providerAuthSdk().upsertAuthProfile({ profileId, credential: healed, ...place });
  endCooldown(profileId, place);
  return "healed";
}

/** True while a profile holds the very fence that was found, for the same login. */
function isSameFence(now: unknown, found: OAuthProfile): boolean {
  return (
    isKimiProfile(now) &&
    isFenced(now) &&
    now.access === found.access &&
    now.authFlow === found.authFlow &&
    now.issuer === found.issuer &&
    now.accountId === found.accountId
  );
}

function healedProfile<T extends OAuthProfile>(profile: T): T | "locked" | undefined {
  try {
    const home = homeOfProfile(profile, process.env);
    if (home.kind === "openclaw") {
      bringBack(home);
    }
    if (isHomeLocked(home)) {
      return "locked";
    }
    const state = readHome(home);
    return state.status === "unavailable"
      ? "locked"
      : projected(profile, state.status === "valid" ? state.credential : undefined);
  } catch {
    // A profile without a home cannot be healed; the next use says what to do.
    return undefined;
  }
}

/** A write to a store that no caller waits for; its failure leaves the store as it was. */
function updateStore(place: ProfilePlace, profileId: string, updater: Updater): void {
  providerAuthSdk()
    .updateAuthProfileStoreWithLock({ ...place, profileId, updater })
    .catch(() => undefined);
}

type Updater = Parameters<
  ReturnType<typeof providerAuthSdk>["updateAuthProfileStoreWithLock"]
>[0]["updater"];

/**
 * Replaces the fence in a personal account, together with the cooldown that the host imposed. The host
 * writes these accounts before its function returns, so the next reader finds it healed.
 */
function healPersonal(profileId: string, found: OAuthProfile, healed: Profile): void {
  updateStore({}, profileId, (store) => {
    if (!isSameFence(store.profiles[profileId], found)) {
      return false;
    }
    store.profiles[profileId] = healed;
    store.usageStats = {};
    return true;
  });
}

/** Ends the cooldown that the host imposed when the fence became permanent. */
function endCooldown(profileId: string, place: ProfilePlace): void {
  updateStore(place, profileId, (store) => {
    if (store.usageStats?.[profileId] === undefined) {
      return false;
    }
    const { [profileId]: _ended, ...others } = store.usageStats;
    store.usageStats = others;
    return true;
  });
}

/** Heals now what can be healed, and the rest as soon as its home is free and its store can be used. */
export function healProfiles(): void {
  if (!isMainThread) {
    return;
  }
  const first = healOnce();
  if (first === "locked" || first === "failed") {
    pollUntil(RECHECK_LIMIT_MS, () => healAgain(isFenced) !== "locked");
  }
}

/**
 * Heals again from a timer.
 *
 * @throws an error when a store failed, so that it is not asked again at once: a busy one blocks the
 *   thread for seconds
 */
function healAgain(isWanted: (profile: OAuthProfile) => boolean): HealResult {
  const result = healOnce(isWanted);
  if (result === "failed") {
    throw new Error("a profile store could not be used");
  }
  return result;
}

/**
 * Removes the fence that the host is about to make permanent because Kimi ended the login. With the
 * fence, the host only says that there are no credentials, even after the user signs in again;
 * without it, each turn reads the home and says what is wrong.
 */
export function clearComingFence(): void {
  pollUntil(FENCE_FAILS_WITHIN_MS, () => healAgain(isFenceFailed) === "healed");
}
