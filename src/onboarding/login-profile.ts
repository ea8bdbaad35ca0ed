/** From a login to a profile: tokens that are good now, and the account they belong to. */

import { loginOf } from "../host/context.ts";
import { profileFor } from "../profiles/profiles.ts";
import type { Home } from "../logins/homes.ts";
import { accountIdOf } from "./account-id.ts";

/**
 * Makes a profile for a login, refreshing it through its home when it has expired.
 *
 * @throws KimiError when the login cannot be used now
 */
export async function useLogin(home: Home, signal?: AbortSignal) {
  const login = loginOf(home);
  const tokens = await login.access({ signal });
  const accountId = await accountIdOf(home, tokens, signal);
  await login.noteAccount(tokens, accountId);
  return profileFor(home, tokens, accountId);
}
