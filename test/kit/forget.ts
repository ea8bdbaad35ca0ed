/** A plugin that knows nothing yet, as in a process that has just started. */
import { PLUGIN_ID } from "../../src/constants.ts";

/** Forgets what all copies of the plugin keep for the process. */
export function forgetAll(): void {
  for (const key of Object.getOwnPropertySymbols(globalThis)) {
    if (key.description?.startsWith(`${PLUGIN_ID}@`) === true) {
      Reflect.deleteProperty(globalThis, key);
    }
  }
}
