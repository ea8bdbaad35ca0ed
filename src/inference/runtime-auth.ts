/** `prepareRuntimeAuth`: the bearer for a run, from the profile's home. */

import { loginOf, requestHeaders } from "../host/context.ts";
import { noteIfEnded } from "../host/ended.ts";
import { isLongLived } from "../host/lifetime.ts";
import { homeOfProfile } from "../profiles/profiles.ts";
import { readProfile } from "../profiles/profile-store.ts";
import { showInProfile } from "../profiles/projection.ts";
import { checkAccount } from "../logins/account-check.ts";
import { baseUrlFor } from "../models/models.ts";
import { noteRun } from "./run-login.ts";

/** The members of the host's context that are used. */
export interface RuntimeAuthContext {
  readonly profileId?: string;
  readonly agentDir?: string;
  readonly authMode: string;
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
 * Gives a run its bearer, its addresses and its identity.
 *
 * @returns `undefined` for a run that does not use one of our profiles
 * @throws KimiError in plain words; it costs this attempt and nothing else
 */
export async function prepareRuntimeAuth(
  ctx: RuntimeAuthContext,
): Promise<RuntimeAuth | undefined> {
  const profile = readProfile(ctx.agentDir, ctx.profileId);
  if (profile === undefined || ctx.profileId === undefined) {
    return undefined;
  }
  const home = homeOfProfile(profile, process.env);
  const { accountId } = profile;
  const login = loginOf(home);
  const tokens = await login
    .access({ accountId, background: isLongLived() })
    .catch(async (error: unknown) => {
      await noteIfEnded(error, { home, accountId });
      throw error;
    });
  await showInProfile(ctx.agentDir, ctx.profileId, profile, () => {
    const credential = login.current();
    checkAccount(home, credential, accountId);
    return credential;
  });
  return {
    apiKey: tokens.accessToken,
    baseUrl: baseUrlFor(ctx.model.api, home.endpoints.apiBase),
    expiresAt: tokens.expiresAtMs,
    request: { headers: { ...(await requestHeaders()), ...noteRun(home, accountId) } },
  };
}
