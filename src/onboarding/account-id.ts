/** Whose login this is. */

import { requestHeaders } from "../host/context.ts";
import type { Credential } from "../logins/credential.ts";
import type { Home } from "../logins/homes.ts";
import { isKimiError } from "../protocol/errors.ts";
import { fetchAccountId } from "../protocol/me.ts";

/**
 * The account of a login, where the token or the server tells it.
 *
 * @throws the signal's reason when it fired; no other failure, because a sign-in does not fail for
 *   the want of an account's name
 */
export async function accountIdOf(
  home: Home,
  tokens: Credential,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  if (tokens.accountId !== undefined) {
    return tokens.accountId;
  }
  try {
    return await fetchAccountId({
      endpoints: home.endpoints,
      accessToken: tokens.accessToken,
      headers: await requestHeaders(),
      signal,
    });
  } catch (error) {
    signal?.throwIfAborted();
    if (isKimiError(error)) {
      return undefined;
    }
    throw error;
  }
}
