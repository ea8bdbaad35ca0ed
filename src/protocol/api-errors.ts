/**
 * What an answer of Kimi's API means.
 *
 * The status alone does not tell: a 401 may be about the plan, and one error type stands for a ban, a
 * used-up quota and a client that is not wanted. So the text decides first, then the status. The
 * text is only matched, never shown.
 */

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
export type QuotaWindow = "5h" | "7d" | "month";

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

/** What a sentence about an answer can be filled with. */
export interface AnswerFacts {
  /** Model of the request. */
  readonly model?: string | undefined;
  readonly status?: number | undefined;
  readonly window?: QuotaWindow | undefined;
  /** When the window ends, in ms from now. */
  readonly resetsInMs?: number | undefined;
  /** Kimi's site for the login's region, e.g. `https://www.kimi.com`. */
  readonly site?: string | undefined;
  /** A sentence: how to sign in again. */
  readonly signIn?: string | undefined;
}

const WINDOW_LABEL: Readonly<Record<QuotaWindow, string>> = {
  "5h": "5-hour ",
  "7d": "weekly ",
  month: "monthly ",
};

/** A number of units in words. */
function counted(count: number, unit: string): string {
  return `${String(count)} ${unit}${count === 1 ? "" : "s"}`;
}

/** A time span in words that the host also reads as a time to wait. */
function waitText(ms: number): string {
  const minutes = Math.max(1, Math.ceil(ms / 60_000));
  if (minutes < 120) {
    return counted(minutes, "minute");
  }
  // A few minutes over do not make the next hour, nor an hour the next day.
  const hours = Math.ceil((minutes - 5) / 60);
  return hours < 48 ? counted(hours, "hour") : counted(Math.ceil((hours - 1) / 24), "day");
}

/**
 * What happened and what to do, for a user.
 *
 * The words are chosen with care, because the host reads them too (2026.9.6): "expired" or a 4xx
 * status means to it a login that must be renewed. Of what it files under `rate_limit`, it shows a
 * chat channel its own words about waiting a few minutes, unless the sentence names a weekly or
 * monthly limit; then it shows the sentence, of which a chat window has room for 235 characters, and knows that
 * sending the request again is in vain. So each sentence about the plan says how it stands to that
 * limit. Tests hold these sentences against the host's own readers.
 */
export function describeAnswer(kind: AnswerKind, facts: AnswerFacts = {}): string {
  const model = facts.model ?? "this model";
  const site = `${facts.site ?? "https://www.kimi.com"}/code`;
  const http = facts.status === undefined ? "" : ` (HTTP ${String(facts.status)})`;
  switch (kind) {
    case "rejected_bearer":
      return `Kimi does not accept this login's token, not even a refreshed one. ${facts.signIn ?? "Sign in again."}`;
    case "no_access":
      return `Your Kimi plan does not include ${model}; its weekly usage limit is not the reason. Choose another model with /model, or upgrade the plan at ${site}.`;
    case "no_long_context":
      return `Context length exceeded: your Kimi plan gives ${model} less than this conversation needs. Shorten it with /compact, or upgrade the plan at ${site}.`;
    case "unknown_model":
      return `Kimi does not offer ${model} to this account. See what it offers with: openclaw models list --provider kimi-code --refresh`;
    case "no_membership":
      return `This Kimi account has no active Kimi Code plan; a weekly usage limit is not the reason. Activate a plan at ${site}; the login itself is kept.`;
    case "quota": {
      const label = facts.window === undefined ? "" : WINDOW_LABEL[facts.window];
      const when =
        facts.resetsInMs === undefined
          ? "Wait until it resets"
          : `Try again in ${waitText(facts.resetsInMs)}`;
      return `Your Kimi plan's ${label}usage limit is reached. ${when}; openclaw status --usage shows its weekly and monthly limits, and more usage is sold at ${site}.`;
    }
    case "no_credit":
      return `The extra credit of this Kimi account is used up. Add credit at ${site}, or wait until the plan's weekly usage limit resets.`;
    case "concurrency":
      return "Too many requests of this Kimi account run at the same time, on all its devices together. Let some finish and try again in 10 seconds.";
    case "identity_refused":
      return "Kimi does not accept this plugin as a client; your plan's weekly usage limit is not the reason. If Kimi gave you a product name, set it as identity.product of kimi-code-oauth; else use another provider.";
    case "banned":
      return "Kimi has suspended this account's access to its plan; a weekly usage limit is not the reason. Contact Kimi's support; signing in again does not help.";
    case "page_refused":
      return "Kimi does not fetch this page because it considers it a risk. Use another page.";
    case "rate_limited":
      return "Kimi receives too many requests right now. Try again in 5 seconds.";
    case "overloaded":
      return "Kimi's model servers are overloaded right now. Try again in a moment.";
    case "context_overflow":
      return `Context length exceeded: this conversation is larger than ${model} takes. Shorten it with /compact, or start a new one with /new.`;
    case "bad_request":
      return `Kimi could not read the request${http}. Start a new conversation with /new; if that does not help, report it to the plugin.`;
    case "server_error":
      return `Kimi's server has a problem${http}. Try again in a moment; you are still signed in.`;
    case "refused":
      return "Kimi's server refused the request for a reason that this plugin does not know; you are still signed in. Try another model, and see your plan's weekly usage limit with: openclaw status --usage";
  }
}
