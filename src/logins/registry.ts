/** One login object for each home, so that each home has one flight. */

import type { Home } from "./homes.ts";
import { Login } from "./login.ts";
import { openLogins } from "./open-logins.ts";
import type { LoginDeps } from "./login-deps.ts";

/** The login of a home; the first caller's dependencies stay. */
export function openLogin(home: Home, deps: LoginDeps): Login {
  const logins = openLogins();
  const key = `${home.kind}\0${home.file}\0${home.endpoints.oauthHost}\0${home.endpoints.apiBase}`;
  const login = logins.get(key) ?? new Login(home, deps);
  logins.set(key, login);
  return login;
}
