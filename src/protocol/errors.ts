/**
 * One error type for everything that can go wrong with a Kimi login.
 *
 * The message is complete for a user: what happened, then what to do. It never holds a token, a
 * path's content or a byte that a server sent. Callers branch on `code`, never on the text.
 */

/** What can go wrong, as a closed set. */
export type KimiErrorCode =
  /** No credential file: no sign-in yet, or the owner signed out. */
  | "login_missing"
  /** The credential file is there but cannot be read. */
  | "login_unreadable"
  /** The credential file was read and is not a credential. */
  | "login_corrupt"
  /** The Kimi CLI marked the login as rejected (its tombstone). */
  | "login_revoked"
  /** Kimi rejected the refresh token: only a new sign-in helps. */
  | "login_ended"
  /** The home now holds another account than the profile. */
  | "account_changed"
  /** New tokens could not be kept, so the refresh token is not spent. */
  | "home_not_writable"
  /** Another process held the home's lock for too long, or renews the login right now. */
  | "home_busy"
  /** The home could not be read or written for a transient reason (too many open files, an I/O error). */
  | "home_unavailable"
  /** Kimi's server could not be reached, or the connection broke. */
  | "network"
  /** Kimi's server answered with a server error. */
  | "server_unavailable"
  /** Kimi's server asked for fewer requests. */
  | "rate_limited"
  /** The response was not one that this protocol knows. */
  | "bad_reply"
  /** The request was refused for a reason other than the login. */
  | "refused"
  /** The user denied a sign-in. */
  | "sign_in_denied"
  /** The user did not approve a sign-in in time. */
  | "sign_in_expired"
  /** An endpoint in the environment or the profile cannot be used. */
  | "endpoint_invalid"
  /** The caller gave up. */
  | "aborted";

/** Codes after which trying again later can work without the user doing anything. */
const TRANSIENT_CODES: ReadonlySet<KimiErrorCode> = new Set([
  "home_busy",
  "home_unavailable",
  "network",
  "server_unavailable",
  "rate_limited",
  "bad_reply",
  "refused",
  "aborted",
]);

/** Details that callers act on; none of them is shown to the user as such. */
export interface KimiErrorDetails {
  /** HTTP status of the response, when there was one. */
  readonly status?: number;
  /** How long the server asked to wait, in ms (RFC 9110, section 10.2.3). */
  readonly retryAfterMs?: number | undefined;
  /** True when the same request may be sent again at once. */
  readonly retryable?: boolean;
  /** What happened, as a sentence of its own, for a caller that adds when it goes on. */
  readonly what?: string | undefined;
  /** True when the request may have reached the server although no response came back. */
  readonly mayHaveReachedServer?: boolean;
}

/** An error of a Kimi login; see {@link KimiErrorCode}. */
export class KimiError extends Error {
  override readonly name = "KimiError";
  readonly code: KimiErrorCode;
  readonly details: KimiErrorDetails;

  /**
   * @param code - what went wrong
   * @param message - what happened, then what to do, in plain sentences
   * @param details - facts for the caller
   */
  constructor(code: KimiErrorCode, message: string, details: KimiErrorDetails = {}) {
    super(message);
    this.code = code;
    this.details = details;
  }

  /** True when the same thing can work later without the user doing anything. */
  get transient(): boolean {
    return TRANSIENT_CODES.has(this.code);
  }
}

/** True for a {@link KimiError}, also one from another loaded copy of this module. */
export function isKimiError(value: unknown): value is KimiError {
  return value instanceof Error && value.name === "KimiError" && "code" in value;
}

/** The system error code of a failed call (`ENOENT`, `ECONNREFUSED` …), looked up along `cause`. */
export function systemErrorCode(error: unknown): string | undefined {
  let current: unknown = error;
  for (let depth = 0; depth < 5 && current instanceof Error; depth += 1) {
    if ("code" in current && typeof current.code === "string") {
      return current.code;
    }
    current =
      current instanceof AggregateError && current.errors.length > 0
        ? current.errors[0]
        : current.cause;
  }
  return undefined;
}
