/**
 * Auth method `device-code`: a login of OpenClaw's own, approved in a browser on any device (RFC
 * 8628). It is a chain of its own, which no Kimi CLI can end or renew.
 */

import { setTimeout as delay } from "node:timers/promises";
import type { ProviderAuthContext, ProviderAuthResult } from "openclaw/plugin-sdk/provider-auth";
import { say } from "../messages.ts";
import { DEFAULT_MODEL_REF, DEFAULT_PROFILE_ID } from "../constants.ts";
import { requestHeaders } from "../host/installation.ts";
import {
  checkHomesWritable,
  createOpenClawHome,
  newOpenClawHome,
} from "../logins/openclaw-home.ts";
import { removeHome } from "../logins/openclaw-home-removal.ts";
import { sweepHomes } from "../profiles/home-sweep.ts";
import { profileFor } from "../profiles/profiles.ts";
import { withNewTokens } from "../logins/credential.ts";
import type { Home } from "../logins/homes.ts";
import {
  type DeviceCode,
  type DeviceRequest,
  requestDeviceCode,
} from "../protocol/device-authorization.ts";
import { awaitDecision, type DeviceTokens, type WaitDeps } from "../protocol/device-token.ts";
import { regionLabel } from "../protocol/endpoints.ts";
import { accountOf } from "../protocol/account-id.ts";
import { KimiError } from "../protocol/errors.ts";
import type { OAuthProfile } from "../host/profile-shape.ts";
import { pluginStateDir } from "../host/state.ts";
import { showCode, waitingText } from "./device-code-view.ts";
import { offerWeb } from "./offer-web.ts";
import { profileIdFor } from "./profile-id.ts";
import { chooseEndpoints } from "./region.ts";
import { isPersonalAccount } from "./surface.ts";

/** Longest time for one sign-in, new codes included, in ms. */
const SIGN_IN_LIMIT_MS = 15 * 60_000;
/** How often the time left is looked at, in ms. */
const TICK_MS = 15_000;

/** What a test replaces. */
export type DeviceCodeDeps = WaitDeps;

/** The machine's clock. */
export const realDeps: DeviceCodeDeps = {
  now: Date.now,
  sleep: async (ms, signal) => {
    await delay(ms, undefined, { signal }).catch((error: unknown) => {
      // The caller's own reason, in place of the timer's.
      signal?.throwIfAborted();
      throw error;
    });
  },
};

/** Asks for codes, and shows them, until one is approved. */
async function approvedTokens(
  ctx: ProviderAuthContext,
  request: DeviceRequest,
  deps: DeviceCodeDeps,
): Promise<DeviceTokens> {
  const endMs = deps.now() + SIGN_IN_LIMIT_MS;
  let intervalS = 0;
  for (let attempt = 1; deps.now() < endMs; attempt += 1) {
    const asking = ctx.prompter.progress(say.askingForCode());
    let code: DeviceCode;
    try {
      code = await requestDeviceCode(request);
      asking.stop(attempt === 1 ? say.codeSent() : say.codeSentAgain());
    } catch (error) {
      asking.stop(say.noCode());
      throw error;
    }
    const voidMs = Math.min(endMs, deps.now() + code.expiresInS * 1_000);
    await showCode(ctx, code, request.endpoints, voidMs - deps.now());
    let shown = waitingText(request.endpoints, voidMs - deps.now());
    const waiting = ctx.prompter.progress(shown);
    const ticker = setInterval(() => {
      const text = waitingText(request.endpoints, voidMs - deps.now());
      if (text !== shown) {
        shown = text;
        waiting.update(text);
      }
    }, TICK_MS);
    try {
      // Keep the slower pace for a second code.
      const paced = { ...code, intervalS: Math.max(code.intervalS, intervalS) };
      const decision = await awaitDecision(request, paced, endMs, deps);
      if (decision.tokens !== undefined) {
        waiting.stop(say.approved());
        return decision.tokens;
      }
      ({ intervalS } = decision);
      waiting.stop(say.codeExpired());
    } catch (error) {
      waiting.stop(say.notSignedIn());
      throw error;
    } finally {
      clearInterval(ticker);
    }
  }
  throw new KimiError("sign_in_expired", say.signInExpired());
}

/** A new login: where it lives, and the profile for it. */
interface NewLogin {
  readonly home: Home;
  readonly profile: OAuthProfile;
}

/**
 * Makes a login of new tokens, with a home of its own; a personal one is kept by the host, and
 * nothing is written for it. The home goes again when the sign-in was canceled in the meantime.
 *
 * @param checkpoint - throws once the sign-in is canceled
 * @throws KimiError when the home cannot be written
 */
export async function newLogin(
  request: DeviceRequest,
  tokens: DeviceTokens,
  {
    personal,
    agentDir,
    nowMs,
    checkpoint,
  }: {
    readonly personal: boolean;
    readonly agentDir: string | undefined;
    readonly nowMs: number;
    readonly checkpoint: () => void;
  },
): Promise<NewLogin> {
  const kind = personal ? "personal" : "login";
  const home = newOpenClawHome(pluginStateDir(), request.endpoints, kind);
  const credential = withNewTokens({}, tokens, home.style, nowMs);
  const account = await accountOf({ ...request, accessToken: credential.accessToken });
  if (!personal) {
    checkpoint();
    createOpenClawHome(home, credential, agentDir);
    try {
      checkpoint();
    } catch (error) {
      await removeHome(home).catch(() => undefined);
      throw error;
    }
  }
  return { home, profile: profileFor(home, credential, account) };
}

/**
 * Signs in with a device code.
 *
 * @throws KimiError in plain words, or the host's own reason when the user cancelled; nothing is
 *   stored then
 */
export async function runDeviceCode(
  ctx: ProviderAuthContext,
  deps: DeviceCodeDeps = realDeps,
): Promise<ProviderAuthResult> {
  const checkpoint = (): void => {
    ctx.signal?.throwIfAborted();
    ctx.assertCurrent?.();
  };
  // Endpoints come from this machine's environment even when the host passes its own.
  const env = { ...process.env, ...ctx.env };
  const endpoints = await chooseEndpoints(ctx, env);
  checkpoint();
  // What a personal sign-in returns is kept by the host; it may write nothing itself.
  const personal = isPersonalAccount(ctx);
  if (!personal) {
    checkHomesWritable(pluginStateDir());
    await sweepHomes(ctx.config).catch(() => undefined);
  }
  const request = {
    endpoints,
    headers: await requestHeaders(),
    signal: ctx.signal,
    beforeRequest: checkpoint,
  };
  const tokens = await approvedTokens(ctx, request, deps);
  checkpoint();
  const { profile } = await newLogin(request, tokens, {
    personal,
    agentDir: ctx.agentDir,
    nowMs: deps.now(),
    checkpoint,
  });
  const { notes = [], ...web } = await offerWeb(ctx);
  const profileId =
    ctx.credentialOnly === true && !personal
      ? profileIdFor(profile, ctx.agentDir)
      : DEFAULT_PROFILE_ID;
  return {
    profiles: [{ profileId, credential: profile }],
    ...(ctx.credentialOnly === true || personal ? {} : { defaultModel: DEFAULT_MODEL_REF }),
    ...web,
    notes: [say.ownLoginNow(regionLabel(endpoints)), ...notes],
  };
}
