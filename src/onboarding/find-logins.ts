/** Finds the Kimi CLI logins on this machine, and says what is wrong where there are none. */

import { say } from "../messages.ts";
import type { Credential } from "../logins/credential.ts";
import { homeError } from "../logins/home-error.ts";
import { readHome } from "../logins/home-file.ts";
import { cliHomes, type Home } from "../logins/homes.ts";
import type { Settings } from "../host/settings.ts";
import { type Env, regionLabel } from "../protocol/endpoints.ts";
import { KimiError } from "../protocol/errors.ts";

/** A home with a login that can be used. */
export interface UsableHome {
  readonly home: Home;
  readonly credential: Credential;
}

/** Result of a search. */
export interface CliLogins {
  /** Usable logins, the one that was refreshed last first. */
  readonly usable: readonly UsableHome[];
  /** Why a login that is there cannot be used. */
  readonly problems: readonly KimiError[];
}

/**
 * Looks through both CLIs' stores and both regions. Changes nothing.
 *
 * @throws KimiError `endpoint_invalid` for an endpoint in the environment that cannot be used
 */
export function findLogins(env: Env): CliLogins {
  const usable: UsableHome[] = [];
  const problems: KimiError[] = [];
  for (const home of cliHomes(env)) {
    const state = readHome(home);
    if (state.status === "valid") {
      usable.push({ home, credential: state.credential });
    } else if (state.status !== "missing" || state.dangling) {
      problems.push(homeError(home, state));
    }
  }
  usable.sort((left, right) => right.credential.expiresAtMs - left.credential.expiresAtMs);
  return { usable, problems };
}

/** The error when no login can be used: what is wrong with the one that is there, or that none is. */
export function noUsableLogin(found: CliLogins): KimiError {
  return found.problems[0] ?? new KimiError("login_missing", say.noCliLogin());
}

/** One line that tells a login from the others. */
export function describeUsableHome({ home }: UsableHome): string {
  return say.oneLogin(home.kind, regionLabel(home.endpoints), home.file);
}

/** Puts the logins that the user prefers first; the order is otherwise kept. */
export function preferredFirst<T extends { readonly home: Home }>(
  logins: readonly T[],
  { home, region }: Settings,
): T[] {
  const rank = (one: T): number =>
    (home === undefined || one.home.kind === home ? 0 : 2) +
    (region === undefined || one.home.endpoints.region === region ? 0 : 1);
  return logins.toSorted((left, right) => rank(left) - rank(right));
}
