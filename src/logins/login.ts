/**
 * A login as the rest of the plugin sees it: ask for access, get a token that is good now.
 *
 * A fresh token costs one `stat` and nothing else. Everything else is the transaction, run once at a
 * time for each home in this process and finished even when the caller who started it has gone.
 */

import { statSync } from "node:fs";
import { isKimiError, type KimiError } from "../protocol/errors.ts";
import { type Credential, fingerprint } from "./credential.ts";
import { isAlive, judge } from "./freshness.ts";
import { homeError, loginEnded } from "./home-error.ts";
import { readHome } from "./home-file.ts";
import type { Home } from "./homes.ts";
import {
  checkAccount,
  type LoginDeps,
  refreshOnce,
  type UnsavedPair,
} from "./transaction.ts";

/** Requests of one refresh, as in both CLIs. */
const MAX_ATTEMPTS = 3;
/** First pause between two requests, in ms; it doubles. */
const FIRST_PAUSE_MS = 1_000;
/** Longest pause that a caller is made to wait for, in ms. */
const MAX_PAUSE_MS = 10_000;
/** How long a failure answers for those who ask right after it, in ms. */
const FAILURE_SHARED_MS = 2_000;

/** What a caller wants. */
export interface AccessOptions {
  /** Ends the caller's wait; a refresh that has begun is finished and kept all the same. */
  readonly signal?: AbortSignal | undefined;
  /** Access token that Kimi just refused. */
  readonly rejectedAccessToken?: string | undefined;
  /** Account that the login must belong to. */
  readonly accountId?: string | undefined;
  /** True in a process that lives on, where an aging token is refreshed while it is being served. */
  readonly background?: boolean | undefined;
}

interface Stamp {
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly size: number;
  readonly ino: number;
}

interface Failure {
  readonly error: KimiError;
  /** Fingerprint of the refresh token that the failure is about. */
  readonly of: string;
  /** Until when it answers for those who ask right after it, by the monotonic clock. */
  readonly sharedUntil: number;
  /** When it happened, and when the server wants to be asked again, ms since the epoch. */
  readonly atMs: number;
  readonly retryAtMs: number;
}

/** One login of this machine; make it through `openLogin`, so that there is one for each home. */
export class Login {
  readonly home: Home;
  readonly #deps: LoginDeps;
  #cached: { readonly stamp: Stamp; readonly credential: Credential } | undefined;
  #flight: Promise<Credential> | undefined;
  #failure: Failure | undefined;
  /** Fingerprint of a refresh token that Kimi no longer accepts. */
  #endedOf: string | undefined;
  #unsaved: UnsavedPair | undefined;
  /** Fingerprint of a refresh token that the server may have renewed without us hearing it. */
  #replyLostOf: string | undefined;

  constructor(home: Home, deps: LoginDeps) {
    this.home = home;
    this.#deps = deps;
  }

  /** The refresh under way, if any; it settles without rejecting. */
  get settled(): Promise<void> {
    return (
      this.#flight?.then(
        () => undefined,
        () => undefined,
      ) ?? Promise.resolve()
    );
  }

  /**
   * What the home holds, without any refresh.
   *
   * @throws KimiError when there is no valid login
   */
  current(): Credential {
    const stamp = this.#stamp();
    const cached = this.#cached;
    if (
      stamp !== undefined &&
      cached !== undefined &&
      cached.stamp.mtimeMs === stamp.mtimeMs &&
      cached.stamp.ino === stamp.ino &&
      cached.stamp.size === stamp.size &&
      cached.stamp.ctimeMs === stamp.ctimeMs
    ) {
      return cached.credential;
    }
    const state = readHome(this.home);
    if (state.state !== "valid") {
      this.#cached = undefined;
      throw homeError(this.home, state);
    }
    const unsaved = this.#unsaved;
    const credential =
      unsaved?.supersededRefreshToken === state.credential.refreshToken
        ? unsaved.credential
        : state.credential;
    // Read after the stamp: a file that was replaced in between has another stamp next time.
    this.#cached = stamp === undefined ? undefined : { stamp, credential };
    return credential;
  }

  #stamp(): Stamp | undefined {
    try {
      return statSync(this.home.file, { throwIfNoEntry: false });
    } catch {
      return undefined;
    }
  }

  /**
   * Gives tokens that are good now, refreshing them if need be.
   *
   * @throws KimiError; a transient one costs nothing but this call
   */
  async access(options: AccessOptions = {}): Promise<Credential> {
    options.signal?.throwIfAborted();
    const credential = this.current();
    checkAccount(this.home, credential, options.accountId);
    const rejected = credential.accessToken === options.rejectedAccessToken;
    const freshness = rejected ? "stale" : judge(credential, this.#deps.now());
    if (freshness === "fresh") {
      if (credential === this.#unsaved?.credential) {
        this.#refresh(credential, {}).catch(() => undefined);
      }
      return credential;
    }
    if (freshness === "aging" && options.background === true) {
      this.#refresh(credential, options).catch(() => undefined);
      return credential;
    }
    try {
      const renewed = await abortable(this.#refresh(credential, options), options.signal);
      checkAccount(this.home, renewed, options.accountId);
      return renewed;
    } catch (error) {
      // A passing failure costs nothing while the current token still works.
      if (
        !rejected &&
        isKimiError(error) &&
        (error.transient || error.code === "home_not_writable") &&
        error.code !== "aborted" &&
        isAlive(credential, this.#deps.now())
      ) {
        return credential;
      }
      throw error;
    }
  }

  async #refresh(credential: Credential, options: AccessOptions): Promise<Credential> {
    const known = this.#knownFailure(credential);
    if (known !== undefined) {
      throw known;
    }
    const running = this.#flight;
    if (running !== undefined) {
      const result = await running;
      if (result.accessToken !== options.rejectedAccessToken) {
        return result;
      }
    }
    this.#flight ??= this.#fly(credential, options);
    return await this.#flight;
  }

  /** The failure that the next request would only repeat. */
  #knownFailure(credential: Credential): KimiError | undefined {
    const of = fingerprint(credential.refreshToken);
    if (this.#endedOf === of) {
      // Made anew, because there may be another login to name by now.
      return loginEnded(this.home, this.#replyLostOf === of);
    }
    const failure = this.#failure;
    if (failure?.of !== of) {
      return undefined;
    }
    const now = this.#deps.now();
    // A failure that is yet to come means that the clock was put back.
    const tooEarly = now >= failure.atMs && now < failure.retryAtMs;
    return tooEarly || performance.now() < failure.sharedUntil ? failure.error : undefined;
  }

  async #fly(credential: Credential, options: AccessOptions): Promise<Credential> {
    const of = fingerprint(credential.refreshToken);
    try {
      const result = await this.#attempts(of, options);
      this.#failure = undefined;
      this.#endedOf = undefined;
      return result;
    } catch (error) {
      if (isKimiError(error)) {
        if (error.code === "login_ended") {
          this.#endedOf = of;
        }
        const atMs = this.#deps.now();
        this.#failure = {
          error,
          of,
          sharedUntil: performance.now() + FAILURE_SHARED_MS,
          atMs,
          retryAtMs: atMs + (error.details.retryAfterMs ?? 0),
        };
      }
      throw error;
    } finally {
      this.#flight = undefined;
      // The file may have changed within the resolution of its time stamp.
      this.#cached = undefined;
    }
  }

  /** Repeats the transaction after passing failures, the lock free in between. */
  async #attempts(of: string, options: AccessOptions): Promise<Credential> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const result = await refreshOnce(this.home, this.#deps, {
          rejectedAccessToken: options.rejectedAccessToken,
          accountId: options.accountId,
          unsaved: this.#unsaved,
          replyLost: this.#replyLostOf === of,
        });
        this.#unsaved = result.unsaved;
        return result.credential;
      } catch (error) {
        if (!isKimiError(error)) {
          throw error;
        }
        if (error.details.mayHaveReachedServer === true) {
          this.#replyLostOf = of;
        }
        if (error.details.retryable !== true) {
          throw error;
        }
        const pauseMs = Math.max(
          error.details.retryAfterMs ?? 0,
          FIRST_PAUSE_MS * 2 ** (attempt - 1),
        );
        if (attempt >= MAX_ATTEMPTS || pauseMs > MAX_PAUSE_MS) {
          throw error;
        }
        await this.#deps.sleep(pauseMs);
      }
    }
  }
}

/** Waits for a result until the signal fires; the work itself goes on. */
async function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) {
    return await work;
  }
  work.catch(() => undefined);
  signal.throwIfAborted();
  return await new Promise<T>((resolve, reject) => {
    const onAbort = (): void => {
      reject(signal.reason as Error);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => {
      signal.removeEventListener("abort", onAbort);
    });
  });
}

