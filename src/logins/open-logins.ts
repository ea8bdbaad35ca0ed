/** The logins that this process has used. Loads nothing, because the end of a process asks here too. */

import { processState } from "../process-state.ts";
import type { Login } from "./login.ts";

/** By home and addresses; see `openLogin`. */
export function openLogins(): Map<string, Login> {
  return processState("logins", () => new Map<string, Login>());
}

/** Waits until no refresh is under way, including one that begins while it waits. */
export async function settleLogins(): Promise<void> {
  for (let logins = busyLogins(); logins.length > 0; logins = busyLogins()) {
    await Promise.all(logins.map((login) => login.settled));
  }
}

function busyLogins(): Login[] {
  return [...openLogins().values()].filter((login) => login.isBusy);
}
