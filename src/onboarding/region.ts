/** Which of Kimi's two sites a new login belongs to, for all its life. */

import { readFileSync } from "node:fs";
import path from "node:path";
import type { ProviderAuthContext } from "openclaw/plugin-sdk/provider-auth";
import { say } from "../messages.ts";
import { settingsOf } from "../host/settings.ts";
import { isKimiProfile } from "../host/profile-shape.ts";
import { providerAuthSdk } from "../host/sdk.ts";
import { ownerDir } from "../logins/homes.ts";
import { KimiError } from "../protocol/errors.ts";
import { type Endpoints, endpointsFromEnv, type Env, REGIONS } from "../protocol/endpoints.ts";
import { isPersonalAccount, isPrivateChat } from "./surface.ts";

type Region = keyof typeof REGIONS;

function isRegion(value: unknown): value is Region {
  return value === "mainland-cn" || value === "global";
}

/**
 * The endpoints that the environment asks for. One endpoint of a region brings the other one with it,
 * so that no login gets endpoints of different regions.
 */
function fromEnv(env: Env): Endpoints | undefined {
  const endpoints = endpointsFromEnv(env);
  const hostIsSet = Boolean(env.KIMI_CODE_OAUTH_HOST || env.KIMI_OAUTH_HOST);
  if (endpoints === undefined || (hostIsSet && env.KIMI_CODE_BASE_URL)) {
    return endpoints;
  }
  const whole = Object.values(REGIONS).find((region) =>
    hostIsSet ? region.oauthHost === endpoints.oauthHost : region.apiBase === endpoints.apiBase,
  );
  return whole ?? endpoints;
}

/** The region that the user chose for the Kimi Code CLI (its `region` marker). */
function fromMarker(env: Env): Region | undefined {
  if (env.KIMI_CODE_REGION_MARKER === "off") {
    return undefined;
  }
  try {
    const text = readFileSync(path.join(ownerDir("kimi-code-cli", env), "region"), "utf8").trim();
    return isRegion(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

/** The region of the profiles that are there, if they agree. */
function fromProfiles(agentDir: string | undefined): Region | undefined {
  const store = providerAuthSdk().ensureAuthProfileStore(agentDir, { allowKeychainPrompt: false });
  const own = Object.values<unknown>(store.profiles).filter(isKimiProfile);
  const [only, another] = Object.values(REGIONS).filter(({ oauthHost }) =>
    own.some(({ issuer }) => issuer === oauthHost),
  );
  return another === undefined ? only?.region : undefined;
}

/**
 * The endpoints that are decided: by the environment, this plugin's configuration, or the Kimi
 * Code CLI's marker. This machine's files say nothing about a person's own account on a shared gateway.
 */
function decidedEndpoints(
  config: ProviderAuthContext["config"],
  env: Env,
  personal: boolean,
): Endpoints | undefined {
  const endpoints = fromEnv(env);
  if (endpoints !== undefined) {
    return endpoints;
  }
  const region = settingsOf(config).region ?? (personal ? undefined : fromMarker(env));
  return region === undefined ? undefined : REGIONS[region];
}

/**
 * Finds the endpoints for a new login where nobody can be asked: what is decided, or the region
 * of the profiles that are there already.
 *
 * @throws KimiError `endpoint_invalid` where neither says it, or for an endpoint in the environment
 *   that cannot be used
 */
export function unattendedEndpoints(
  config: ProviderAuthContext["config"],
  env: Env,
  agentDir: string | undefined,
): Endpoints {
  const decided = decidedEndpoints(config, env, false);
  if (decided !== undefined) {
    return decided;
  }
  const region = fromProfiles(agentDir);
  if (region === undefined) {
    throw new KimiError("endpoint_invalid", say.siteUnknown());
  }
  return REGIONS[region];
}

/**
 * Finds the endpoints for a new login: what is decided, or the user's answer. A private chat
 * cannot ask: there it is the region of the profiles that are there already, or kimi.com, as in the
 * Kimi Code CLI.
 *
 * @throws KimiError `endpoint_invalid` for an endpoint in the environment that cannot be used
 */
export async function chooseEndpoints(ctx: ProviderAuthContext, env: Env): Promise<Endpoints> {
  const personal = isPersonalAccount(ctx);
  const decided = decidedEndpoints(ctx.config, env, personal);
  if (decided !== undefined) {
    return decided;
  }
  const usual = (personal ? undefined : fromProfiles(ctx.agentDir)) ?? "mainland-cn";
  if (isPrivateChat(ctx)) {
    return REGIONS[usual];
  }
  const chosen = await ctx.prompter.select<Region>({
    message: say.whichSite(),
    options: [
      { value: "mainland-cn", label: "kimi.com (mainland China)" },
      { value: "global", label: "kimi.ai (global)" },
    ],
    initialValue: usual,
  });
  return REGIONS[chosen];
}
