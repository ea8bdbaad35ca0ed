/**
 * When a home's tokens are projected into its profile.
 *
 * A one-shot command projects them at once. In the gateway many runs can meet an expired profile together,
 * and the host then writes to its store twice, for the one refresh that it makes. A
 * concurrent run survives two writes during its read and fails on a third. So the gateway waits until
 * both are done, and projects once for all runs that asked in the meantime; usually nothing is left to
 * write by then.
 */

import type { Credential } from "../logins/credential.ts";
import { processState } from "../process-state.ts";
import { isLongLived } from "../host/lifetime.ts";
import { isFenced, isKimiProfile, type OAuthProfile } from "../host/profile-shape.ts";
import { providerAuthSdk } from "../host/sdk.ts";
import { isCurrent, projected, readProfile } from "./profiles.ts";

/**
 * Projects a home's tokens into its profile, so that the host sees their true expiry.
 *
 * A fence stays: the refresh that put it there settles it. A profile that got another home or account
 * since then stays, too.
 *
 * @param bound - the profile as it was when the tokens were asked for
 */
async function projectToStore(
  agentDir: string | undefined,
  profileId: string,
  bound: OAuthProfile,
  credential: Credential,
): Promise<void> {
  const mayProject = (profile: OAuthProfile): boolean =>
    profile.authFlow === bound.authFlow &&
    profile.accountId === bound.accountId &&
    !isFenced(profile) &&
    !isCurrent(profile, credential);
  const before = readProfile(agentDir, profileId);
  if (before === undefined || !mayProject(before)) {
    return;
  }
  await providerAuthSdk().updateAuthProfileStoreWithLock({
    ...(agentDir === undefined ? {} : { agentDir }),
    profileId,
    updater: (store) => {
      const profile = store.profiles[profileId];
      if (profile?.type !== "oauth" || !isKimiProfile(profile) || !mayProject(profile)) {
        return false;
      }
      store.profiles[profileId] = projected(profile, credential);
      return true;
    },
  });
}

/** How long the gateway waits, in ms. */
const DELAY_MS = 5_000;

/** Profiles whose projection waits. */
function waitingProjections(): Set<string> {
  return processState("projections", () => new Set<string>());
}

/**
 * Projects tokens into a profile, now or in a while; never throws, because a run does not depend on it.
 *
 * @param bound - the profile; nothing is projected into one that belongs to another home or account by then
 * @param current - gives the tokens at the time of writing, or throws when there are none
 */
export async function projectWhenQuiet(
  agentDir: string | undefined,
  profileId: string,
  bound: OAuthProfile,
  current: () => Credential,
): Promise<void> {
  const project = async (): Promise<void> => {
    try {
      await projectToStore(agentDir, profileId, bound, current());
    } catch {
      // The next run tries again.
    }
  };
  if (!isLongLived()) {
    await project();
    return;
  }
  const key = [agentDir, profileId, bound.authFlow, bound.accountId].join("\0");
  if (!waitingProjections().has(key)) {
    waitingProjections().add(key);
    setTimeout(() => {
      waitingProjections().delete(key);
      void project();
    }, DELAY_MS).unref();
  }
}
