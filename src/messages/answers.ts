/** Sentences about answers of Kimi's API, by their kind. */

import { longWait, shortWait } from "../words.ts";
import { type Owner, signInAgain } from "./owner.ts";
import { statusInBrackets } from "./transient.ts";

/** The usage window that an answer speaks of. */
export type Window = "5h" | "7d" | "month";

/** Each speaks of a weekly or monthly limit, for {@link answers}. */
const LIMITS: Readonly<Record<Window | "unknown", string>> = {
  "5h": "5-hour usage limit (not the weekly limit)",
  "7d": "weekly usage limit",
  month: "monthly usage limit",
  unknown: "5-hour, weekly or monthly usage limit",
};

/** What a sentence about an answer of Kimi's API is filled with. */
export interface AnswerFacts {
  readonly model?: string | undefined;
  /** HTTP status. */
  readonly status?: number | undefined;
  readonly window?: Window | undefined;
  /** When the window ends, in ms from now. */
  readonly resetsInMs?: number | undefined;
  /** Kimi's web site for the login's region, e.g. `https://www.kimi.com`. */
  readonly site: string;
  readonly owner: Owner;
  /** How long Kimi asks to wait, in ms. */
  readonly retryAfterMs?: number | undefined;
  /** Kimi's own words about a fault of the request, shortened and without ids. */
  readonly detail?: string | undefined;
  /** The tools whose parameters may be meant. */
  readonly tools?: readonly string[] | undefined;
  /** Kimi's id of the request, for a report. */
  readonly trace?: string | undefined;
}

/** Said where a plan and not a usage limit is the reason: OpenClaw then shows the sentence itself. */
const NOT_THE_LIMIT = "(not about the weekly limit)";
/** The same, where the sentence has no other word that makes OpenClaw show it. */
const NOT_THE_PLAN = "(not about the plan's weekly limit)";

function waitOr(retryAfterMs: number | undefined, otherwise: string): string {
  return retryAfterMs === undefined ? otherwise : `in ${shortWait(retryAfterMs)}`;
}

function quoted(detail: string | undefined): string {
  return detail === undefined ? "" : `: "${detail}"`;
}

/**
 * Answers of Kimi's API, by their kind.
 *
 * OpenClaw (2026.9.6) reads these words too: "expired" or a 4xx status means to it a login that must
 * be renewed. Of what it files under `rate_limit`, it shows a chat channel its own words about waiting
 * a few minutes, unless the sentence names a weekly or monthly limit; then it shows the sentence and
 * does not send the request again. For the sentence to be shown at all, it must hold the word "plan",
 * "resets" or a time. The Control UI has room for 160 characters: of a longer sentence it shows the
 * first 51 and the last 104.
 */
export const answers = {
  rejected_bearer: ({ owner }: AnswerFacts) =>
    `Kimi rejected this login's token, even after a refresh. ${signInAgain(owner)}`,
  no_access: ({ model = "this model", site }: AnswerFacts) =>
    `Your Kimi plan does not include ${model} ${NOT_THE_LIMIT}. Switch models with /model, or upgrade at ${site}/code.`,
  no_long_context: ({ model = "this model", site }: AnswerFacts) =>
    `Context length exceeded: your Kimi plan allows less for ${model} than this conversation has. Shorten it with /compact, or upgrade at ${site}/code.`,
  unknown_model: ({ model = "this model" }: AnswerFacts) =>
    `Kimi does not offer ${model} to this account. To list the models, run: openclaw models list --provider kimi-code --refresh`,
  no_membership: ({ site }: AnswerFacts) =>
    `This Kimi account has no active Kimi Code plan ${NOT_THE_LIMIT}. Activate a plan at ${site}/code; you are still signed in.`,
  quota: ({ window, resetsInMs, site }: AnswerFacts) => {
    const when =
      resetsInMs === undefined ? "Wait until it resets" : `Try again in ${longWait(resetsInMs)}`;
    return `You have reached your Kimi plan's ${LIMITS[window ?? "unknown"]}. ${when}, or buy more usage at ${site}/code.`;
  },
  no_credit: ({ site }: AnswerFacts) =>
    `This Kimi account's extra credit is used up. Add credit at ${site}/code, or wait until the plan's weekly usage limit resets.`,
  concurrency: () =>
    "This Kimi account has too many requests running at once, across all devices. Try again in 10 seconds.",
  identity_refused: () =>
    `Kimi does not accept this plugin as a client ${NOT_THE_PLAN}. Set identity.product if Kimi gave you one, or use another provider.`,
  banned: () =>
    `Kimi has suspended this account's access to its plan ${NOT_THE_LIMIT}. Contact Kimi's support; signing in again does not help.`,
  page_refused: () =>
    "Kimi will not fetch this page because it considers it unsafe. Try another page.",
  rate_limited: ({ retryAfterMs }: AnswerFacts) =>
    `Kimi is receiving too many requests right now. Try again ${waitOr(retryAfterMs, "in 5 seconds")}.`,
  overloaded: ({ retryAfterMs }: AnswerFacts) =>
    `Kimi's model servers are overloaded right now. Try again ${waitOr(retryAfterMs, "in a moment")}.`,
  context_overflow: ({ model = "this model" }: AnswerFacts) =>
    `Context length exceeded: this conversation is larger than ${model} takes. Shorten it with /compact, or start a new one with /new.`,
  image_too_large: () =>
    `Kimi did not take the image that you sent ${NOT_THE_PLAN}: too large, or of a kind that it does not read. Try a smaller PNG or JPEG.`,
  bad_schema: ({ tools = [], detail }: AnswerFacts) =>
    `Kimi does not take the parameters of ${tools.length === 0 ? "a tool" : `the tool ${tools.join(" or ")}`} ${NOT_THE_PLAN}${quoted(detail)}. Turn that tool off, or report this to kimi-code-oauth.`,
  content_policy: () =>
    `Kimi's content policy blocked this request ${NOT_THE_PLAN}. Say it in other words, or switch models with /model.`,
  bad_request: ({ detail, trace }: AnswerFacts) =>
    `Kimi could not read this request ${NOT_THE_PLAN}${quoted(detail)}. Start a new conversation with /new${trace === undefined ? "" : `, or report trace ${trace}`}.`,
  server_error: ({ status, retryAfterMs }: AnswerFacts) =>
    `Kimi's server returned an error${statusInBrackets(status)}. Try again ${waitOr(retryAfterMs, "in a moment")}; you are still signed in.`,
  refused: () =>
    "Kimi's server refused the request for an unknown reason; you are still signed in. Try another model, or see your plan's weekly limit: openclaw status --usage",
} as const;

/** A web tool of OpenClaw's. */
export type WebTool = "search" | "fetch";

/** What a web tool is called in a sentence. */
export const WEB_TOOLS: Readonly<Record<WebTool, string>> = {
  search: "web search",
  fetch: "page fetching",
};

const OTHER_PROVIDER = "choose another provider with: openclaw configure --section web";

/** Facts about an answer to a web tool's request. */
export interface WebAnswerFacts extends AnswerFacts {
  readonly tool: WebTool;
}

function notInPlan({ tool, site }: WebAnswerFacts): string {
  return `Your Kimi plan does not include ${WEB_TOOLS[tool]} ${NOT_THE_LIMIT}. Upgrade at ${site}/code, or ${OTHER_PROVIDER}`;
}

function notTaken({ tool }: WebAnswerFacts): string {
  return tool === "search"
    ? "Kimi did not accept this search. Try it in other words."
    : "Kimi did not accept this page's address. Try another page.";
}

function blocked(what: string, { tool }: WebAnswerFacts): string {
  return tool === "search"
    ? `${what} this search. Try it in other words.`
    : `${what} this page. Try another page.`;
}

/** Answers that mean something else to a web tool than to a model call; {@link answers} has the rest. */
export const webAnswers = {
  no_access: notInPlan,
  no_long_context: notInPlan,
  unknown_model: notInPlan,
  page_refused: (facts: WebAnswerFacts) =>
    facts.tool === "fetch"
      ? answers.page_refused()
      : blocked("Kimi considers the results unsafe and blocked", facts),
  content_policy: (facts: WebAnswerFacts) => blocked("Kimi's content policy blocked", facts),
  overloaded: ({ tool, retryAfterMs }: WebAnswerFacts) =>
    `Kimi's ${WEB_TOOLS[tool]} is overloaded right now. Try again ${waitOr(retryAfterMs, "in a moment")}.`,
  context_overflow: notTaken,
  image_too_large: notTaken,
  bad_schema: notTaken,
  bad_request: notTaken,
  server_error: (facts: WebAnswerFacts) =>
    facts.tool === "search"
      ? answers.server_error(facts)
      : `Kimi could not fetch this page${statusInBrackets(facts.status)}. Try again ${waitOr(facts.retryAfterMs, "in a moment")}, or try another page; you are still signed in.`,
  refused: ({ tool, status }: WebAnswerFacts) =>
    `Kimi's server refused ${WEB_TOOLS[tool]}${statusInBrackets(status)} for a reason this plugin does not recognize; you are still signed in. Check your plan's limits with \`openclaw status --usage\`, or ${OTHER_PROVIDER}`,
} as const satisfies Partial<Record<keyof typeof answers, (facts: WebAnswerFacts) => string>>;
