/**
 * The refresh grant (RFC 6749, section 6): one request, its response classified. No state, no files,
 * no retry: the caller, who owns the refresh token, decides whether to send it again.
 */

import { say } from "../messages.ts";
import { CLIENT_ID, type Endpoints, tokenEndpointOf } from "./endpoints.ts";
import { KimiError } from "./errors.ts";
import { exchange, type HttpResponse } from "./http.ts";
import { parseJsonWithin } from "../json.ts";
import { oauthErrorSchema, tokenResponseSchema } from "./token-response.ts";

/** Limit for the exchange, in ms: a late response is not thrown away, because its token is spent. */
const GRANT_TIMEOUT_MS = 60_000;
/** Lifetime assumed when the server names none that can be used, in seconds. */
const FALLBACK_LIFETIME_S = 900;
/** Longest lifetime believed, in seconds. */
const MAX_LIFETIME_S = 24 * 60 * 60;

/** Tokens as the server issued them. */
export interface IssuedTokens {
  readonly accessToken: string;
  /** Absent when the server keeps the old refresh token valid (RFC 6749, section 6). */
  readonly refreshToken?: string;
  /** Lifetime in seconds. */
  readonly expiresInS: number;
  readonly scope?: string | undefined;
  readonly tokenType?: string | undefined;
}

/** What a grant needs. */
export interface GrantRequest {
  readonly endpoints: Endpoints;
  readonly headers: Readonly<Record<string, string>>;
  /** Called right before the request's bytes leave; what it throws stops them. */
  readonly beforeSend?: (() => void) | undefined;
}

function lifetimeSeconds(value: unknown): number {
  const seconds = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof seconds !== "number" || !Number.isFinite(seconds) || seconds <= 0) {
    return FALLBACK_LIFETIME_S;
  }
  return Math.min(seconds, MAX_LIFETIME_S);
}

/**
 * Reads a successful response of the token endpoint.
 *
 * @param signedIn - false at a sign-in, where there is no login yet
 * @throws KimiError `bad_reply` when it holds no usable access token
 */
export function parseIssuedTokens(
  response: HttpResponse,
  host: string,
  signedIn: boolean,
): IssuedTokens {
  const parsed = tokenResponseSchema.safeParse(parseJsonWithin(response.text));
  if (!parsed.success) {
    if (response.cut !== undefined) {
      throw response.cut;
    }
    const { what, message } = say.notTokens(host, signedIn);
    throw new KimiError("bad_reply", message, {
      what,
      status: response.status,
      mayHaveReachedServer: true,
    });
  }
  const { access_token, refresh_token, expires_in, scope, token_type } = parsed.data;
  return {
    accessToken: access_token,
    ...(refresh_token === undefined ? {} : { refreshToken: refresh_token }),
    expiresInS: lifetimeSeconds(expires_in),
    scope,
    tokenType: token_type,
  };
}

/** Server errors after which both Kimi CLIs send a refresh again. */
const RETRYABLE_STATUS: ReadonlySet<number> = new Set([500, 502, 503, 504]);

/**
 * The error for a response that says nothing about the tokens: the server asks to wait, has a
 * problem of its own, or sends the request elsewhere.
 *
 * @param signedIn - false at a sign-in, where there is no login yet
 * @returns `undefined` for any other response
 */
export function transientFailure(
  { status, retryAfterMs }: HttpResponse,
  host: string,
  signedIn: boolean,
): KimiError | undefined {
  if (status === 429) {
    const { what, message } = say.serverLimits(host, signedIn);
    const details = { what, status, retryable: true, retryAfterMs };
    return new KimiError("rate_limited", message, details);
  }
  if (status >= 500) {
    const { what, message } = say.serverFailed(host, status, signedIn);
    return new KimiError("server_unavailable", message, {
      what,
      status,
      retryable: RETRYABLE_STATUS.has(status),
      mayHaveReachedServer: true,
      retryAfterMs,
    });
  }
  if (status >= 300 && status < 400) {
    const { what, message } = say.redirected(host, signedIn);
    return new KimiError("refused", message, { what, status });
  }
  return undefined;
}

/**
 * Classifies a response without tokens. Only `invalid_grant` says that the login is over, whatever the
 * status (RFC 6749, section 5.2); a 401 or 403 without it comes from something in between, or is
 * about the client.
 */
function grantError(response: HttpResponse, host: string): KimiError | undefined {
  const { status } = response;
  const error = oauthErrorSchema.safeParse(parseJsonWithin(response.text));
  if (response.cut === undefined && error.success && error.data.error === "invalid_grant") {
    return new KimiError("login_ended", say.endedByKimi(), { status });
  }
  if (status >= 200 && status < 300) {
    return undefined;
  }
  const transient = transientFailure(response, host, true);
  if (transient !== undefined) {
    return transient;
  }
  const { what, message } = say.refreshRefused(host, status);
  return new KimiError("refused", message, { what, status });
}

/**
 * Spends a refresh token.
 *
 * @returns the new tokens; the old refresh token is void from now on
 * @throws KimiError `login_ended` when Kimi rejects the token; otherwise a transient one, with
 *   `retryable` and `mayHaveReachedServer` set as far as they are known
 */
export async function refreshGrant(
  request: GrantRequest & { readonly refreshToken: string },
): Promise<IssuedTokens> {
  const url = tokenEndpointOf(request.endpoints);
  const { host } = new URL(url);
  const response = await exchange({
    method: "POST",
    url,
    headers: {
      ...request.headers,
      Accept: "application/json",
      "Content-Type": "application/x-www-form-urlencoded",
    },
    body: new URLSearchParams({
      client_id: CLIENT_ID,
      grant_type: "refresh_token",
      refresh_token: request.refreshToken,
    }).toString(),
    timeoutMs: GRANT_TIMEOUT_MS,
    acceptCut: true,
    beforeSend: request.beforeSend,
  });
  const error = grantError(response, host);
  if (error !== undefined) {
    throw error;
  }
  return parseIssuedTokens(response, host, true);
}
