/**
 * Whether this process lives on after a turn. A refresh may run in the background only where the
 * process ends no sooner than the reply is kept: the gateway waits for that when it stops, a one-shot
 * command ends as soon as its turn has.
 */

import { settleLogins } from "../logins/open-logins.ts";

/** The name that the host gives its gateway's process, in all of its threads. */
const GATEWAY_TITLE = "openclaw-gateway";
/** How long the end of a process waits for a refresh, in ms; the host allows 5 s. */
const SETTLE_LIMIT_MS = 4_000;

/** True in the gateway. */
export function isLongLived(): boolean {
  return process.title === GATEWAY_TITLE;
}

/** Waits, when the host ends the plugin, until no refresh is under way. */
export async function settleBeforeEnd(): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, SETTLE_LIMIT_MS);
  });
  await Promise.race([settleLogins(), limit]);
  clearTimeout(timer);
}
