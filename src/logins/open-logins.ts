/** The logins that this process has used. Loads nothing, because the end of a process asks here too. */

import { processState } from "../process-state.ts";

/** A login as far as waiting for it is concerned. */
interface SettlingLogin {
  /** True while a refresh is under way. */
  readonly isBusy: boolean;
  /** Resolves when it is over; never rejects. */
  readonly settled: Promise<unknown>;
}

/** By home and endpoints; see `openLogin`, which alone puts logins there. */
export function openLogins<T extends SettlingLogin>(): Map<string, T> {
  return processState("logins", () => new Map<string, T>());
}

/** Waits until no refresh is under way, including one that begins while it waits. */
export async function settleLogins(): Promise<void> {
  for (let logins = busyLogins(); logins.length > 0; logins = busyLogins()) {
    await Promise.all(logins.map((login) => login.settled));
  }
}

function busyLogins(): SettlingLogin[] {
  return [...openLogins().values()].filter((login) => login.isBusy);
}
