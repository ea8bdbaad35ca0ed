/** Auth choice `kimi-code-oauth`: use the login that a Kimi CLI on this machine already has. */

import type {
  OpenClawConfig,
  ProviderAuthContext,
  ProviderAuthResult,
} from "openclaw/plugin-sdk/provider-auth";
import type { ProviderAuthMethodNonInteractiveContext } from "openclaw/plugin-sdk/plugin-entry";
import { say } from "../messages.ts";
import { DEFAULT_MODEL_REF, DEFAULT_PROFILE_ID } from "../constants.ts";
import { settingsOf } from "../host/settings.ts";
import type { KimiError } from "../protocol/errors.ts";
import { runDeviceCode } from "./device-code.ts";
import {
  describeUsableHome,
  findLogins,
  noUsableLogin,
  preferredFirst,
  type UsableHome,
} from "./find-logins.ts";
import { profileForLogin } from "./login-profile.ts";
import {
  checkConfigWritable,
  saveUnattended,
  showFailure,
  type UnattendedCheck,
} from "./unattended.ts";
import { offerWeb } from "./offer-web.ts";

/**
 * Signs in where the user cannot be asked.
 *
 * @returns the config to save, or `null` after a failure that was reported
 */
export async function runCliLoginNonInteractive(
  ctx: ProviderAuthMethodNonInteractiveContext,
): Promise<OpenClawConfig | null> {
  try {
    checkConfigWritable();
    const found = findLogins(process.env);
    const wanted = settingsOf(ctx.config);
    const usable = preferredFirst(found.usable, wanted)[0];
    if (usable === undefined) {
      throw noUsableLogin(found);
    }
    const profile = await profileForLogin(usable.home);
    const config = await saveUnattended(ctx, profile);
    if (found.usable.length > 1) {
      const why = usable === found.usable[0] ? "latest" : "preferred";
      ctx.runtime.log(say.usingOneOfSeveral(why, describeUsableHome(usable)));
    }
    return config;
  } catch (error) {
    return showFailure(ctx, error);
  }
}

/** Whether {@link runCliLoginNonInteractive} can work; the host asks before it resets anything. */
export async function checkCliLoginNonInteractive(ctx: UnattendedCheck): Promise<boolean> {
  try {
    checkConfigWritable();
    const found = findLogins(process.env);
    if (found.usable.length === 0) {
      throw noUsableLogin(found);
    }
    return true;
  } catch (error) {
    showFailure(ctx, error);
    return false;
  }
}

async function chooseHome(
  ctx: ProviderAuthContext,
  homes: readonly UsableHome[],
): Promise<UsableHome | undefined> {
  const [only, second] = homes;
  if (only === undefined || second === undefined) {
    return only;
  }
  const file = await ctx.prompter.select({
    message: say.severalLogins(),
    options: homes.map((usable) => ({
      value: usable.home.file,
      label: describeUsableHome(usable),
    })),
  });
  return homes.find(({ home }) => home.file === file);
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
  const message =
    problem.code === "login_missing" ? say.signInHereInstead() : say.signInInstead(problem.message);
  const wanted = await ctx.prompter.confirm({
    message,
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
  const usable = await chooseHome(ctx, preferredFirst(found.usable, settingsOf(ctx.config)));
  if (usable === undefined) {
    return await offerDeviceCode(ctx, noUsableLogin(found));
  }
  ctx.signal?.throwIfAborted();
  ctx.assertCurrent?.();
  const progress = ctx.prompter.progress(say.readingLogin());
  try {
    const profile = await profileForLogin(usable.home, ctx.signal);
    progress.stop(say.usingLogin(describeUsableHome(usable)));
    const { notes = [], ...web } = await offerWeb(ctx);
    return {
      profiles: [{ profileId: DEFAULT_PROFILE_ID, credential: profile }],
      ...(ctx.credentialOnly === true ? {} : { defaultModel: DEFAULT_MODEL_REF }),
      ...web,
      notes: [say.sharedNow(), ...notes],
    };
  } catch (error) {
    progress.stop(say.loginUnusable());
    throw error;
  }
}
