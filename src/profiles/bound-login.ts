/** From a profile in the host's store to the login that it belongs to. */

import type { OpenClawConfig } from "openclaw/plugin-sdk/provider-auth";
import { PROVIDER_ID } from "../constants.ts";
import type { LoginRef } from "../host/login-ref.ts";
import { homeOfProfile } from "./profiles.ts";
import { isOwnProfile, type OAuthProfile } from "../host/profile-shape.ts";
import { readProfile } from "./profile-store.ts";
import { providerAuthSdk } from "../host/sdk.ts";

/** The first profile of this provider in the user's order. */
function firstOwnProfile(
  agentDir: string | undefined,
  config: OpenClawConfig | undefined,
): OAuthProfile | undefined {
  const store = providerAuthSdk().ensureAuthProfileStore(agentDir, { allowKeychainPrompt: false });
  const order = store.order?.[PROVIDER_ID] ?? config?.auth?.order?.[PROVIDER_ID] ?? [];
  const ordered = [...order.map((id) => store.profiles[id]), ...Object.values(store.profiles)];
  return ordered.find((profile: unknown) => isOwnProfile(profile)) as OAuthProfile | undefined;
}

/**
 * The login of a profile, or of this provider's first profile when none is named.
 *
 * The tokens that the profile shows do not matter: even behind a fence it says where its home is.
 *
 * @returns `undefined` without a profile that names a home
 */
export function loginOfProfile(
  agentDir: string | undefined,
  profileId: string | undefined,
  config?: OpenClawConfig,
): LoginRef | undefined {
  try {
    const profile =
      profileId === undefined
        ? firstOwnProfile(agentDir, config)
        : readProfile(agentDir, profileId);
    return profile === undefined
      ? undefined
      : { home: homeOfProfile(profile, process.env), accountId: profile.accountId };
  } catch {
    return undefined;
  }
}
