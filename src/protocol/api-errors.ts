/**
 * What an answer of Kimi's API means.
 *
 * The status alone does not tell: a 401 may be about the plan, and one error type stands for a ban, a
 * used-up quota and a client that is not wanted. So the text decides first, then the status. The
 * text is only matched, never shown.
 */

import type { Window } from "../messages.ts";

/** What an answer that is not a success means, as a closed set. */
export type AnswerKind =
  /** 401: the access token is not accepted; one refresh may help. */
  | "rejected_bearer"
  /** 401: the plan does not include the model. */
  | "no_access"
  /** 401: the plan includes the model, but not this much context. */
  | "no_long_context"
  /** 401 or 404: no such model. */
  | "unknown_model"
  /** 402: no active membership. */
  | "no_membership"
  /** 403 or 429: a usage window is used up. */
  | "quota"
  /** 403: the extra credit is used up. */
  | "no_credit"
  /** 403: too many requests of the account at the same time. */
  | "concurrency"
  /** 403: the client's identity is not accepted. */
  | "identity_refused"
  /** 403: the account is suspended. */
  | "banned"
  /** 403 of `/fetch`: the page is considered a risk. */
  | "page_refused"
  /** 429: too many requests. */
  | "rate_limited"
  /** 429 or 529: the model's servers are overloaded. */
  | "overloaded"
  /** 400 or 413: the request is larger than the model takes. */
  | "context_overflow"
  /** 400, 413 or 422: a fault of the request. */
  | "bad_request"
  /** 408 or 5xx. */
  | "server_error"
  /** Any other refusal. */
  | "refused";

/** The usage window that an answer speaks of. */
export type QuotaWindow = Window;

/** Texts that decide, whatever the status; the first match counts. */
const BY_TEXT: readonly (readonly [RegExp, AnswerKind])[] = [
  [/subscription does not have access/i, "no_access"],
  [/plan supports only .{0,60}context/i, "no_long_context"],
  [/plan supports only/i, "no_access"],
  [/model id does not exist|not found the model/i, "unknown_model"],
  [/membership benefits/i, "no_membership"],
  [/concurren(?:t|cy) (?:request )?limit/i, "concurrency"],
  // Before the ban: both come with the type `access_terminated_error`.
  [
    /usage limit|quota will (?:reset|be refreshed)|exceeded_current_quota|exceeded your current (?:token )?quota|monthly limit reached/i,
    "quota",
  ],
  [
    /credit balance is insufficient|insufficient balance|account in arrears|recharge your account|please recharge/i,
    "no_credit",
  ],
  [/only available for coding agents/i, "identity_refused"],
  [/access terminated|community guidelines/i, "banned"],
  [/security_risk/i, "page_refused"],
  [/engine(?:_| is currently )overloaded|overloaded_error/i, "overloaded"],
  [/rate_limit_reached|too many requests/i, "rate_limited"],
  [
    /exceeded model token limit|total message size \d+ exceeds limit|context length|prompt is too long/i,
    "context_overflow",
  ],
];

/**
 * Sorts an answer.
 *
 * @param status - HTTP status, if known
 * @param text - the body, or what is left of it
 * @returns `undefined` for a success, or when neither status nor text says anything
 */
export function classifyAnswer(status: number | undefined, text: string): AnswerKind | undefined {
  if (status !== undefined && status < 400) {
    return undefined;
  }
  return BY_TEXT.find(([pattern]) => pattern.test(text))?.[1] ?? classifyStatus(status);
}

function classifyStatus(status: number | undefined): AnswerKind | undefined {
  switch (status) {
    case undefined:
      return undefined;
    case 400:
    case 413:
    case 422:
      return "bad_request";
    case 401:
      return "rejected_bearer";
    case 402:
      return "no_membership";
    case 429:
      return "rate_limited";
    case 529:
      return "overloaded";
    default:
      return status === 408 || status >= 500 ? "server_error" : "refused";
  }
}

/** The window that a quota answer names. */
export function quotaWindow(text: string): QuotaWindow | undefined {
  if (/weekly|7-day/i.test(text)) {
    return "7d";
  }
  if (/5-hour|5 hours/i.test(text)) {
    return "5h";
  }
  return /month|billing cycle/i.test(text) ? "month" : undefined;
}
