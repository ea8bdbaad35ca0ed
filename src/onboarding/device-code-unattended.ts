/**
 * Auth method `device-code` where nobody can be asked (`onboard --non-interactive`: containers, CI,
 * SSH without a terminal). One code, in plain lines, and a wait of at most its life.
 */

import type { ProviderAuthMethodNonInteractiveContext } from "openclaw/plugin-sdk/plugin-entry";
import type { OpenClawConfig } from "openclaw/plugin-sdk/provider-auth";
import { requestHeaders } from "../host/installation.ts";
import { pluginStateDir } from "../host/state.ts";
import { checkHomesWritable } from "../logins/openclaw-home.ts";
import { removeHome } from "../logins/openclaw-home-removal.ts";
import { say } from "../messages.ts";
import { sweepHomes } from "../profiles/home-sweep.ts";
import { type DeviceCode, requestDeviceCode } from "../protocol/device-authorization.ts";
import { awaitDecision } from "../protocol/device-token.ts";
import { type Endpoints, regionLabel } from "../protocol/endpoints.ts";
import { KimiError } from "../protocol/errors.ts";
import { type DeviceCodeDeps, newLogin, realDeps } from "./device-code.ts";
import { minutes } from "./device-code-view.ts";
import { terminalQr } from "./qr.ts";
import { unattendedEndpoints } from "./region.ts";
import {
  checkConfigWritable,
  saveUnattended,
  showFailure,
  type UnattendedCheck,
} from "./unattended.ts";

type Context = ProviderAuthMethodNonInteractiveContext;

/** Exit code after Ctrl-C, as a shell counts it. */
const EXIT_CANCELED = 130;

/** The code as RFC 8628, section 3.2, names its members; on one line, for a program. */
function codeLine({ link, userCode, expiresInS }: DeviceCode): string {
  return JSON.stringify({
    event: "device_code",
    verification_uri_complete: link,
    user_code: userCode,
    expires_in: expiresInS,
  });
}

/**
 * Shows a code: in lines, and with `--json` as a line of JSON as well. The host then sends all lines to
 * the error stream, because its output is one JSON document.
 */
async function showCode({ opts, runtime }: Context, code: DeviceCode, endpoints: Endpoints) {
  const lines = [
    say.openUnattended(regionLabel(endpoints)),
    code.link,
    say.code(code.userCode),
    say.codeValid(minutes(code.expiresInS * 1_000)),
  ];
  if (opts.json === true) {
    runtime.log(codeLine(code));
    runtime.error(lines.join("\n"));
    return;
  }
  runtime.log(lines.join("\n"));
  const qr = await terminalQr(code.link);
  if (qr !== undefined) {
    runtime.log(`${say.scan()}\n${qr}`);
  }
}

/** A signal that fires with Ctrl-C and with the end that a container or an init system asks for. */
function untilCanceled(): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const cancel = (): void => {
    controller.abort(new KimiError("aborted", say.signInCanceled()));
  };
  process.once("SIGINT", cancel);
  process.once("SIGTERM", cancel);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      process.off("SIGINT", cancel);
      process.off("SIGTERM", cancel);
    },
  };
}

async function signIn(
  ctx: Context,
  signal: AbortSignal,
  deps: DeviceCodeDeps,
): Promise<OpenClawConfig> {
  checkConfigWritable();
  const endpoints = unattendedEndpoints(ctx.config, process.env, ctx.agentDir);
  checkHomesWritable(pluginStateDir());
  await sweepHomes(ctx.config).catch(() => undefined);
  const request = { endpoints, headers: await requestHeaders(), signal };
  const code = await requestDeviceCode(request);
  const lifeMs = code.expiresInS * 1_000;
  await showCode(ctx, code, endpoints);
  const { tokens } = await awaitDecision(request, code, deps.now() + lifeMs, deps);
  if (tokens === undefined) {
    throw new KimiError("sign_in_expired", say.codeNotUsed(minutes(lifeMs)));
  }
  const { home, profile } = await newLogin(request, tokens, {
    personal: false,
    agentDir: ctx.agentDir,
    nowMs: deps.now(),
    checkpoint: () => {
      signal.throwIfAborted();
    },
  });
  try {
    const config = await saveUnattended(ctx, profile);
    (ctx.opts.json === true ? ctx.runtime.error : ctx.runtime.log)(
      say.ownLoginNow(regionLabel(endpoints)),
    );
    return config;
  } catch (error) {
    await removeHome(home).catch(() => undefined);
    throw error;
  }
}

/**
 * Signs in with a device code where nobody can be asked.
 *
 * @returns the config to save, or `null` after a failure that was reported: exit code 1, or 130 after
 *   Ctrl-C; nothing is stored then
 */
export async function runDeviceCodeNonInteractive(
  ctx: Context,
  deps: DeviceCodeDeps = realDeps,
): Promise<OpenClawConfig | null> {
  using canceled = untilCanceled();
  try {
    return await signIn(ctx, canceled.signal, deps);
  } catch (error) {
    return showFailure(ctx, error, canceled.signal.aborted ? EXIT_CANCELED : 1);
  }
}

/** Whether {@link runDeviceCodeNonInteractive} can begin; the host asks before it resets anything. */
export async function checkDeviceCodeNonInteractive(ctx: UnattendedCheck): Promise<boolean> {
  try {
    checkConfigWritable();
    unattendedEndpoints(ctx.config, process.env, ctx.agentDir);
    checkHomesWritable(pluginStateDir());
    return true;
  } catch (error) {
    showFailure(ctx, error);
    return false;
  }
}
