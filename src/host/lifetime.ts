/**
 * Whether this process lives on after a turn, and how it waits for a refresh when it ends.
 *
 * A refresh may run in the background only where the process ends no sooner than the response is kept:
 * the gateway waits for that when it stops, a one-shot command ends as soon as its turn has. The
 * gateway is known by its services: the host starts them nowhere else. Its process title does not
 * tell, because its worker threads and one-shot `openclaw gateway …` commands have the same one.
 */

import { settleLogins } from "../logins/open-logins.ts";
import { processState } from "../process-state.ts";

/** Longest wait when the gateway stops, in ms: a request and what follows it. The host allows 325 s in all. */
const STOP_LIMIT_MS = 65_000;
/** Longest wait when only the plugin is replaced, in ms; the host allows 5 s, and the process lives on. */
const REPLACE_LIMIT_MS = 4_000;
/** The host's reason for stopping when it replaces the plugin in a running gateway. */
const REPLACEMENT = "plugin replacement";

/** How long the host must let {@link settleBeforeStop} run, in ms. */
export const STOP_HOOK_TIMEOUT_MS = STOP_LIMIT_MS + 1_000;

function gateway(): { running: boolean } {
  return processState("gateway", () => ({ running: false }));
}

/** Notes that the gateway runs in this process. */
export function gatewayStarted(): void {
  gateway().running = true;
}

/** Notes that the gateway stops, or gives up this copy of the plugin. */
export function gatewayStopped(): void {
  gateway().running = false;
}

/** True in the gateway's main thread; a worker thread has a state of its own. */
export function isLongLived(): boolean {
  return gateway().running;
}

async function settle(limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([settleLogins(), limit]);
  clearTimeout(timer);
}

/** Waits, when the gateway stops, until no refresh is under way. */
export async function settleBeforeStop({
  reason,
}: {
  readonly reason?: string | undefined;
}): Promise<void> {
  // A plugin that is only replaced leaves the process, and the refresh in it, alive.
  if (reason !== REPLACEMENT) {
    await settle(STOP_LIMIT_MS);
  }
}

/** Waits, when the host gives up a copy of the plugin, until no refresh is under way. */
export async function settleBeforeEnd(): Promise<void> {
  await settle(REPLACE_LIMIT_MS);
}
