/**
 * Answers of Kimi's API, as users and the vendor's pages give them: what each means, and what the host
 * makes of it. One that OpenClaw reads itself has no meaning of ours.
 *
 * Sources: kimi.com/code/docs "Error Reference" and platform.kimi.ai "Errors" (vendor), and public
 * reports, which are named beside their rows.
 */
import type { classifyFailure } from "../../src/inference/failures.ts";
import { answers } from "../../src/messages.ts";
import type { AnswerKind, QuotaWindow } from "../../src/protocol/api-errors.ts";
import * as bodies from "./standin/bodies.ts";
import { anthropicShape, type Answer, badRequest } from "./standin/bodies.ts";

type Reason = ReturnType<typeof classifyFailure>;

/** A recorded answer. */
export interface Recorded {
  readonly what: string;
  readonly answer: Answer;
  /** `undefined` for what is left to the host. */
  readonly kind: AnswerKind | undefined;
  readonly reason: Reason;
  readonly window: QuotaWindow | undefined;
}

function error(status: number, type: string | undefined, message: string): Answer {
  return { status, body: { error: { message, ...(type === undefined ? {} : { type }) } } };
}

function page(status: number, title: string): Answer {
  return {
    status,
    body: `<html>\r\n<head><title>${String(status)} ${title}</title></head>\r\n<body>\r\n<center><h1>${String(status)} ${title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n`,
  };
}

const INVALID = "invalid_request_error";
const MFJS = (path: string, what: string): Answer =>
  badRequest(
    `Invalid request: tools.function.parameters is not a valid moonshot flavored json schema, details: <At path '${path}': ${what}>`,
  );

type Row = readonly [string, Answer, AnswerKind | undefined, Reason, QuotaWindow?];

const ROWS: readonly Row[] = [
  // 401: the token.
  ["an expired bearer", bodies.INVALID_BEARER, "rejected_bearer", "auth"],
  ["an expired bearer, Anthropic", bodies.INVALID_BEARER_ANTHROPIC, "rejected_bearer", "auth"],
  ["Invalid Authentication", bodies.INVALID_AUTHENTICATION, "rejected_bearer", "auth"],
  [
    "an incorrect key",
    error(401, "incorrect_api_key_error", "Incorrect API key provided"),
    "rejected_bearer",
    "auth",
  ],
  ["unauthenticated", error(401, undefined, "unauthenticated"), "rejected_bearer", "auth"],
  ["a 401 without a body", { status: 401, body: "" }, "rejected_bearer", "auth"],
  [
    "an expired bearer in Chinese",
    error(401, "invalid_authentication_error", "身份认证失败，令牌已过期"),
    "rejected_bearer",
    "auth",
  ],
  // 401: the plan or the model, which no refresh can mend.
  ["a plan without k3", bodies.NO_ACCESS_TO_K3, "no_access", "rate_limit"],
  [
    "a plan without k3, Anthropic",
    anthropicShape(bodies.NO_ACCESS_TO_K3),
    "no_access",
    "rate_limit",
  ],
  ["a plan without the fast model", bodies.NO_ACCESS_TO_HIGHSPEED, "no_access", "rate_limit"],
  [
    "a plan without k3, in Chinese",
    error(401, "invalid_authentication_error", "您当前的订阅不支持 k3，请升级后再试。"),
    "no_access",
    "rate_limit",
  ],
  [
    "a plan with less context",
    bodies.NO_ACCESS_TO_1M_CONTEXT,
    "no_long_context",
    "context_overflow",
  ],
  [
    "a decorated model id",
    bodies.unknownModelLike("k3[1m]", "k3"),
    "unknown_model",
    "model_not_found",
  ],
  ["a page of a proxy with 401", page(401, "Authorization Required"), "refused", "rate_limit"],
  [
    "a 401 about something new",
    error(401, "invalid_request_error", "This feature is not available in your region."),
    "refused",
    "rate_limit",
  ],
  // 404
  ["an unknown model id", bodies.unknownModel("k9"), "unknown_model", "model_not_found"],
  [
    "an unknown model, by type alone",
    error(404, "resource_not_found_error", "The requested resource was not found"),
    "unknown_model",
    "model_not_found",
  ],
  // 402 and 403
  ["no membership", bodies.NO_MEMBERSHIP, "no_membership", "rate_limit"],
  [
    "no membership, in Chinese",
    error(402, INVALID, "暂时无法验证您的会员权益，请确认会员状态有效。"),
    "no_membership",
    "rate_limit",
  ],
  ["a refused identity", bodies.IDENTITY_REFUSED, "identity_refused", "rate_limit"],
  ["a ban", bodies.BANNED, "banned", "rate_limit"],
  ["a ban, Anthropic", bodies.BANNED_ANTHROPIC, "banned", "rate_limit"],
  ["the week's quota", bodies.QUOTA_WEEKLY, "quota", "rate_limit", "7d"],
  [
    "the week's quota, Anthropic",
    anthropicShape(bodies.QUOTA_WEEKLY, "permission_error"),
    "quota",
    "rate_limit",
    "7d",
  ],
  ["the billing cycle's quota", bodies.QUOTA_BILLING_CYCLE, "quota", "rate_limit", "month"],
  ["the 5-hour quota", bodies.QUOTA_5_HOURS, "quota", "rate_limit", "5h"],
  ["the month's quota", bodies.QUOTA_MONTHLY, "quota", "rate_limit", "month"],
  [
    "the period's quota",
    error(429, "exceeded_current_quota_error", "You've reached your usage limit for this period."),
    "quota",
    "rate_limit",
  ],
  [
    "an organization's quota with 403",
    error(403, "exceeded_current_quota_error", "Your organization exceeded current quota"),
    "quota",
    "rate_limit",
  ],
  [
    "a quota in Chinese",
    error(403, "access_terminated_error", "您的本周用量已达上限。"),
    "quota",
    "rate_limit",
  ],
  [
    "a quota, by type alone",
    error(429, "exceeded_current_quota_error", "Please see your console."),
    "quota",
    "rate_limit",
  ],
  ["a quota with 429", bodies.QUOTA_429, "quota", "rate_limit"],
  ["no credit", bodies.NO_CREDIT, "no_credit", "rate_limit"],
  [
    "an account in arrears",
    error(429, "exceeded_current_quota_error", "Your account is in arrears, please recharge."),
    "no_credit",
    "rate_limit",
  ],
  [
    "no credit in Chinese",
    error(403, "permission_error", "账户余额不足，请充值。"),
    "no_credit",
    "rate_limit",
  ],
  ["too many at once", bodies.TOO_MANY_CONCURRENT, "concurrency", "rate_limit"],
  ["a refused page", bodies.PAGE_REFUSED, "page_refused", "format"],
  [
    "an access that is terminated, with no reason",
    error(403, "access_terminated_error", "Forbidden"),
    "refused",
    "rate_limit",
  ],
  ["an unknown 403", error(403, undefined, "new"), "refused", "rate_limit"],
  ["an unknown 418", { status: 418, body: "" }, "refused", "rate_limit"],
  // 429 and 5xx
  ["a rate limit", bodies.RATE_LIMITED, "rate_limited", "rate_limit"],
  [
    // MoonshotAI/kimi-cli#1599
    "a rate limit with ids and a wait",
    error(
      429,
      "rate_limit_reached_error",
      "Your account org-0123456789abcdef<ak-example1234> request reached organization max RPM: 20, please try again after 1 seconds",
    ),
    "rate_limited",
    "rate_limit",
  ],
  [
    "a rate limit in Chinese",
    error(429, "rate_limit_reached_error", "请求过于频繁，请稍后再试"),
    "rate_limited",
    "rate_limit",
  ],
  ["a 429 without a body", { status: 429, body: "" }, "rate_limited", "rate_limit"],
  ["an overload", bodies.OVERLOADED, "overloaded", "overloaded"],
  ["an overload, Anthropic", bodies.OVERLOADED_ANTHROPIC, "overloaded", "overloaded"],
  [
    "an overload, by type alone",
    error(429, "engine_overloaded_error", "Busy, please come back later"),
    "overloaded",
    "overloaded",
  ],
  [
    "an overload with 529",
    { status: 529, body: { type: "error", error: { type: "overloaded_error" } } },
    "overloaded",
    "overloaded",
  ],
  ["a server error", bodies.SERVER_ERROR, "server_error", "server_error"],
  ["a 503 without a body", { status: 503, body: "" }, "server_error", "server_error"],
  ["a page of a proxy", bodies.GATEWAY_HTML, "server_error", "server_error"],
  ["a timeout of a proxy", page(504, "Gateway Time-out"), "server_error", "server_error"],
  // 400 and 413: too much
  ["an overflow", bodies.CONTEXT_OVERFLOW, "context_overflow", "context_overflow"],
  [
    "a body above 2 MiB",
    bodies.messagesTooLarge(3_000_000),
    "context_overflow",
    "context_overflow",
  ],
  [
    "tokens that are too many",
    error(400, INVALID, "Input token length too long"),
    "context_overflow",
    "context_overflow",
  ],
  [
    "text and images that are too much",
    error(400, INVALID, "total tokens of image and text exceed model max tokens"),
    "context_overflow",
    "context_overflow",
  ],
  [
    "tokens above the most",
    error(
      400,
      INVALID,
      "The input token count exceeds the maximum number of tokens allowed 262144",
    ),
    "context_overflow",
    "context_overflow",
  ],
  [
    "an overflow in Chinese",
    error(400, INVALID, "上下文长度超过模型限制，请压缩上下文后重试"),
    "context_overflow",
    "context_overflow",
  ],
  [
    "a page with 413",
    page(413, "Request Entity Too Large"),
    "context_overflow",
    "context_overflow",
  ],
  // 400: left to the host, which has a way out of its own
  [
    "too many tokens, in other words",
    error(400, INVALID, "too many tokens in request"),
    undefined,
    undefined,
  ],
  [
    "a thinking level that must be on",
    error(400, INVALID, "reasoning is mandatory for this model and cannot be disabled"),
    undefined,
    undefined,
  ],
  [
    "a thinking level that is not offered",
    error(
      400,
      INVALID,
      "thinking level medium is not supported, supported values are: low, high, max",
    ),
    undefined,
    undefined,
  ],
  [
    "roles that do not alternate",
    error(400, INVALID, "roles must alternate"),
    undefined,
    undefined,
  ],
  [
    "images of too many pixels",
    error(
      400,
      INVALID,
      "image dimensions exceed max allowed size for many-image requests: 2000 pixels",
    ),
    undefined,
    undefined,
  ],
  ["a 400 without a body", { status: 400, body: "" }, undefined, undefined],
  ["a page with 400", page(400, "Bad Request"), undefined, undefined],
  // 400: about the request, in words that help
  [
    "a large image",
    error(400, INVALID, "image exceeds 5 MB maximum"),
    "image_too_large",
    "rate_limit",
  ],
  [
    "content that is not allowed",
    error(400, "content_filter", "The request was rejected because it was considered high risk"),
    "content_policy",
    "rate_limit",
  ],
  [
    "content that is not allowed, in Chinese",
    error(400, "content_filter", "请求被拒绝：内容存在高风险"),
    "content_policy",
    "rate_limit",
  ],
  [
    // MoonshotAI/kimi-cli#2531
    "a tool's parameters with a union at the root",
    MFJS(
      "root",
      "when using anyOf, type should be defined in anyOf items instead of the parent schema",
    ),
    "bad_schema",
    "rate_limit",
  ],
  [
    // earendil-works/pi#5822
    "a tool's parameters without a type",
    MFJS("properties.task", "type is not defined"),
    "bad_schema",
    "rate_limit",
  ],
  [
    "a tool's parameters that are no object",
    badRequest('Invalid request: tools.function.parameters.type is required and must be "object"'),
    "bad_schema",
    "rate_limit",
  ],
  ["a role it does not know", bodies.DEVELOPER_ROLE, "bad_request", "rate_limit"],
  ["an empty text", bodies.EMPTY_TEXT, "bad_request", "rate_limit"],
  ["lost reasoning", bodies.reasoningMissing(3), "bad_request", "rate_limit"],
  [
    "a function name that occurs twice",
    badRequest("Invalid request: function name exec is duplicated"),
    "bad_request",
    "rate_limit",
  ],
  [
    "an image's address",
    badRequest("Invalid request: unsupported image url: https://example.invalid/a.png?key=1"),
    "bad_request",
    "rate_limit",
  ],
  [
    "a fault that nobody has seen yet",
    badRequest("Invalid request: the field foo is unknown"),
    "bad_request",
    "rate_limit",
  ],
];

/** Every recorded answer. */
export const RECORDED: readonly Recorded[] = ROWS.map(([what, answer, kind, reason, window]) => ({
  what,
  answer,
  kind,
  reason,
  window,
}));

/** Kimi's own words, as far as a sentence repeats them. */
const REPEATED: Readonly<Record<string, string>> = {
  "a tool's parameters with a union at the root":
    "At path 'root': when using anyOf, type should be defined in anyOf ite…",
  "a tool's parameters without a type": "At path 'properties.task': type is not defined",
  "a tool's parameters that are no object":
    "tools.function.parameters.type is required and must be 'object'",
  "a role it does not know": "unsupported role ROLE_UNSPECIFIED",
  "an empty text": "text content is empty",
  "lost reasoning": "thinking is enabled but reasoning_content is missing in assistant too…",
  "a function name that occurs twice": "function name exec is duplicated",
  "an image's address": "unsupported image url: …",
  "a fault that nobody has seen yet": "the field foo is unknown",
};

/** When the stand-in's windows end. */
const RESETS_IN_MS = { "5h": 3 * 3_600_000, "7d": 4 * 86_400_000, month: undefined } as const;

/** What a user of the model `kimi-for-coding` reads of an answer that means something to us; "" of any other. */
export function sentenceOf({ what, answer, kind, window }: Recorded): string {
  return kind === undefined
    ? ""
    : answers[kind]({
        model: "kimi-for-coding",
        site: "https://www.kimi.com",
        owner: "kimi-code-cli",
        window,
        resetsInMs: window === undefined ? undefined : RESETS_IN_MS[window],
        detail: REPEATED[what],
        status: answer.status,
        // What the stand-in asks for with this status.
        retryAfterMs: answer.status === 429 ? 1_000 : undefined,
      });
}
