/** The login of a check: one that is there, or a new one that lives only as long as the check. */

import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { formatCredential, withNewTokens } from "../../src/logins/credential.ts";
import type { Home } from "../../src/logins/homes.ts";
import { makeFolders, newOpenClawHome } from "../../src/logins/openclaw-home.ts";
import { createPrivateFile } from "../../src/logins/private-file.ts";
import { findLogins, noUsableLogin, preferredFirst } from "../../src/onboarding/find-logins.ts";
import { requestDeviceCode } from "../../src/protocol/device-authorization.ts";
import { awaitDecision, type WaitDeps } from "../../src/protocol/device-token.ts";
import {
  type Endpoints,
  endpointsFromEnv,
  type Env,
  REGIONS,
  regionLabel,
} from "../../src/protocol/endpoints.ts";
import { KimiError } from "../../src/protocol/errors.ts";
import type { LiveOptions } from "./arguments.ts";
import { watchOAuth, type WireResponse } from "./wire.ts";

/** Longest wait for the user's decision, in ms. */
const SIGN_IN_LIMIT_MS = 15 * 60_000;

/** A folder for one check; it goes with it. */
export class Scratch implements Disposable {
  readonly path = mkdtempSync(path.join(os.tmpdir(), "kimi-code-oauth-live-"));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/**
 * The login that is there and was refreshed last, or the one that the user prefers.
 *
 * @throws KimiError in plain words when there is none
 */
export function existingLogin(env: Env, { home, region }: LiveOptions): Home {
  const found = findLogins(env);
  const logins = found.usable.filter(
    (login) =>
      (home === undefined || login.home.kind === home) &&
      (region === undefined || login.home.endpoints.region === region),
  );
  const login = preferredFirst(logins, { home, region })[0];
  if (login === undefined) {
    throw found.usable.length > 0
      ? new KimiError("login_missing", "There is a login, but not the one that you ask for.")
      : noUsableLogin(found);
  }
  return login.home;
}

/** The addresses of a new login. */
export function newLoginEndpoints(env: Env, { region }: LiveOptions): Endpoints {
  return endpointsFromEnv(env) ?? REGIONS[region ?? "mainland-cn"];
}

/** What a sign-in needs. */
export interface DeviceSignIn {
  readonly endpoints: Endpoints;
  readonly headers: Readonly<Record<string, string>>;
  readonly scratch: Scratch;
  readonly signal: AbortSignal;
  readonly waits: WaitDeps;
  /** Shows the user the link and the code. */
  readonly show: (text: string) => void;
}

/**
 * Signs in by device code (RFC 8628), into a home of this check's own.
 *
 * @throws KimiError in plain words
 */
export async function deviceLogin({
  endpoints,
  headers,
  scratch,
  signal,
  waits,
  show,
}: DeviceSignIn): Promise<{ readonly home: Home; readonly responses: readonly WireResponse[] }> {
  const request = { endpoints, headers, signal };
  const { result: decision, responses } = await watchOAuth(endpoints, async () => {
    const code = await requestDeviceCode(request);
    show(`Open ${code.link}\nand approve the code ${code.userCode} at ${regionLabel(endpoints)}.`);
    return await awaitDecision(request, code, waits.now() + SIGN_IN_LIMIT_MS, waits);
  });
  if (decision.tokens === undefined) {
    throw new KimiError("sign_in_expired", "The code was not approved in time. Start again.");
  }
  const home = newOpenClawHome(scratch.path, endpoints);
  const credential = withNewTokens({}, decision.tokens, home.style, Date.now());
  makeFolders(home);
  createPrivateFile(home.file, formatCredential(credential, home.style), { durable: true });
  return { home, responses };
}
