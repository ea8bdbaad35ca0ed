/**
 * The refresh grant (RFC 6749, section 6): one request, its answer sorted. No state, no files, no
 * retry; whoever owns the refresh token decides whether to send it again.
 */

import { CLIENT_ID, type Endpoints, tokenEndpointOf } from "./endpoints.ts";
import { KimiError } from "./errors.ts";
import { exchange, type HttpReply } from "./http.ts";
import { oauthErrorSchema, parseJson, tokenReplySchema } from "./schemas.ts";

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
  /** Limit for the exchange, in ms. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

function lifetimeSeconds(value: unknown): number {
  const seconds = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof seconds !== "number" || !Number.isFinite(seconds) || seconds <= 0) {
    return FALLBACK_LIFETIME_S;
  }
  return Math.min(seconds, MAX_LIFETIME_S);
}

/**
 * Reads a successful reply of the token endpoint.
 *
 * @throws KimiError `bad_reply` when it holds no usable access token
 */
export function parseIssuedTokens(reply: HttpReply, host: string): IssuedTokens {
  const parsed = tokenReplySchema.safeParse(parseJson(reply.text));
  if (!parsed.success) {
    throw new KimiError(
      "bad_reply",
      `${host} answered with something other than Kimi's tokens. Check the network or proxy and try again; you are still signed in.`,
      { status: reply.status, mayHaveReachedServer: true },
    );
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
 * The error for an answer that says nothing about the tokens: the server asks for patience, has a
 * problem of its own, or sends the request elsewhere.
 *
 * @param again - what the user can do afterwards, without the full stop
 * @returns `undefined` for any other answer
 */
export function troubleOf(reply: HttpReply, host: string, again: string): KimiError | undefined {
  const { status, retryAfterMs } = reply;
  if (status === 429) {
    return new KimiError(
      "rate_limited",
      `Kimi's server ${host} is limiting sign-in requests. Wait a moment and ${again}.`,
      { status, retryable: true, retryAfterMs },
    );
  }
  if (status >= 500) {
    return new KimiError(
      "server_unavailable",
      `Kimi's server ${host} has a problem (HTTP ${String(status)}). Wait a moment and ${again}.`,
      { status, retryable: RETRYABLE_STATUS.has(status), mayHaveReachedServer: true, retryAfterMs },
    );
  }
  return status >= 300 && status < 400
    ? new KimiError(
        "refused",
        `${host} tried to send the sign-in request to another address, and it was stopped. Check the network or proxy and ${again}.`,
        { status },
      )
    : undefined;
}

/** Sorts an answer that is not 200 the way both Kimi CLIs do. */
function grantError(reply: HttpReply, host: string): KimiError {
  const { status } = reply;
  const body = parseJson(reply.text);
  const error = oauthErrorSchema.safeParse(body);
  const isJson = typeof body === "object" && body !== null;
  // A 401 or 403 page of a proxy or firewall says nothing about the login.
  if ((error.success && error.data.error === "invalid_grant") || (isJson && (status === 401 || status === 403))) {
    return new KimiError("login_ended", "Kimi has ended this login. Sign in again.", { status });
  }
  return (
    troubleOf(reply, host, "try again; you are still signed in") ??
    new KimiError(
      "refused",
      `Kimi's server ${host} refused to refresh the login (HTTP ${String(status)}). Try again later; you are still signed in.`,
      { status },
    )
  );
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
  const reply = await exchange({
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
    timeoutMs: request.timeoutMs,
    signal: request.signal,
  });
  if (reply.status !== 200) {
    throw grantError(reply, host);
  }
  return parseIssuedTokens(reply, host);
}
