/**
 * The failures of model calls: from the host's report of one to its meaning, and from the meaning to
 * the host's failover reason.
 *
 * The host knows a failure by a text and a code. The wrapper (`stream.ts`) puts a plain sentence and
 * a code of ours in their place, so that the host neither shows what the server wrote nor takes a
 * plan's limit for a login that must be renewed; the classifier here then maps the code. A report
 * that the wrapper did not see is read from its text.
 */

import type { ProviderPlugin } from "openclaw/plugin-sdk/plugin-entry";
import { type AnswerKind, classifyResponse, responseParts } from "../protocol/api-errors.ts";
import type { KimiErrorCode } from "../protocol/errors.ts";

type ClassifyHook = NonNullable<ProviderPlugin["classifyFailoverReason"]>;
type Reason = NonNullable<ReturnType<ClassifyHook>>;

/** A failure of ours: an answer of the API, or an error of the login. */
export type FailureKind = AnswerKind | KimiErrorCode;

const CODE_PREFIX = "kimi_";

/** The code by which the host carries a failure. */
export function failureCode(kind: FailureKind): string {
  return `${CODE_PREFIX}${kind}`;
}

/**
 * What the host makes of each answer.
 *
 * An answer about the plan, and not about the login, is a `rate_limit`: the host then shows our
 * sentence, puts this model of the profile into a cooldown (`cooldown.ts` ends that where it is of no
 * use), does not repeat the request (the sentence says so) and lets the fallbacks take over. Under
 * `billing` and `auth_permanent` it disables the whole profile, for up to a day after the user has
 * fixed the problem. Under these, `auth` and `model_not_found` it also shows words of its own that are
 * not true here.
 */
const ANSWER_REASONS: Readonly<Record<AnswerKind, Reason>> = {
  rejected_bearer: "auth",
  no_access: "rate_limit",
  no_long_context: "context_overflow",
  unknown_model: "model_not_found",
  no_membership: "rate_limit",
  quota: "rate_limit",
  no_credit: "rate_limit",
  concurrency: "rate_limit",
  identity_refused: "rate_limit",
  banned: "rate_limit",
  page_refused: "format",
  rate_limited: "rate_limit",
  overloaded: "overloaded",
  context_overflow: "context_overflow",
  // Under `format`, OpenClaw shows words of its own, which name neither the tool nor the fault.
  image_too_large: "rate_limit",
  bad_schema: "rate_limit",
  content_policy: "rate_limit",
  bad_request: "rate_limit",
  server_error: "server_error",
  refused: "rate_limit",
};

/** What the host makes of an error of the login. */
const LOGIN_REASONS: Readonly<Partial<Record<KimiErrorCode, Reason>>> = {
  login_missing: "auth",
  login_unreadable: "auth",
  login_corrupt: "auth",
  login_revoked: "auth",
  login_ended: "auth",
  account_changed: "auth",
  endpoint_invalid: "auth",
  home_not_writable: "auth",
  home_busy: "timeout",
  network: "timeout",
  server_unavailable: "server_error",
  rate_limited: "rate_limit",
  bad_reply: "server_error",
};

/** What the host says of a failed call; the members of its assistant message. */
export interface FailureReport {
  readonly errorMessage?: string | undefined;
  readonly errorType?: string | undefined;
  readonly errorCode?: string | undefined;
  /** JSON, cut to 500 characters. */
  readonly errorBody?: string | undefined;
}

/** A failure that is an answer of Kimi's. */
export interface ReportedFailure {
  readonly kind: AnswerKind;
  readonly status: number | undefined;
  /** The server's own sentence. */
  readonly text: string;
  /** How long the server asks to wait, in ms, as the host's transports add it to the message. */
  readonly retryAfterMs?: number | undefined;
}

/** Status and text of a failure as the host's transports write it: `401 <text>` or `401: {…}`. */
function statusAndText(errorMessage: string): { status: number | undefined; text: string } {
  const match = /^\s*(?:error:\s*)?(\d{3})\b:?\s*/i.exec(errorMessage);
  return {
    status: match?.[1] === undefined ? undefined : Number(match[1]),
    text: errorMessage.slice(match?.[0].length ?? 0),
  };
}

const RETRY_AFTER = /(?:;\s*retry-after:\s*|try again (?:after|in) )(\d{1,6})\s*seconds?\b/i;

/** What the report of a failed model call means; `undefined` for one that is the host's to read. */
export function classifyReport(report: FailureReport): ReportedFailure | undefined {
  const { errorMessage = "", errorType, errorCode, errorBody } = report;
  const message = statusAndText(errorMessage);
  // The code is the status where the error has none of its own.
  const status =
    message.status ?? (/^[45]\d\d$/.test(errorCode ?? "") ? Number(errorCode) : undefined);
  const type = errorType ?? responseParts(status, errorBody ?? "").type;
  const kind = classifyResponse(status, message.text, type);
  if (kind === undefined) {
    return undefined;
  }
  const seconds = RETRY_AFTER.exec(errorMessage)?.[1];
  return {
    kind,
    status,
    text: responseParts(status, message.text, type).message,
    ...(seconds === undefined ? {} : { retryAfterMs: Number(seconds) * 1_000 }),
  };
}

/** True for an answer that asks for fewer requests, so that the host's cooldown is what Kimi wants. */
export function asksForFewerRequests(kind: FailureKind): boolean {
  return kind === "rate_limited" || kind === "concurrency" || kind === "overloaded";
}

/** True when Kimi rejected the bearer itself. */
export function isRejectedBearer(report: FailureReport | undefined): boolean {
  return report !== undefined && classifyReport(report)?.kind === "rejected_bearer";
}

/** The host's classification hook. */
export function classifyFailure(ctx: Parameters<ClassifyHook>[0]): Reason | undefined {
  const own = ctx.code?.toLowerCase();
  if (own?.startsWith(CODE_PREFIX) === true) {
    const kind = own.slice(CODE_PREFIX.length);
    return (
      (ANSWER_REASONS as Readonly<Record<string, Reason | undefined>>)[kind] ??
      (LOGIN_REASONS as Readonly<Record<string, Reason | undefined>>)[kind]
    );
  }
  const { status, text } = statusAndText(ctx.errorMessage);
  const kind = classifyResponse(ctx.status ?? status, text, ctx.errorType);
  return kind === undefined ? undefined : ANSWER_REASONS[kind];
}

/** The host's context-overflow hook. */
export function isContextOverflow(ctx: Parameters<ClassifyHook>[0]): boolean {
  return classifyFailure(ctx) === "context_overflow";
}
