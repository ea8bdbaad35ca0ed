/** Looks from time to time whether an own home has lost its profile, for as long as the gateway runs. */

import type { OpenClawConfig } from "openclaw/plugin-sdk/provider-auth";
import { OWN_SLOT, PERSONAL_SLOT, slotsWith } from "./own-slots.ts";

/** How often the gateway looks, in ms. */
const LOOK_MS = 60_000;

let timer: NodeJS.Timeout | undefined;

async function look(config: () => unknown): Promise<void> {
  if (slotsWith(".json", OWN_SLOT).length > 0 || slotsWith(".json", PERSONAL_SLOT).length > 0) {
    const { sweepOwnHomes } = await import("../on-use.ts");
    await sweepOwnHomes(config() as OpenClawConfig);
  }
}

/**
 * Looks now and once a minute.
 *
 * @param config - gives the host's current config; its type there is deeply read-only, and nothing
 *   here writes
 */
export function watchOwnHomes(config: () => unknown): void {
  const once = (): void => {
    // Looking again in a minute is all there is to do about a failure.
    look(config).catch(() => undefined);
  };
  once();
  clearInterval(timer);
  timer = setInterval(once, LOOK_MS);
  timer.unref();
}

/** Ends {@link watchOwnHomes}. */
export function unwatchOwnHomes(): void {
  clearInterval(timer);
  timer = undefined;
}
