/** From a login to a profile: tokens that are good now, and the account they belong to. */

import { requestHeaders } from "../host/installation.ts";
import type { Home } from "../logins/homes.ts";
import { BoundLogin } from "../profiles/bound-login.ts";
import { profileFor } from "../profiles/profiles.ts";
import { accountOf } from "../protocol/account-id.ts";

/**
 * Makes a profile for a login, refreshing it through its home when it has expired.
 *
 * @throws KimiError when the login cannot be used now
 */
export async function profileForLogin(home: Home, signal?: AbortSignal) {
  const login = new BoundLogin(home);
  const tokens = await login.access({ signal });
  const { accessToken } = tokens;
  const headers = await requestHeaders();
  const account = await accountOf({ endpoints: home.endpoints, accessToken, headers, signal });
  await login.noteAccount(tokens, account.id);
  return profileFor(home, tokens, account);
}
