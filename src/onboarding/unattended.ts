/** What sign-ins have in common where nobody can be asked (`onboard --non-interactive`). */

import type {
  ProviderAuthMethodNonInteractiveContext,
  ProviderPlugin,
} from "openclaw/plugin-sdk/plugin-entry";
import type { OpenClawConfig } from "openclaw/plugin-sdk/provider-auth";
import { DEFAULT_PROFILE_ID, PROVIDER_ID } from "../constants.ts";
import type { OAuthProfile } from "../host/profile-shape.ts";
import { providerAuthSdk } from "../host/sdk.ts";
import { isConfigReadOnly } from "../host/settings.ts";
import { say } from "../messages.ts";
import { isKimiError, KimiError } from "../protocol/errors.ts";
import { withDefaultModel } from "./default-model.ts";

type Method = ProviderPlugin["auth"][number];

/** What the host asks before it resets an installation. */
export type UnattendedCheck = Parameters<NonNullable<Method["validateNonInteractive"]>>[0];

/**
 * Onboarding ends by writing the config. Where the host refuses that, it does so after the sign-in, and
 * the login would be left behind; so nothing begins there.
 *
 * @throws KimiError `home_not_writable`
 */
export function checkConfigWritable(): void {
  if (isConfigReadOnly(process.env)) {
    throw new KimiError("home_not_writable", say.configReadOnly());
  }
}

/**
 * Stores a profile.
 *
 * @returns the config to save
 * @throws KimiError `home_not_writable` where the profile could not be stored
 */
export async function saveUnattended(
  { agentDir, config }: ProviderAuthMethodNonInteractiveContext,
  profile: OAuthProfile,
): Promise<OpenClawConfig> {
  const sdk = providerAuthSdk();
  const stored = await sdk.upsertAuthProfileWithLock({
    profileId: DEFAULT_PROFILE_ID,
    credential: profile,
    ...(agentDir === undefined ? {} : { agentDir }),
  });
  if (stored === null) {
    throw new KimiError("home_not_writable", say.profilesNotWritable());
  }
  return withDefaultModel(
    sdk.applyAuthProfileConfig(config, {
      profileId: DEFAULT_PROFILE_ID,
      provider: PROVIDER_ID,
      mode: "oauth",
    }),
  );
}

/**
 * Tells what went wrong, and ends with an exit code that says so.
 *
 * @throws what is no {@link KimiError}
 */
export function showFailure(
  { runtime }: Pick<UnattendedCheck, "runtime">,
  error: unknown,
  exitCode = 1,
): null {
  if (!isKimiError(error)) {
    throw error;
  }
  runtime.error(error.message);
  runtime.exit(exitCode);
  return null;
}
