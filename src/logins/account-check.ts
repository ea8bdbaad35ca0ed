/**
 * Whose login some tokens are.
 *
 * A readable access token tells its account. For an opaque one Kimi is asked, once for each chain of
 * tokens that came from elsewhere: tokens that we renew ourselves belong to the account of the ones
 * before them. While Kimi cannot be asked, or does not tell, the login is used and asked for later.
 */

import { isKimiError } from "../protocol/errors.ts";
import { fetchAccountId } from "../protocol/account-id.ts";
import { type Credential, fingerprint, keyOf } from "./credential.ts";
import { isAlive } from "./freshness.ts";
import { accountChanged } from "./home-error.ts";
import type { Home } from "./homes.ts";
import type { LoginDeps } from "./login-deps.ts";

/** Pause before Kimi is asked again after it did not tell, in ms. */
const ASK_AGAIN_MS = 60_000;

/**
 * Refuses a login that belongs to another account than the profile.
 *
 * @throws KimiError `account_changed` when both accounts are known and differ
 */
export function checkAccount(
  home: Home,
  credential: Pick<Credential, "accountId">,
  accountId: string | undefined,
): void {
  const actual = credential.accountId;
  if (accountId !== undefined && actual !== undefined && actual !== accountId) {
    throw accountChanged(home);
  }
}

/** What of a caller's options counts here. */
interface Expectation {
  readonly accountId?: string | undefined;
  readonly rejectedAccessToken?: string | undefined;
}

/** Checks that a login belongs to the account that a profile expects. */
export class AccountCheck {
  readonly #home: Home;
  readonly #deps: LoginDeps;
  /** Accounts by the fingerprint of a refresh token; one login has one or two at a time. */
  readonly #known = new Map<string, string>();
  readonly #flights = new Map<string, Promise<string | undefined>>();
  /** The credential that was checked last, so that the next use of it costs nothing. */
  #passed: { readonly credential: Credential; readonly accountId: string } | undefined;
  #asked: { readonly of: string; readonly atMs: number } | undefined;

  constructor(home: Home, deps: LoginDeps) {
    this.#home = home;
    this.#deps = deps;
  }

  /**
   * Refuses a login of another account.
   *
   * @returns `undefined` when there is nothing to wait for; rejects like it throws
   * @throws KimiError `account_changed`
   */
  check(
    credential: Credential,
    { accountId, rejectedAccessToken }: Expectation,
  ): Promise<void> | undefined {
    checkAccount(this.#home, credential, accountId);
    if (
      accountId === undefined ||
      credential.accountId !== undefined ||
      (this.#passed?.credential === credential && this.#passed.accountId === accountId) ||
      // A token that Kimi no longer accepts tells nothing; the one after it will.
      credential.accessToken === rejectedAccessToken ||
      !isAlive(credential, this.#deps.now())
    ) {
      return undefined;
    }
    return this.#checkOpaque(credential, accountId);
  }

  /** Notes whose tokens these are. */
  async note(credential: Credential, accountId: string | undefined): Promise<void> {
    if (accountId !== undefined && credential.accountId === undefined) {
      const of = keyOf(credential);
      this.#remember(of, accountId);
      await this.#deps.accounts?.remember(of, accountId).catch(() => undefined);
    }
  }

  /** Notes that tokens were renewed: their account stays the same. */
  async carryOver(supersededRefreshToken: string, credential: Credential): Promise<void> {
    if (credential.accountId === undefined) {
      await this.note(credential, await this.#recall(fingerprint(supersededRefreshToken)));
    }
  }

  async #checkOpaque(credential: Credential, accountId: string): Promise<void> {
    const actual = await this.#accountOf(credential);
    checkAccount(this.#home, { accountId: actual }, accountId);
    if (actual !== undefined) {
      this.#passed = { credential, accountId };
    }
  }

  async #accountOf(credential: Credential): Promise<string | undefined> {
    const of = keyOf(credential);
    const known = await this.#recall(of);
    if (known !== undefined) {
      return known;
    }
    const sinceMs = this.#deps.now() - (this.#asked?.atMs ?? 0);
    if (this.#asked?.of === of && sinceMs >= 0 && sinceMs < ASK_AGAIN_MS) {
      return undefined;
    }
    const flight =
      this.#flights.get(of) ?? this.#ask(of, credential).finally(() => this.#flights.delete(of));
    this.#flights.set(of, flight);
    return await flight;
  }

  async #recall(of: string): Promise<string | undefined> {
    const known =
      this.#known.get(of) ?? (await this.#deps.accounts?.recall(of).catch(() => undefined));
    if (known !== undefined) {
      this.#remember(of, known);
    }
    return known;
  }

  async #ask(of: string, credential: Credential): Promise<string | undefined> {
    try {
      const accountId = await fetchAccountId({
        endpoints: this.#home.endpoints,
        accessToken: credential.accessToken,
        headers: await this.#deps.headers(),
      });
      this.#asked = { of, atMs: this.#deps.now() };
      await this.note(credential, accountId);
      return accountId;
    } catch (error) {
      if (!isKimiError(error)) {
        throw error;
      }
      this.#asked = { of, atMs: this.#deps.now() };
      return undefined;
    }
  }

  #remember(of: string, accountId: string): void {
    // A handful at most; older chains are asked for again.
    if (this.#known.size >= 16) {
      this.#known.clear();
    }
    this.#known.set(of, accountId);
  }
}
