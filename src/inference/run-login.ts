/**
 * Which login a run belongs to.
 *
 * The host tells `prepareRuntimeAuth` the profile of a run, and tells `wrapStreamFn` neither the
 * profile nor the key. What travels from the one to the other are the headers of the run, the values
 * hidden but the names in plain text. So a run's login is named in a header's name, by a short
 * fingerprint of its home that means nothing elsewhere.
 */

import { loginKey } from "../host/login-key.ts";
import type { LoginRef } from "../host/login-ref.ts";
import type { Home } from "../logins/homes.ts";
import { processState } from "../process-state.ts";

const PREFIX = "x-kimi-code-login-";

/** A handful of entries at most: one for each login that this process has used. */
function runs(): Map<string, LoginRef> {
  return processState("runs", () => new Map<string, LoginRef>());
}

/** Remembers a run's login and gives the header that names it. */
export function noteRun(home: Home, accountId: string | undefined): Record<string, string> {
  const header = `${PREFIX}${loginKey(home, accountId)}`;
  runs().set(header, { home, accountId });
  return { [header]: "1" };
}

/**
 * Finds a run's login by the names of its headers.
 *
 * @returns the login, and the name of the header that named it
 */
export function loginOfRun(
  headers: Readonly<Record<string, string>> | undefined,
): (LoginRef & { readonly header: string }) | undefined {
  for (const name of Object.keys(headers ?? {})) {
    const run = runs().get(name.toLowerCase());
    if (run !== undefined) {
      return { ...run, header: name };
    }
  }
  return undefined;
}
