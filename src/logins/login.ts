/**
 * A login as the rest of the plugin sees it: ask for access, get a token that is good now.
 *
 * A fresh token costs one `stat` and nothing else. Everything else is the transaction, run once at a
 * time for each home in this process and finished even when the caller who started it has gone. Only
 * the main thread of a process spends a token: a worker thread can end at any moment, and takes what
 * the home holds.
 */

import { statSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
import { say } from "../messages.ts";
import { isKimiError, KimiError } from "../protocol/errors.ts";
import { abortable } from "./abortable.ts";
import { AccountCheck } from "./account-check.ts";
import { type Credential, keyOf } from "./credential.ts";
import { FailureMemory } from "./failure-memory.ts";
import { freshnessOf, isAlive, isYoung } from "./freshness.ts";
import { homeError, loginEnded } from "./home-error.ts";
import { readHome } from "./home-file.ts";
import type { Home } from "./homes.ts";
import type { LoginDeps } from "./login-deps.ts";
import { openLogins } from "./open-logins.ts";
import { loadRefreshModules } from "./refresh-modules.ts";
import { refreshOnce, type UnsavedTokens } from "./transaction.ts";

/** Requests of one refresh, as in both CLIs. */
const MAX_ATTEMPTS = 3;
/** First pause between two requests, in ms; it doubles. */
const FIRST_PAUSE_MS = 1_000;
/** Longest pause that a caller is made to wait for, in ms. */
const MAX_PAUSE_MS = 10_000;

/** Pause between two tries to write tokens that are only in memory, in ms. */
const SAVE_PAUSE_MS = 5_000;

/** What a caller wants. */
export interface AccessOptions {
  /** Ends the caller's wait; a refresh that has begun is finished and kept anyway. */
  readonly signal?: AbortSignal | undefined;
  /** Access token that Kimi just rejected. */
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

/** One login of this machine; make it through `openLogin`, so that there is one for each home. */
export class Login {
  readonly home: Home;
  readonly #deps: LoginDeps;
  readonly #failures: FailureMemory;
  readonly #accounts: AccountCheck;
  #cached: { readonly stamp: Stamp; readonly credential: Credential } | undefined;
  #flight: Promise<Credential> | undefined;
  /** Fingerprint of a refresh token that Kimi no longer accepts. */
  #endedOf: string | undefined;
  #unsaved: UnsavedTokens | undefined;
  /** When saving them is tried again, by the monotonic clock. */
  #nextSaveAt = Number.NEGATIVE_INFINITY;
  /** Fingerprint of a refresh token that the server may have renewed without us hearing it. */
  #responseLostOf: string | undefined;

  constructor(home: Home, deps: LoginDeps) {
    this.home = home;
    this.#deps = deps;
    this.#failures = new FailureMemory(deps.now);
    this.#accounts = new AccountCheck(home, deps);
  }

  /** True while a refresh is under way. */
  get isBusy(): boolean {
    return this.#flight !== undefined;
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
    if (state.status !== "valid") {
      this.#cached = undefined;
      throw homeError(this.home, state);
    }
    const unsaved = this.#unsaved;
    const credential =
      unsaved?.supersededRefreshToken === state.credential.refreshToken
        ? unsaved.credential
        : state.credential;
    // The stamp was taken before the read, so a replacement in between shows as a changed stamp.
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

  /** Notes whose tokens these are, for a caller that has just asked Kimi. */
  async noteAccount(credential: Credential, accountId: string | undefined): Promise<void> {
    await this.#accounts.note(credential, accountId);
  }

  /**
   * Gives tokens that are good now, refreshing them if need be.
   *
   * @throws KimiError; a transient one costs nothing but this call
   */
  async access(options: AccessOptions = {}): Promise<Credential> {
    options.signal?.throwIfAborted();
    if (options.background === true) {
      loadRefreshModules();
    }
    const credential = this.current();
    const check = this.#accounts.check(credential, options);
    if (check !== undefined) {
      await abortable(check, options.signal);
    }
    const now = this.#deps.now();
    const rejected = credential.accessToken === options.rejectedAccessToken;
    const freshness = rejected ? "stale" : freshnessOf(credential, now);
    if (!isMainThread) {
      return this.#withoutRefresh(credential, rejected);
    }
    if (freshness === "fresh") {
      await this.#saveUnsaved(credential, options);
      return credential;
    }
    // Without a refresh token it serves until it ends; a young one is not made better by another.
    const stays = rejected ? isYoung(credential, now) : credential.refreshToken === "";
    if (stays && isAlive(credential, now)) {
      return credential;
    }
    const tooMany = this.#failures.tooMany(keyOf(credential));
    if (tooMany !== undefined) {
      if (isAlive(credential, now)) {
        return credential;
      }
      throw tooMany;
    }
    if (freshness === "aging" && options.background === true) {
      this.#refresh(credential, options).catch(() => undefined);
      return credential;
    }
    try {
      const renewed = await abortable(this.#refresh(credential, options), options.signal);
      await this.#accounts.check(renewed, options);
      return renewed;
    } catch (error) {
      // A transient failure costs nothing while the current token still works.
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

  /** What a thread gets that may not spend: the home's token while it lives. */
  #withoutRefresh(credential: Credential, rejected: boolean): Credential {
    if (!rejected && isAlive(credential, this.#deps.now())) {
      return credential;
    }
    throw new KimiError("home_busy", say.renewedWithNextMessage());
  }

  /** Writes tokens that are only in memory so far; a process that lives on does not wait for that. */
  async #saveUnsaved(credential: Credential, options: AccessOptions): Promise<void> {
    if (credential !== this.#unsaved?.credential || performance.now() < this.#nextSaveAt) {
      return;
    }
    this.#nextSaveAt = performance.now() + SAVE_PAUSE_MS;
    const saving = this.#refresh(credential, {}).catch(() => undefined);
    if (options.background !== true) {
      await saving;
    }
  }

  async #refresh(credential: Credential, options: AccessOptions): Promise<Credential> {
    const of = keyOf(credential);
    if (this.#endedOf === of) {
      // Made again each time, because there may be another login to name by now.
      throw loginEnded(this.home, this.#responseLostOf === of);
    }
    const known = this.#failures.known(of);
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
    this.#flight ??= this.#runRefresh(of, options);
    return await this.#flight;
  }

  async #runRefresh(of: string, options: AccessOptions): Promise<Credential> {
    try {
      const result = await this.#refreshWithRetries(of, options);
      this.#failures.clear();
      this.#endedOf = undefined;
      return result;
    } catch (error) {
      if (!isKimiError(error)) {
        throw error;
      }
      if (error.code === "login_ended") {
        this.#endedOf = of;
      }
      throw this.#failures.note(of, error);
    } finally {
      this.#flight = undefined;
      // The file may have changed within the resolution of its time stamp.
      this.#cached = undefined;
    }
  }

  /** Repeats the transaction after transient failures, the lock free in between. */
  async #refreshWithRetries(of: string, options: AccessOptions): Promise<Credential> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const result = await refreshOnce(this.home, this.#deps, {
          rejectedAccessToken: options.rejectedAccessToken,
          accountId: options.accountId,
          unsaved: this.#unsaved,
          responseLost: this.#responseLostOf === of,
        });
        this.#unsaved = result.unsaved;
        if (result.supersededRefreshToken !== undefined) {
          this.#failures.noteRefresh(keyOf(result.credential));
          await this.#accounts.carryOver(result.supersededRefreshToken, result.credential);
        }
        if (result.away !== undefined) {
          throw result.away;
        }
        return result.credential;
      } catch (error) {
        if (!isKimiError(error)) {
          throw error;
        }
        if (error.details.mayHaveReachedServer === true) {
          this.#responseLostOf = of;
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

/** The login of a home; one object for each home, so that each home has one flight. The first caller's dependencies stay. */
export function openLogin(home: Home, deps: LoginDeps): Login {
  const logins = openLogins<Login>();
  const key = `${home.kind}\0${home.file}\0${home.endpoints.oauthHost}\0${home.endpoints.apiBase}`;
  const login = logins.get(key) ?? new Login(home, deps);
  logins.set(key, login);
  return login;
}
