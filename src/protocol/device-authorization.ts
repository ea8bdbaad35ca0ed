/**
 * First half of the device authorization grant (RFC 8628): ask for a code that a person approves on
 * any device. The second half, waiting for that, is in `device-token.ts`. No state, no files, no
 * user interface; nothing is requested after the signal has fired.
 */

import { z } from "zod";
import { say } from "../messages.ts";
import { CLIENT_ID, type Endpoints } from "./endpoints.ts";
import { KimiError } from "./errors.ts";
import { exchange, type HttpResponse, REQUEST_TIMEOUT_MS } from "./http.ts";
import { parseJson } from "../json.ts";
import { transientFailure } from "./refresh-grant.ts";
import { checkVerificationLink } from "./verification-link.ts";

/** Pause between two polls when the server names none, in seconds (RFC 8628, section 3.2). */
const DEFAULT_INTERVAL_S = 5;
/** Shortest pause, in seconds, whatever the server allows. */
const MIN_INTERVAL_S = 1;
/** Lifetime of a code when the server names none, in seconds. */
const DEFAULT_LIFETIME_S = 900;

/** What the requests of a sign-in need. */
export interface DeviceRequest {
  readonly endpoints: Endpoints;
  /** Headers that identify this plugin. */
  readonly headers: Readonly<Record<string, string>>;
  /** Ends the sign-in. */
  readonly signal?: AbortSignal | undefined;
  /** Called right before each request; what it throws ends the sign-in. */
  readonly beforeRequest?: (() => void) | undefined;
}

/** Codes of one device authorization. */
export interface DeviceCode {
  /** Our half, which is a secret. */
  readonly deviceCode: string;
  /** What the user compares with what the page shows. */
  readonly userCode: string;
  /** Page on which the user approves; the code is in it. */
  readonly link: string;
  /** Lifetime in seconds. */
  readonly expiresInS: number;
  /** Pause between two polls in seconds. */
  readonly intervalS: number;
}

const seconds = z.union([
  z.number(),
  z
    .string()
    .trim()
    .regex(/^\d+(?:\.\d+)?$/)
    .transform(Number),
]);

const codeResponseSchema = z.object({
  // Printable ASCII without spaces: one is put into a form, the other onto the user's screen.
  device_code: z
    .string()
    .max(16_384)
    .regex(/^[\x21-\x7e]+$/),
  user_code: z
    .string()
    .max(64)
    .regex(/^[\x21-\x7e]+$/),
  verification_uri_complete: z.string(),
  expires_in: seconds.pipe(z.number().positive()).nullish(),
  interval: seconds.pipe(z.number().positive()).nullish(),
});

/**
 * Sends one request of a sign-in, as a form.
 *
 * @param timeoutMs - limit for the exchange
 * @throws KimiError `network` or `bad_reply` without a usable response; the signal's reason when it fired
 */
export async function sendDeviceForm(
  request: DeviceRequest,
  url: string,
  fields: Readonly<Record<string, string>>,
  timeoutMs: number,
): Promise<HttpResponse> {
  request.signal?.throwIfAborted();
  request.beforeRequest?.();
  try {
    return await exchange({
      method: "POST",
      url,
      headers: {
        ...request.headers,
        Accept: "application/json",
        "Content-Type": "application/x-www-form-urlencoded",
      },
      body: new URLSearchParams({ client_id: CLIENT_ID, ...fields }).toString(),
      timeoutMs,
      acceptCut: fields.device_code !== undefined,
      signedIn: false,
      signal: request.signal,
    });
  } catch (error) {
    // The caller's own reason says more than ours.
    request.signal?.throwIfAborted();
    throw error;
  }
}

/** The error for a response that no step of a sign-in knows. */
export function unexpectedResponse(response: HttpResponse, host: string): KimiError {
  const { status } = response;
  return (
    transientFailure(response, host, false) ??
    new KimiError("refused", say.signInRefused(host, status), { status })
  );
}

/** The error for a response that cannot be used. */
export function badDeviceResponse(message: string, status: number): KimiError {
  return new KimiError("bad_reply", message, { status });
}

/**
 * Asks for a code (RFC 8628, sections 3.1 and 3.2).
 *
 * @throws KimiError `bad_reply` for a response that cannot be used, also for a link that leads
 *   elsewhere than to Kimi's site; otherwise by what went wrong. The signal's reason when it fired
 */
export async function requestDeviceCode(request: DeviceRequest): Promise<DeviceCode> {
  const url = `${request.endpoints.oauthHost}/api/oauth/device_authorization`;
  const { host } = new URL(url);
  const response = await sendDeviceForm(request, url, {}, REQUEST_TIMEOUT_MS);
  if (response.status !== 200) {
    throw unexpectedResponse(response, host);
  }
  const parsed = codeResponseSchema.safeParse(parseJson(response.text));
  if (!parsed.success) {
    throw badDeviceResponse(say.notACode(host), response.status);
  }
  const link = checkVerificationLink(parsed.data.verification_uri_complete, request.endpoints);
  if (link === undefined) {
    throw badDeviceResponse(say.foreignLink(host), response.status);
  }
  const expiresInS = parsed.data.expires_in ?? DEFAULT_LIFETIME_S;
  const intervalS = Math.max(parsed.data.interval ?? DEFAULT_INTERVAL_S, MIN_INTERVAL_S);
  if (intervalS >= Math.min(expiresInS, DEFAULT_LIFETIME_S)) {
    throw badDeviceResponse(say.codeEndsTooSoon(host), response.status);
  }
  return {
    deviceCode: parsed.data.device_code,
    userCode: parsed.data.user_code,
    link,
    expiresInS,
    intervalS,
  };
}
