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
import { type AnswerKind, classifyAnswer } from "../protocol/api-errors.ts";
import type { KimiErrorCode } from "../protocol/errors.ts";

type Classify = NonNullable<ProviderPlugin["classifyFailoverReason"]>;
type Reason = NonNullable<ReturnType<Classify>>;

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
  bad_request: "format",
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

/** Status and body of a failure as the host's transports write it: `401 <text>` or `401: {…}`. */
function readReport(errorMessage: string): { status: number | undefined; text: string } {
  const match = /^\s*(?:error:\s*)?(\d{3})\b:?\s*/i.exec(errorMessage);
  return {
    status: match?.[1] === undefined ? undefined : Number(match[1]),
    text: errorMessage.slice(match?.[0].length ?? 0),
  };
}

/** What a failure of a model call means; `undefined` for one that is not an answer of Kimi's. */
export function classifyReport(
  errorMessage: string | undefined,
):
  | { readonly kind: AnswerKind; readonly status: number | undefined; readonly text: string }
  | undefined {
  if (errorMessage === undefined) {
    return undefined;
  }
  const { status, text } = readReport(errorMessage);
  const kind = classifyAnswer(status, text);
  return kind === undefined ? undefined : { kind, status, text };
}

/** True for an answer that asks for fewer requests, so that the host's pause is what Kimi wants. */
export function asksForPatience(kind: FailureKind): boolean {
  return kind === "rate_limited" || kind === "concurrency" || kind === "overloaded";
}

/** True when Kimi refused the bearer itself. */
export function isRejectedBearer(errorMessage: string | undefined): boolean {
  return classifyReport(errorMessage)?.kind === "rejected_bearer";
}

/** The host's classification hook. */
export function classifyFailure(ctx: Parameters<Classify>[0]): Reason | undefined {
  const own = ctx.code?.toLowerCase();
  if (own?.startsWith(CODE_PREFIX) === true) {
    const kind = own.slice(CODE_PREFIX.length);
    return (
      (ANSWER_REASONS as Readonly<Record<string, Reason | undefined>>)[kind] ??
      (LOGIN_REASONS as Readonly<Record<string, Reason | undefined>>)[kind]
    );
  }
  const report = readReport(ctx.errorMessage);
  const kind = classifyAnswer(ctx.status ?? report.status, report.text);
  return kind === undefined ? undefined : ANSWER_REASONS[kind];
}

/** The host's context-overflow hook. */
export function isContextOverflow(ctx: Parameters<Classify>[0]): boolean {
  return classifyFailure(ctx) === "context_overflow";
}
