/** The logins of this process: one object for each home, so that each home has one flight. */

import type { Home } from "./homes.ts";
import { processState } from "../process-state.ts";
import { Login } from "./login.ts";
import type { LoginDeps } from "./transaction.ts";

function logins(): Map<string, Login> {
  return processState("logins", () => new Map<string, Login>());
}

/** The login of a home; the first caller's dependencies stay. */
export function openLogin(home: Home, deps: LoginDeps): Login {
  const key = `${home.kind}\0${home.file}\0${home.endpoints.oauthHost}\0${home.endpoints.apiBase}`;
  let login = logins().get(key);
  if (login === undefined) {
    login = new Login(home, deps);
    logins().set(key, login);
  }
  return login;
}

/** Waits until no refresh is under way, so that a process can end without losing one. */
export async function settleLogins(): Promise<void> {
  await Promise.all([...logins().values()].map((login) => login.settled));
}
