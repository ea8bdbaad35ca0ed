/**
 * The failures and refreshes of one login, and how long it waits before it asks Kimi again.
 *
 * Only `invalid_grant` ends a login. Everything else is transient and is asked again: at once for those
 * who come right after a failure, later where the server asked to wait or refused. Times are by the
 * wall clock, because a machine that slept has waited too; how long a failure is shared is by the
 * monotonic one.
 */

import { say } from "../messages.ts";
import { KimiError } from "../protocol/errors.ts";

/** How long those who ask right after a failure get the same error, in ms. */
const SHARED_MS = 2_000;
/** Waits after Kimi refused once and twice for a reason that is not the token, in ms. */
const REFUSED_WAITS_MS: readonly number[] = [60_000, 120_000];
/** Longest wait, also one that a server is granted, in ms. */
const MAX_WAIT_MS = 300_000;
/** Most refreshes of one login in {@link WINDOW_MS}. */
const MAX_REFRESHES = 4;
const WINDOW_MS = 60_000;

interface NotedFailure {
  readonly error: KimiError;
  /** Fingerprint of the refresh token that the failure is about. */
  readonly of: string;
  /** Until when those who ask right after it get the same error, by the monotonic clock. */
  readonly sharedUntil: number;
  /** When it happened, and when Kimi is asked again, ms since the epoch. */
  readonly atMs: number;
  readonly retryAtMs: number;
}

/** An error that says when Kimi is asked again. */
function withWait(error: KimiError, waitMs: number): KimiError {
  const { what } = error.details;
  return what === undefined || waitMs < SHARED_MS
    ? error
    : new KimiError(error.code, say.nextTry(what, waitMs), {
        ...error.details,
        retryAfterMs: waitMs,
      });
}

/** The failures and refreshes of one login in this process. */
export class FailureMemory {
  readonly #now: () => number;
  #failure: NotedFailure | undefined;
  #timesRefused = 0;
  #refreshes: readonly number[] = [];
  /** Fingerprint of the refresh token that the last of them gave. */
  #lastOf: string | undefined;

  /** @param now - current time, ms since the epoch */
  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * The failure that the next request would only repeat.
   *
   * @param of - fingerprint of the refresh token that would be sent
   */
  known(of: string): KimiError | undefined {
    const failure = this.#failure;
    if (failure?.of !== of) {
      return undefined;
    }
    const now = this.#now();
    // A failure time in the future means that the clock was set back.
    if (now >= failure.atMs && now < failure.retryAtMs) {
      return withWait(failure.error, failure.retryAtMs - now);
    }
    return performance.now() < failure.sharedUntil ? failure.error : undefined;
  }

  /**
   * Notes a failure.
   *
   * @returns the error for the caller; it says when Kimi is asked again
   */
  note(of: string, error: KimiError): KimiError {
    const atMs = this.#now();
    const waitMs = Math.min(
      Math.max(error.details.retryAfterMs ?? 0, this.#refusedWaitMs(error)),
      MAX_WAIT_MS,
    );
    this.#failure = {
      error,
      of,
      sharedUntil: performance.now() + SHARED_MS,
      atMs,
      retryAtMs: atMs + waitMs,
    };
    return withWait(error, waitMs);
  }

  /** Notes a success. */
  clear(): void {
    this.#failure = undefined;
    this.#timesRefused = 0;
  }

  /**
   * Notes that a refresh token was spent.
   *
   * @param of - fingerprint of the one that came for it
   */
  noteRefresh(of: string): void {
    this.#refreshes = [...this.#recent(), this.#now()];
    this.#lastOf = of;
  }

  /**
   * The error when this login was refreshed too often just now; another token would not help.
   *
   * @param of - fingerprint of the refresh token that would be sent
   */
  tooMany(of: string): KimiError | undefined {
    if (of !== this.#lastOf) {
      this.#refreshes = []; // The owner has signed in again, or a peer has renewed it.
    }
    const recent = this.#recent();
    const [first] = recent;
    if (recent.length < MAX_REFRESHES || first === undefined) {
      return undefined;
    }
    const { what, message } = say.refreshedOften(recent.length);
    const waitMs = first + WINDOW_MS - this.#now();
    return withWait(new KimiError("rate_limited", message, { what }), waitMs);
  }

  #recent(): readonly number[] {
    const now = this.#now();
    return this.#refreshes.filter((atMs) => atMs <= now && now - atMs < WINDOW_MS);
  }

  #refusedWaitMs(error: KimiError): number {
    if (error.code !== "refused") {
      return 0;
    }
    const waitMs = REFUSED_WAITS_MS[this.#timesRefused] ?? MAX_WAIT_MS;
    this.#timesRefused += 1;
    return waitMs;
  }
}
