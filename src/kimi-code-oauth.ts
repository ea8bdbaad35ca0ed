/**
 * `refreshOAuth`: the host's entry for an expired profile. Credential in, credential out.
 *
 * Before this call the host has discarded its copy of the tokens, and it locks the profile until the
 * next sign-in when this function throws or takes too long. So the tokens come from the home, and a
 * transient failure is not an exception here: the old credential goes back, and the run that needs it
 * says what is wrong (`prepareRuntimeAuth`).
 */

import { isMainThread } from "node:worker_threads";
import { isKimiProfile } from "./host/profile-shape.ts";
import { bindProfile } from "./profiles/bound-login.ts";
import { clearComingFence } from "./profiles/fences.ts";
import { projected } from "./profiles/profiles.ts";
import { isKimiError } from "./protocol/errors.ts";

/** Longest time in this function, in ms; the host gives up after 120 s. */
const LIMIT_MS = 90_000;
/**
 * How far ahead a returned credential expires at least, in ms. The host counts a credential as
 * usable until 5 minutes before its expiry, and a caller that waits for another caller's refresh
 * gets nothing at all for one that is not.
 */
const MIN_WINDOW_MS = 6 * 60_000;

/** An OAuth credential as the host hands it over; members that we do not know are kept. */
export interface HostOAuthCredential {
  provider: string;
  access: string;
  refresh: string;
  /** ms since the epoch */
  expires: number;
}

/**
 * Refreshes a profile from its home.
 *
 * @returns the home's tokens, or the old credential after a transient failure
 * @throws KimiError `login_ended` only: Kimi ended the login
 */
export async function refreshKimiCodeOAuth<T extends HostOAuthCredential>(
  credential: T,
): Promise<T> {
  const profile = { ...credential, type: "oauth" as const };
  if (!isKimiProfile(profile)) {
    return retryLater(credential);
  }
  try {
    const tokens = await bindProfile(profile).access({ signal: AbortSignal.timeout(LIMIT_MS) });
    const { access, refresh, expires } = projected(profile, tokens);
    return { ...credential, access, refresh, expires: usable(expires) };
  } catch (error) {
    // The gateway also refreshes in a worker thread, which may end at any time; the next turn in the
    // main thread says what is wrong.
    if (isMainThread && isKimiError(error) && error.code === "login_ended") {
      clearComingFence();
      throw error;
    }
    return retryLater(credential);
  }
}

function retryLater<T extends HostOAuthCredential>(credential: T): T {
  return { ...credential, expires: usable(credential.expires) };
}

/** An expiry that the host accepts; each run asks the home for the true one. */
function usable(expires: number): number {
  return Math.max(expires, Date.now() + MIN_WINDOW_MS);
}
