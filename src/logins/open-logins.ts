/** The logins that this process has used. Loads nothing, because the end of a process asks here too. */

import { processState } from "../process-state.ts";
import type { Login } from "./login.ts";

/** By home and addresses; see `openLogin`. */
export function openLogins(): Map<string, Login> {
  return processState("logins", () => new Map<string, Login>());
}

/** Waits until no refresh is under way, so that a process can end without losing one. */
export async function settleLogins(): Promise<void> {
  await Promise.all(Array.from(openLogins().values(), (login) => login.settled));
}
