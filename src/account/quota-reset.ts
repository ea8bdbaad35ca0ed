/** When a used-up window starts again, for the message about it. */

import type { BoundLogin } from "../profiles/bound-login.ts";
import type { QuotaWindow } from "../protocol/api-errors.ts";
import { processState } from "../process-state.ts";
import { fetchUsages, type UsageWindow } from "./usage.ts";

/** Longest wait for the response, in ms: someone waits for the message. */
const TIMEOUT_MS = 3_000;
/** How long a response serves, in ms. */
const KEPT_MS = 60_000;
/** From here on a window counts as used up, in percent. */
const USED_UP_PERCENT = 99;

interface KeptUsages {
  readonly atMs: number;
  readonly windows: readonly UsageWindow[];
}

/** The last response for each login. */
function keptUsages(): Map<string, KeptUsages> {
  return processState("quota", () => new Map<string, KeptUsages>());
}

/** The last of the windows to start again among those that are used up. */
function lastReset(windows: readonly UsageWindow[]): number | undefined {
  const full = windows.filter((window) => (window.usedPercent ?? 0) >= USED_UP_PERCENT);
  return full
    .map((window) => window.resetsAtMs)
    .filter((at) => at !== undefined)
    .toSorted((left, right) => left - right)
    .at(-1);
}

/**
 * How long until the window that Kimi named starts again, in ms.
 *
 * @param named - the window in Kimi's response; without one, the windows that are used up decide
 * @returns `undefined` when it is not known; never throws
 */
export async function quotaResetsInMs(
  login: BoundLogin,
  named: QuotaWindow | undefined,
): Promise<number | undefined> {
  const { key } = login;
  const now = Date.now();
  const byLogin = keptUsages();
  let known = byLogin.get(key);
  if (known === undefined || now - known.atMs > KEPT_MS) {
    try {
      known = {
        atMs: now,
        windows: (await fetchUsages(login, { timeoutMs: TIMEOUT_MS })).windows,
      };
    } catch {
      known = { atMs: now, windows: [] };
    }
    byLogin.set(key, known);
  }
  const at =
    named === undefined
      ? lastReset(known.windows)
      : known.windows.find((window) => window.id === named)?.resetsAtMs;
  return at === undefined || at <= now ? undefined : at - now;
}
