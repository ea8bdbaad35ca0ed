/** Looks from time to time whether an own home has lost its profile, for as long as the gateway runs. */

import { OWN_SLOT, PERSONAL_SLOT, slotsWith } from "../logins/openclaw-slots.ts";

/** How often the gateway looks, in ms. */
const LOOK_MS = 60_000;

let timer: NodeJS.Timeout | undefined;

/**
 * Looks now and once a minute.
 *
 * @param sweep - loads and runs the sweep; called only when there is a home to look after
 */
export function watchOwnHomes(sweep: () => Promise<void>): void {
  const look = (): void => {
    if (slotsWith(".json", OWN_SLOT).length > 0 || slotsWith(".json", PERSONAL_SLOT).length > 0) {
      // The next look, in a minute, tries again after a failure.
      sweep().catch(() => undefined);
    }
  };
  look();
  clearInterval(timer);
  timer = setInterval(look, LOOK_MS);
  timer.unref();
}

/** Ends {@link watchOwnHomes}. */
export function unwatchOwnHomes(): void {
  clearInterval(timer);
  timer = undefined;
}
