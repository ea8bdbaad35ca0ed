/** Names a login where its home or account must not be spelled out: in file and header names. */

import { fingerprint } from "../logins/credential.ts";
import type { Home } from "../logins/homes.ts";

/** A short fingerprint of a login's home, addresses and account; it means nothing elsewhere. */
export function loginKey(home: Home, accountId: string | undefined): string {
  return fingerprint(`${home.file}\0${home.endpoints.apiBase}\0${accountId ?? ""}`).slice(0, 12);
}
