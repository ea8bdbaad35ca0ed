/** `prepareRuntimeAuth`: the bearer for a run, from the profile's home. */

import { requestHeaders } from "../host/installation.ts";
import { baseUrlFor } from "../models/models.ts";
import { bindProfile } from "../profiles/bound-login.ts";
import { isKimiError, KimiError } from "../protocol/errors.ts";
import { readProfile } from "../profiles/profiles.ts";
import { projectWhenQuiet } from "../profiles/projection.ts";
import { noteRun } from "./run-login.ts";

/** The members of the host's context that are used. */
export interface RuntimeAuthContext {
  readonly profileId?: string;
  readonly agentDir?: string;
  readonly model: { readonly api: string };
}

/** What the host needs for a run. */
export interface RuntimeAuth {
  apiKey: string;
  baseUrl: string;
  /** ms since the epoch */
  expiresAt: number;
  request: { headers: Record<string, string> };
}

/**
 * Gives a run its bearer, its endpoint and its identity.
 *
 * @returns `undefined` for a run that does not use one of our profiles
 * @throws KimiError in plain words; it costs this attempt and nothing else
 */
export async function prepareRuntimeAuth(
  ctx: RuntimeAuthContext,
): Promise<RuntimeAuth | undefined> {
  const { agentDir, profileId } = ctx;
  const profile = profileId === undefined ? undefined : readProfile(agentDir, profileId);
  if (profile === undefined || profileId === undefined) {
    return undefined;
  }
  const login = bindProfile(profile, { agentDir, profileId });
  const tokens = await login.access().catch((error: unknown) => {
    throw isKimiError(error)
      ? new KimiError(error.code, login.named(error.message), error.details)
      : error;
  });
  await projectWhenQuiet(agentDir, profileId, profile, () => login.current());
  return {
    apiKey: tokens.accessToken,
    baseUrl: baseUrlFor(ctx.model.api, login.home.endpoints.apiBase),
    expiresAt: tokens.expiresAtMs,
    request: { headers: { ...(await requestHeaders()), ...noteRun(login) } },
  };
}
