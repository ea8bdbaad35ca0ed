/** Auth choice `kimi-code-oauth`: use the login that a Kimi CLI on this machine already has. */

import type {
  OpenClawConfig,
  ProviderAuthContext,
  ProviderAuthResult,
} from "openclaw/plugin-sdk/provider-auth";
import type { ProviderAuthMethodNonInteractiveContext } from "openclaw/plugin-sdk/plugin-entry";
import { DEFAULT_MODEL_REF, DEFAULT_PROFILE_ID, PROVIDER_ID } from "../constants.ts";
import { settingsOf } from "../host/settings.ts";
import { providerAuthSdk } from "../host/sdk.ts";
import { isKimiError, KimiError } from "../protocol/errors.ts";
import { withDefaultModel } from "./default-model.ts";
import { runDeviceCode } from "./device-code.ts";
import {
  describeLogin,
  findLogins,
  type FoundLogin,
  noUsableLogin,
  preferredFirst,
} from "./find-logins.ts";
import { profileForLogin } from "./login-profile.ts";

/**
 * Signs in where nobody can be asked.
 *
 * @returns the config to save, or `null` after a failure that was reported
 */
export async function runCliLoginNonInteractive(
  ctx: ProviderAuthMethodNonInteractiveContext,
): Promise<OpenClawConfig | null> {
  try {
    const found = findLogins(process.env);
    const wanted = settingsOf(ctx.config);
    const login = preferredFirst(found.logins, wanted)[0];
    if (login === undefined) {
      throw noUsableLogin(found);
    }
    const credential = await profileForLogin(login.home);
    const sdk = providerAuthSdk();
    const stored = await sdk.upsertAuthProfileWithLock({
      profileId: DEFAULT_PROFILE_ID,
      credential,
      ...(ctx.agentDir === undefined ? {} : { agentDir: ctx.agentDir }),
    });
    if (stored === null) {
      throw new KimiError(
        "home_not_writable",
        "OpenClaw's auth profiles could not be written. Check its state folder and try again.",
      );
    }
    if (found.logins.length > 1) {
      const why = login === found.logins[0] ? "refreshed last" : "that your settings prefer";
      ctx.runtime.log(
        `Several Kimi logins are on this machine. Using the one ${why}: ${describeLogin(login)}.`,
      );
    }
    return withDefaultModel(
      sdk.applyAuthProfileConfig(ctx.config, {
        profileId: DEFAULT_PROFILE_ID,
        provider: PROVIDER_ID,
        mode: "oauth",
      }),
    );
  } catch (error) {
    if (!isKimiError(error)) {
      throw error;
    }
    ctx.runtime.error(error.message);
    ctx.runtime.exit(1);
    return null;
  }
}

async function chooseLogin(
  ctx: ProviderAuthContext,
  logins: readonly FoundLogin[],
): Promise<FoundLogin | undefined> {
  const [only, second] = logins;
  if (only === undefined || second === undefined) {
    return only;
  }
  const file = await ctx.prompter.select({
    message: "Several Kimi logins are on this machine. Which one should OpenClaw use?",
    options: logins.map((login) => ({
      value: login.home.file,
      label: describeLogin(login),
    })),
  });
  return logins.find((login) => login.home.file === file);
}

/**
 * Offers the sign-in that needs no Kimi CLI.
 *
 * @throws KimiError what is wrong, when the user does not want it
 */
async function offerDeviceCode(
  ctx: ProviderAuthContext,
  problem: KimiError,
): Promise<ProviderAuthResult> {
  const what =
    problem.code === "login_missing"
      ? "No Kimi CLI login was found on this machine."
      : problem.message;
  const wanted = await ctx.prompter.confirm({
    message: `${what} Sign in with a browser instead?`,
    initialValue: true,
  });
  if (!wanted) {
    throw problem;
  }
  return await runDeviceCode(ctx);
}

/**
 * Signs in with a terminal or a browser at hand.
 *
 * @throws KimiError in plain words when there is no login to use
 */
export async function runCliLogin(ctx: ProviderAuthContext): Promise<ProviderAuthResult> {
  const env = ctx.env ?? process.env;
  const found = findLogins(env);
  const login = await chooseLogin(ctx, preferredFirst(found.logins, settingsOf(ctx.config)));
  if (login === undefined) {
    return await offerDeviceCode(ctx, noUsableLogin(found));
  }
  ctx.signal?.throwIfAborted();
  ctx.assertCurrent?.();
  const progress = ctx.prompter.progress("Reading the Kimi CLI login…");
  try {
    const credential = await profileForLogin(login.home, ctx.signal);
    progress.stop(`Using the login of the ${describeLogin(login)}`);
    return {
      profiles: [{ profileId: DEFAULT_PROFILE_ID, credential }],
      ...(ctx.credentialOnly === true ? {} : { defaultModel: DEFAULT_MODEL_REF }),
      notes: [
        "OpenClaw and the Kimi CLI now share one login. Whichever refreshes it first, the other follows.",
      ],
    };
  } catch (error) {
    progress.stop("The Kimi CLI login could not be used");
    throw error;
  }
}
