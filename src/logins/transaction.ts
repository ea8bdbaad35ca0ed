/**
 * The one transaction by which a refresh token is spent.
 *
 *   lock the home (bounded) and read it again
 *     a dead process left the next pair behind: put it in place, no network
 *     a peer rotated it and the result is fresh: adopt it, no network
 *     else make room for the new pair, send the refresh grant, compare, write
 *   rejected: wait a moment, read again, adopt a peer's pair; only then is the login over
 *
 * It holds no state; {@link Login} makes it a single flight and repeats it after passing failures.
 */

import { isKimiError, KimiError } from "../protocol/errors.ts";
import { refreshGrant } from "../protocol/token-endpoint.ts";
import { type Credential, withNewTokens } from "./credential.ts";
import { judge } from "./freshness.ts";
import { accountChanged, homeError, loginEnded } from "./home-error.ts";
import { clearSuperseded, findSuccessor, readHome, reserve } from "./home-file.ts";
import type { Home } from "./homes.ts";
import { waitForHomeLock } from "./locks/home-lock.ts";

/** What the transaction needs from outside. */
export interface LoginDeps {
  /** Headers that identify this plugin. */
  readonly headers: () => Promise<Readonly<Record<string, string>>>;
  /** Told once when something works less safely than it should. */
  readonly notice: (message: string) => void;
  /** Current time, ms since the epoch. */
  readonly now: () => number;
  /** Waits, in ms. */
  readonly sleep: (ms: number) => Promise<void>;
}

/** Why and for whom a refresh is made. */
export interface RefreshWish {
  /** Access token that Kimi refused; it is not adopted again. */
  readonly rejectedAccessToken?: string | undefined;
  /** Account that the login must belong to. */
  readonly accountId?: string | undefined;
  /** Pair that could not be written earlier, with the refresh token that it replaced. */
  readonly unsaved?: UnsavedPair | undefined;
  /** True when an earlier request with this token may have been answered without us hearing it. */
  readonly replyLost: boolean;
}

/** New tokens that are valid at the server and not yet in the home. */
export interface UnsavedPair {
  readonly credential: Credential;
  readonly supersededRefreshToken: string;
}

/** Result of a transaction; `unsaved` is set when the new pair could not be written. */
export interface RefreshResult {
  readonly credential: Credential;
  readonly unsaved?: UnsavedPair;
}

/** Pause before a rejection is believed, in ms; each CLI saves within its own time after a reply. */
const REJECTION_PAUSE_MS = { "kimi-cli": 1_000, "kimi-code-cli": 150, openclaw: 150 } as const;

/**
 * Refuses a login that belongs to another account than the profile.
 *
 * @throws KimiError `account_changed` when both accounts are known and differ
 */
export function checkAccount(
  home: Home,
  credential: Credential,
  accountId: string | undefined,
): void {
  const actual = credential.accountId;
  if (accountId !== undefined && actual !== undefined && actual !== accountId) {
    throw accountChanged(home);
  }
}

function readValid(home: Home): Credential {
  const state = readHome(home);
  if (state.state !== "valid") {
    throw homeError(home, state);
  }
  return state.credential;
}

/**
 * Runs the transaction once.
 *
 * @returns a pair that is in the home, unless `unsaved` says that it could not be written
 * @throws KimiError in every case of failure; the home then holds what it held before
 */
export async function refreshOnce(
  home: Home,
  deps: LoginDeps,
  wish: RefreshWish,
): Promise<RefreshResult> {
  const adoptable = (candidate: Credential): boolean =>
    candidate.accessToken !== wish.rejectedAccessToken &&
    judge(candidate, deps.now()) === "fresh";
  const outcome = await waitForHomeLock(home, {
    whileWaiting: () => {
      const state = readHome(home);
      return state.state === "valid" &&
        state.credential.refreshToken !== wish.unsaved?.supersededRefreshToken &&
        adoptable(state.credential)
        ? state.credential
        : undefined;
    },
    onUnsupported: () => {
      deps.notice(
        "This system offers no lock that the Kimi CLI shares; refreshes rely on comparing files.",
      );
    },
  });
  if ("settled" in outcome) {
    checkAccount(home, outcome.settled, wish.accountId);
    return { credential: outcome.settled };
  }
  let rejected: Credential;
  try {
    const current = readValid(home);
    checkAccount(home, current, wish.accountId);
    // First, because what the home holds may be spent although it looks fresh.
    const latest = (await keepEarlierPair(home, current, wish.unsaved)) ?? current;
    if (adoptable(latest)) {
      return { credential: latest };
    }
    try {
      return await spend(home, deps, latest);
    } catch (error) {
      if (!isKimiError(error) || error.code !== "login_ended") {
        throw error;
      }
      rejected = latest;
    }
  } finally {
    await outcome.lock.release();
  }
  return await afterRejection(home, deps, wish, rejected);
}

/** Puts a pair in place that was received earlier and not written, by us or by a dead process. */
async function keepEarlierPair(
  home: Home,
  current: Credential,
  unsaved: UnsavedPair | undefined,
): Promise<Credential | undefined> {
  const earlier =
    unsaved?.supersededRefreshToken === current.refreshToken
      ? unsaved.credential
      : await findSuccessor(home, current);
  if (earlier === undefined) {
    return undefined;
  }
  const place = await reserve(home, current);
  await place.commit(earlier);
  await clearSuperseded(home, current);
  return earlier;
}

/** Sends the refresh grant and puts its result into the home. */
async function spend(home: Home, deps: LoginDeps, current: Credential): Promise<RefreshResult> {
  const headers = await deps.headers();
  const place = await reserve(home, current);
  let issued;
  try {
    issued = await refreshGrant({
      endpoints: home.endpoints,
      headers,
      refreshToken: current.refreshToken,
    });
  } catch (error) {
    await place.cancel();
    throw error;
  }
  const next = withNewTokens(
    current.members,
    { refreshToken: current.refreshToken, ...issued },
    home.style,
    deps.now(),
  );
  const now = readHome(home);
  if (now.state === "missing") {
    // The owner signed out meanwhile; nobody is signed in again behind their back.
    await place.cancel();
    throw homeError(home, now);
  }
  if (now.state === "valid" && now.credential.refreshToken !== current.refreshToken) {
    // The owner signed in anew meanwhile; that login is the newer one.
    await place.cancel();
    return { credential: now.credential };
  }
  // A tombstone here comes from a peer whose request lost against ours: this pair is the live one.
  try {
    await place.commit(next);
    return { credential: next };
  } catch {
    deps.notice(
      `New tokens could not be written to ${home.file}. They are used from memory and written as soon as that works.`,
    );
    return {
      credential: next,
      unsaved: { credential: next, supersededRefreshToken: current.refreshToken },
    };
  }
}

/** Believes a rejection only when no peer has put a newer pair into the home. */
async function afterRejection(
  home: Home,
  deps: LoginDeps,
  wish: RefreshWish,
  rejected: Credential,
): Promise<RefreshResult> {
  await deps.sleep(REJECTION_PAUSE_MS[home.kind]);
  const state = readHome(home);
  if (state.state === "valid" && state.credential.refreshToken !== rejected.refreshToken) {
    checkAccount(home, state.credential, wish.accountId);
    if (judge(state.credential, deps.now()) !== "stale") {
      return { credential: state.credential };
    }
    throw new KimiError(
      "home_busy",
      "The Kimi CLI renewed the login at the same moment. Try again; you are still signed in.",
      { retryable: true },
    );
  }
  if (state.state === "missing") {
    throw homeError(home, state);
  }
  throw loginEnded(home, wish.replyLost);
}
