/**
 * Which login a run belongs to.
 *
 * The host tells `prepareRuntimeAuth` the profile of a run, and tells `wrapStreamFn` neither the
 * profile nor the key. What travels from the one to the other are the headers of the run, the values
 * hidden but the names in plain text. So a run's login is named in a header's name, by a short
 * fingerprint of its home that means nothing elsewhere.
 */

import { processState } from "../process-state.ts";
import type { BoundLogin } from "../profiles/bound-login.ts";

const HEADER_PREFIX = "x-kimi-code-login-";

/** A handful of entries at most: one for each login that this process has used. */
function loginsOfRuns(): Map<string, BoundLogin> {
  return processState("runs", () => new Map<string, BoundLogin>());
}

/** Remembers a run's login and gives the header that names it. */
export function noteRun(login: BoundLogin): Record<string, string> {
  const header = `${HEADER_PREFIX}${login.key}`;
  loginsOfRuns().set(header, login.ofRun());
  return { [header]: "1" };
}

/**
 * Finds a run's login by the names of its headers. Where a new sign-in came in the middle of a run,
 * the host adds its header to the others, so the last one counts.
 *
 * @returns `undefined` for a run that does not use one of our profiles
 */
export function loginOfRun(
  headers: Readonly<Record<string, string>> | undefined,
): BoundLogin | undefined {
  return Object.keys(headers ?? {})
    .map((name) => loginsOfRuns().get(name.toLowerCase()))
    .findLast((login) => login !== undefined);
}

/** Headers without those that name a login, which are not for the server. */
export function withoutRunHeaders(
  headers: Readonly<Record<string, string>> | undefined,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers ?? {}).filter(([name]) => !name.toLowerCase().startsWith(HEADER_PREFIX)),
  );
}
