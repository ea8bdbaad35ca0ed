/**
 * The one transaction by which a refresh token is spent.
 *
 *   lock the home (bounded) and read it again
 *     a dead process left the next tokens behind: put them in place, no network
 *     a peer rotated them and the result is fresh: adopt it, no network
 *     else make room for the new tokens, look again, send the refresh grant, look again, write
 *   rejected: wait a moment, read again, adopt a peer's tokens; only then is the login over
 *
 * A process can be suspended, or its event loop can stand still, at any point. So the home and the
 * lock are looked at once more right before the request's bytes leave, and the home once more right
 * before the rename. It holds no state; {@link Login} makes it a single flight and repeats it after
 * transient failures.
 */

import { say } from "../messages.ts";
import { isKimiError, KimiError } from "../protocol/errors.ts";
import { refreshGrant } from "../protocol/refresh-grant.ts";
import { checkAccount } from "./account-check.ts";
import { type Credential, withNewTokens } from "./credential.ts";
import { freshnessOf, isAlive } from "./freshness.ts";
import { homeError, loginEnded, notRenewable } from "./home-error.ts";
import { readHome } from "./home-file.ts";
import { checkFileOwner, lastLookAt, notWritable, reserve } from "./home-replace.ts";
import type { Home } from "./homes.ts";
import type { LoginDeps } from "./login-deps.ts";
import { waitForHomeLock } from "./locks/home-lock.ts";
import type { HeldLock } from "./locks/types.ts";
import { obstacleTo } from "./replaceable.ts";
import { adoptSuccessor, clearSuperseded, findSuccessor, isBeingRenewed } from "./successor.ts";

/** Why and for whom a refresh is made. */
export interface RefreshRequest {
  /** Access token that Kimi rejected; it is not adopted again. */
  readonly rejectedAccessToken?: string | undefined;
  /** Account that the login must belong to. */
  readonly accountId?: string | undefined;
  /** Tokens that could not be written earlier, with the refresh token that they replaced. */
  readonly unsaved?: UnsavedTokens | undefined;
  /** True when an earlier request with this token may have been answered without us hearing it. */
  readonly responseLost: boolean;
}

/** New tokens that are valid at the server and not yet in the home. */
export interface UnsavedTokens {
  readonly credential: Credential;
  readonly supersededRefreshToken: string;
}

/** Result of a transaction. */
export interface RefreshResult {
  readonly credential: Credential;
  /** Set when the new tokens could not be written. */
  readonly unsaved?: UnsavedTokens;
  /** The refresh token that was spent for them, by us or by a process that died. */
  readonly supersededRefreshToken?: string;
  /**
   * Set when the home's file was gone by then: its owner signed out, or it is away for a moment. The
   * tokens are kept in memory, and used only once the file with the token that they replace is back.
   */
  readonly away?: KimiError;
}

/** Pause before a rejection is believed, in ms; each CLI saves within its own time after a response. */
const REJECTION_PAUSE_MS = { "kimi-cli": 1_000, "kimi-code-cli": 150, openclaw: 150 } as const;
/** How often a transaction starts over because a peer was faster. */
const MAX_ROUNDS = 5;

/** Thrown when the lock or the home changed hands before anything was sent: nothing has happened. */
class Overtaken extends Error {
  override readonly name = "Overtaken";
}

function readValid(home: Home): Credential {
  const state = readHome(home);
  if (state.status !== "valid") {
    throw homeError(home, state);
  }
  return state.credential;
}

/**
 * Runs the transaction once.
 *
 * @returns tokens that are in the home, unless `unsaved` says that they could not be written
 * @throws KimiError in every case of failure; the home then holds what it held before
 */
export async function refreshOnce(
  home: Home,
  deps: LoginDeps,
  request: RefreshRequest,
): Promise<RefreshResult> {
  for (let round = 1; round <= MAX_ROUNDS; round += 1) {
    try {
      return await runRound(home, deps, request);
    } catch (error) {
      if (!(error instanceof Overtaken)) {
        throw error;
      }
    }
  }
  throw new KimiError("home_busy", say.alwaysOvertaken(), { retryable: true });
}

async function runRound(
  home: Home,
  deps: LoginDeps,
  request: RefreshRequest,
): Promise<RefreshResult> {
  const adoptable = (candidate: Credential): boolean =>
    candidate.accessToken !== request.rejectedAccessToken &&
    freshnessOf(candidate, deps.now()) === "fresh";
  checkFileOwner(home);
  const outcome = await waitForHomeLock(home, () => {
    const state = readHome(home);
    return state.status === "valid" &&
      state.credential.refreshToken !== request.unsaved?.supersededRefreshToken &&
      adoptable(state.credential)
      ? state.credential
      : undefined;
  });
  if ("settled" in outcome) {
    checkAccount(home, outcome.settled, request.accountId);
    return { credential: outcome.settled };
  }
  const { lock } = outcome;
  let rejected: Credential;
  try {
    const current = readValid(home);
    checkAccount(home, current, request.accountId);
    // First, because what the home holds may be spent although it looks fresh.
    const earlier = await keepEarlierTokens(home, deps, lock, current, request.unsaved);
    const latest = earlier?.credential ?? current;
    if (adoptable(latest)) {
      return earlier ?? { credential: latest };
    }
    if (earlier?.unsaved !== undefined) {
      // Nothing may be spent where nothing can be written.
      if (latest.accessToken !== request.rejectedAccessToken && isAlive(latest, deps.now())) {
        return earlier;
      }
      throw notWritable(home, obstacleTo(home.file));
    }
    if (latest.refreshToken === "") {
      throw notRenewable(home);
    }
    try {
      return await spend(home, deps, lock, latest);
    } catch (error) {
      if (!isKimiError(error) || error.code !== "login_ended") {
        throw error;
      }
      rejected = latest;
    }
  } finally {
    await lock.release();
  }
  return await afterRejection(home, deps, request, rejected);
}

/** Puts tokens in place that were received earlier and not written, by us or by a dead process. */
async function keepEarlierTokens(
  home: Home,
  deps: LoginDeps,
  lock: HeldLock,
  current: Credential,
  unsaved: UnsavedTokens | undefined,
): Promise<RefreshResult | undefined> {
  const supersededRefreshToken = current.refreshToken;
  const found = await findSuccessor(home, current);
  if (found !== undefined) {
    if (!lock.isHeld()) {
      throw new Overtaken();
    }
    const { credential } = found;
    switch (await adoptSuccessor(home, current, found)) {
      case "placed":
        await clearSuperseded(home, current);
        return { credential, supersededRefreshToken };
      case "kept":
        return {
          credential,
          supersededRefreshToken,
          unsaved: { credential, supersededRefreshToken },
        };
      case "overtaken":
        throw new Overtaken();
    }
  }
  if (unsaved?.supersededRefreshToken !== supersededRefreshToken) {
    return undefined;
  }
  const { credential } = unsaved;
  let place;
  try {
    place = await reserve(home, current);
  } catch {
    return { credential, supersededRefreshToken, unsaved };
  }
  if (!lock.isHeld()) {
    place.cancel();
    throw new Overtaken();
  }
  switch (await place.store(credential, deps.sleep)) {
    case "placed":
      await clearSuperseded(home, current);
      return { credential, supersededRefreshToken };
    case "other":
      throw new Overtaken();
    default:
      return { credential, supersededRefreshToken, unsaved };
  }
}

/** Sends the refresh grant and puts its result into the home. */
async function spend(
  home: Home,
  deps: LoginDeps,
  lock: HeldLock,
  current: Credential,
): Promise<RefreshResult> {
  const supersededRefreshToken = current.refreshToken;
  const headers = await deps.headers();
  if (lastLookAt(home, supersededRefreshToken) !== "same") {
    throw new Overtaken();
  }
  // A lock that the kernel keeps is never lost, so the one who waits for a response would have it.
  if (home.lock.kind === "directory" && (await isBeingRenewed(home, current, "request"))) {
    throw renewedElsewhere();
  }
  const place = await reserve(home, current);
  let issued;
  try {
    issued = await refreshGrant({
      endpoints: home.endpoints,
      headers,
      refreshToken: supersededRefreshToken,
      beforeSend: () => {
        const state = readHome(home);
        if (
          !lock.isHeld() ||
          state.status !== "valid" ||
          state.credential.refreshToken !== supersededRefreshToken
        ) {
          throw new Overtaken();
        }
      },
    });
  } catch (error) {
    place.cancel();
    throw error;
  }
  const next = withNewTokens(
    current.members,
    { refreshToken: supersededRefreshToken, ...issued },
    home.style,
    deps.now(),
  );
  const result = { credential: next, supersededRefreshToken };
  switch (await place.store(next, deps.sleep)) {
    case "placed":
      return result;
    case "other":
      // The owner signed in again during the request; that login is the newer one.
      return { credential: readValid(home) };
    case "away":
      return {
        ...result,
        unsaved: { credential: next, supersededRefreshToken },
        away: homeAway(home),
      };
    case "kept":
      deps.notice(say.keptInMemory(home.file));
      return { ...result, unsaved: { credential: next, supersededRefreshToken } };
  }
}

/** A process that was suspended during its request may hold the response, and stores it when it wakes. */
function renewedElsewhere(): KimiError {
  return new KimiError("home_busy", say.renewedElsewhere());
}

function homeAway(home: Home): KimiError {
  const state = readHome(home);
  return homeError(home, state.status === "valid" ? { status: "missing", dangling: false } : state);
}

/** Believes a rejection only when no peer has put newer tokens into the home, or is about to. */
async function afterRejection(
  home: Home,
  deps: LoginDeps,
  request: RefreshRequest,
  rejected: Credential,
): Promise<RefreshResult> {
  await deps.sleep(REJECTION_PAUSE_MS[home.kind]);
  const state = readHome(home);
  if (state.status === "valid" && state.credential.refreshToken !== rejected.refreshToken) {
    checkAccount(home, state.credential, request.accountId);
    if (freshnessOf(state.credential, deps.now()) !== "stale") {
      return { credential: state.credential };
    }
    throw new KimiError("home_busy", say.renewedByCli(), { retryable: true });
  }
  if (state.status === "missing" || state.status === "unavailable") {
    throw homeError(home, state);
  }
  if (await isBeingRenewed(home, rejected, "wake")) {
    throw renewedElsewhere();
  }
  throw loginEnded(home, request.responseLost);
}
