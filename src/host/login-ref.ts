/** A login as the parts of this plugin pass it around. */

import type { Home } from "../logins/homes.ts";

/** A login and the account that it must belong to. */
export interface LoginRef {
  readonly home: Home;
  readonly accountId: string | undefined;
}
