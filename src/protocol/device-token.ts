/**
 * Second half of the device authorization grant (RFC 8628): ask the token endpoint until the user
 * has decided.
 */

import { say } from "../messages.ts";
import {
  badDeviceResponse,
  type DeviceCode,
  type DeviceRequest,
  sendDeviceForm,
  unexpectedResponse,
} from "./device-authorization.ts";
import { tokenEndpointOf } from "./endpoints.ts";
import { isKimiError, KimiError } from "./errors.ts";
import { type HttpResponse, REQUEST_TIMEOUT_MS } from "./http.ts";
import { parseJsonWithin } from "../json.ts";
import { oauthErrorSchema } from "./token-response.ts";
import { type IssuedTokens, parseIssuedTokens } from "./refresh-grant.ts";

const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";
/** What each `slow_down` adds to the interval, in seconds (RFC 8628, section 3.5). */
const SLOW_DOWN_S = 5;
/** Longest pause after a lost connection, in seconds. */
const MAX_BACKOFF_S = 30;
/** Server errors in a row that end the wait. */
const MAX_SERVER_ERRORS = 3;

/** Tokens of a new chain. */
export interface DeviceTokens extends IssuedTokens {
  readonly refreshToken: string;
}

/** How waiting for a code ended. */
export type Decision =
  | { readonly tokens: DeviceTokens }
  /** The code is void; `intervalS` is the pause that the server had asked for by then. */
  | { readonly tokens: undefined; readonly intervalS: number };

/** Clock of a wait. */
export interface WaitDeps {
  /** Current time, ms since the epoch. */
  readonly now: () => number;
  /** Waits, in ms; rejects when the signal fires. */
  readonly sleep: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
}

type PollResult = { readonly tokens: DeviceTokens } | "pending" | "slow_down" | "expired";

/** Classifies the response to a poll (RFC 8628, section 3.5); pending comes with 400 and with 200. */
function classifyPoll(response: HttpResponse, host: string, responseLost: boolean): PollResult {
  const body = parseJsonWithin(response.text);
  const error = oauthErrorSchema.safeParse(body);
  switch (error.success ? error.data.error : undefined) {
    case "authorization_pending":
      return "pending";
    case "slow_down":
      return "slow_down";
    case "expired_token":
      return "expired";
    case "access_denied":
      throw new KimiError("sign_in_denied", say.signInDenied());
    case "invalid_grant":
      throw new KimiError("refused", responseLost ? say.handoverLost() : say.unknownCode(), {
        status: response.status,
      });
    case undefined:
      break;
    default:
      throw unexpectedResponse(response, host);
  }
  if (response.status < 200 || response.status >= 300) {
    throw response.cut === undefined ? unexpectedResponse(response, host) : response.cut;
  }
  const tokens = parseIssuedTokens(response, host, false);
  if (tokens.refreshToken === undefined) {
    throw badDeviceResponse(say.loginNotRenewable(host), response.status);
  }
  return { tokens: { ...tokens, refreshToken: tokens.refreshToken } };
}

/** Failures of a poll after which the server may still say yes to a later one. */
const POLL_AGAIN_AFTER: ReadonlySet<KimiError["code"]> = new Set([
  "network",
  "server_unavailable",
  "rate_limited",
]);

/**
 * Waits until the code is approved, denied or void: first a pause, then a poll (RFC 8628, section
 * 3.4). A lost connection does not end the wait, because the server is the judge of its code.
 *
 * @param endMs - when to stop waiting, ms since the epoch, if the code lives that long
 * @throws KimiError `sign_in_denied`, or by what went wrong; the signal's reason when it fired
 */
export async function awaitDecision(
  request: DeviceRequest,
  code: DeviceCode,
  endMs: number,
  { now, sleep }: WaitDeps,
): Promise<Decision> {
  const url = tokenEndpointOf(request.endpoints);
  const { host } = new URL(url);
  const voidMs = Math.min(endMs, now() + code.expiresInS * 1_000);
  const fields = { grant_type: DEVICE_GRANT, device_code: code.deviceCode };
  let { intervalS } = code;
  let failures = 0;
  let serverErrors = 0;
  let responseLost = false;
  let lost: KimiError | undefined;
  for (;;) {
    // A lost connection is a reason to come back later, a little more each time.
    const backoffS = Math.min(intervalS * 2 ** failures, MAX_BACKOFF_S);
    const pauseMs = Math.max(intervalS * 1_000, backoffS * 1_000, lost?.details.retryAfterMs ?? 0);
    const leftMs = voidMs - now();
    await sleep(Math.max(0, Math.min(pauseMs, leftMs)), request.signal);
    if (pauseMs >= leftMs) {
      if (lost !== undefined) {
        throw lost;
      }
      return { tokens: undefined, intervalS };
    }
    let result: PollResult;
    try {
      const timeoutMs = Math.min(REQUEST_TIMEOUT_MS, Math.max(1_000, voidMs - now()));
      result = classifyPoll(
        await sendDeviceForm(request, url, fields, timeoutMs),
        host,
        responseLost,
      );
    } catch (error) {
      if (!isKimiError(error) || !POLL_AGAIN_AFTER.has(error.code)) {
        throw error;
      }
      serverErrors = error.code === "server_unavailable" ? serverErrors + 1 : 0;
      if (serverErrors >= MAX_SERVER_ERRORS) {
        throw error;
      }
      failures += 1;
      responseLost ||= error.details.mayHaveReachedServer === true;
      lost = error;
      continue;
    }
    failures = 0;
    serverErrors = 0;
    lost = undefined;
    if (result === "expired") {
      return { tokens: undefined, intervalS };
    }
    if (result === "slow_down") {
      intervalS += SLOW_DOWN_S;
    } else if (result !== "pending") {
      return result;
    }
  }
}
