/**
 * State of the process, shared by all copies of this plugin in it.
 *
 * The host loads a plugin several times into one process: one copy runs its service, another its
 * provider hooks. A single flight for each home, and whether the process lives on, are facts of the
 * process, so they are kept where every copy of this version finds them.
 */

import { PLUGIN_VERSION } from "./constants.ts";

/** A named value of the process; made on first use. */
export function processState<T extends object>(name: string, make: () => T): T {
  const key = Symbol.for(`kimi-code-oauth@${PLUGIN_VERSION}:${name}`);
  const shared = globalThis as unknown as Record<symbol, T | undefined>;
  shared[key] ??= make();
  return shared[key];
}
