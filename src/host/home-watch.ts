/** The gateway's service: looks each minute for a home that no profile names any more. */

import { hasOpenClawHomes } from "../logins/openclaw-slots.ts";
import { pluginStateDir } from "./state.ts";

/** How often the gateway looks, in ms. */
const LOOK_MS = 60_000;

let timer: NodeJS.Timeout | undefined;

/**
 * Looks now and once a minute.
 *
 * @param sweep - loads and runs the sweep; called only when there is a home to look after
 */
export function watchHomes(sweep: () => Promise<void>): void {
  const look = (): void => {
    if (hasOpenClawHomes(pluginStateDir())) {
      // The next look, in a minute, tries again after a failure.
      sweep().catch(() => undefined);
    }
  };
  look();
  clearInterval(timer);
  timer = setInterval(look, LOOK_MS);
  timer.unref();
}

/** Ends {@link watchHomes}. */
export function unwatchHomes(): void {
  clearInterval(timer);
  timer = undefined;
}
