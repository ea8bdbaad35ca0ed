/** The packages that a refresh needs, which load on first use. */

import { loadSocks } from "../protocol/connection.ts";
import { loadUndici } from "../protocol/http.ts";
import { loadLockfile } from "./locks/directory-lock.ts";
import { loadKoffi } from "./locks/koffi.ts";

let begun = false;

/**
 * Loads what a refresh will need, once. A login that lives longer than the files of the plugin that
 * opened it could load nothing later: OpenClaw deletes them when a setting of the plugin changes.
 */
export function loadRefreshModules(): void {
  if (begun) {
    return;
  }
  begun = true;
  // The refresh that needs one of them tells of what fails.
  void Promise.allSettled([loadUndici(), loadSocks(), loadLockfile(), (async () => loadKoffi())()]);
}
