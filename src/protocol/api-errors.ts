/**
 * What a response of Kimi's API means.
 *
 * Neither the status nor the type tells alone: a 401 may be about the plan, and one error type stands
 * for a ban, a used-up quota and a client that is not wanted. So a known text decides first, then the
 * type, then the status. A fault of the request that nobody knows has no meaning here, because
 * OpenClaw reads such texts itself (overflow, images, thinking levels) and has a way out for each.
 */

import { isRecord, parseJsonWithin } from "../json.ts";
import type { Window } from "../messages.ts";

/** What a response that is not a success means, as a closed set; `messages/answers.ts` has the sentences. */
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
  /** 400: an image is larger than Kimi takes. */
  | "image_too_large"
  /** 400: the parameters of a tool are not in the form that Kimi takes. */
  | "bad_schema"
  /** 400: the content is against Kimi's policy. */
  | "content_policy"
  /** 400 or 422: another fault of the request, in words about the request. */
  | "bad_request"
  /** 408 or 5xx. */
  | "server_error"
  /** Any other refusal. */
  | "refused";

/** The usage window that a response speaks of. */
export type QuotaWindow = Window;

/** Statuses with which a text means what it says; other statuses may quote such words. */
const DENIED_STATUSES = [401, 402, 403, 429];
const FAULTY_REQUEST_STATUSES = [400, 413, 422];
const MISSING_MODEL_STATUSES = [400, 401, 403, 404];

/** Texts that decide; the first match counts. A report without a status may be any of them. */
const KINDS_BY_TEXT: readonly (readonly [readonly number[], RegExp, AnswerKind])[] = [
  [
    [401, 403],
    /subscription does not have access|(?:订阅|套餐|会员).{0,20}(?:不支持|不包含|无法使用)/i,
    "no_access",
  ],
  [[...DENIED_STATUSES, 400], /plan supports only .{0,60}context/i, "no_long_context"],
  [[...DENIED_STATUSES, 400], /plan supports only/i, "no_access"],
  [
    MISSING_MODEL_STATUSES,
    /model id does not exist|not found the model|模型不存在/i,
    "unknown_model",
  ],
  [DENIED_STATUSES, /membership benefits|会员权益/i, "no_membership"],
  [DENIED_STATUSES, /concurren(?:t|cy) (?:request )?limit|并发/i, "concurrency"],
  // Before the ban: both come with the type `access_terminated_error`.
  [
    DENIED_STATUSES,
    /usage limit|quota will (?:reset|be refreshed)|exceeded (?:your )?current (?:token )?quota|monthly limit reached|(?:额度|用量|配额).{0,12}(?:用完|用尽|耗尽|上限)/i,
    "quota",
  ],
  [
    DENIED_STATUSES,
    /credit balance is insufficient|insufficient balance|account in arrears|recharge your account|please recharge|余额不足|欠费/i,
    "no_credit",
  ],
  [DENIED_STATUSES, /only available for coding agents/i, "identity_refused"],
  [DENIED_STATUSES, /access terminated|community guidelines/i, "banned"],
  [
    [400, 403, 422],
    /considered high risk|content (?:policy|filter)|高风险|内容审[查核]/i,
    "content_policy",
  ],
  [[429, 500, 502, 503, 529], /engine is currently overloaded|引擎.{0,6}过载/i, "overloaded"],
  [[429], /too many requests|max RPM|请求过于频繁/i, "rate_limited"],
  [
    FAULTY_REQUEST_STATUSES,
    /exceeded model token limit|total message size \d+ exceeds limit|input token length too long|total tokens of image and text exceed|input token count exceeds|context length|prompt is too long|上下文/i,
    "context_overflow",
  ],
  [
    FAULTY_REQUEST_STATUSES,
    /image exceeds|image (?:size )?(?:is )?too large|图片.{0,8}(?:过大|超过)/i,
    "image_too_large",
  ],
  [
    FAULTY_REQUEST_STATUSES,
    /moonshot flavored json schema|tools\.function\.parameters/i,
    "bad_schema",
  ],
  [
    FAULTY_REQUEST_STATUSES,
    /unsupported role ROLE_|text content is empty|reasoning_content is missing|function name|unsupported image url|must not be empty|method not found/i,
    "bad_request",
  ],
];

/** Error types that decide where the text does not (platform.kimi.ai, "Errors"). */
const KINDS_BY_TYPE: readonly (readonly [readonly number[], RegExp, AnswerKind])[] = [
  [DENIED_STATUSES, /^(?:exceeded_current_quota_error|insufficient_quota)$/, "quota"],
  [[400, 403, 422], /^content_filter$/, "content_policy"],
  [[403], /^security_risk$/, "page_refused"],
  [[429, 500, 503, 529], /^(?:engine_)?overloaded(?:_error)?$/, "overloaded"],
  [[429], /^rate_limit(?:_reached)?_error$/, "rate_limited"],
  [[404], /^resource_not_found_error$/, "unknown_model"],
  [[500], /^(?:server_error|api_error)$/, "server_error"],
];

/** Words of a text about the token itself; any other text with a 401 is about something else. */
const ABOUT_TOKEN =
  /auth|api.?key|token|credential|expired|log ?in|sign ?in|认证|鉴权|授权|令牌|密钥|凭证|登录|过期/i;

/** Words in which OpenClaw finds a fault that it can mend: size, images, thinking, roles. */
const READ_BY_HOST =
  /context|token|prompt|too (?:large|long|many)|length|max|exceed|limit|thinking|reasoning|\broles?\b|image|signature|tool_(?:use|call)|supported values|not supported|压缩|过长|超出|超过/i;

/** A response in parts. */
interface ResponseParts {
  readonly status: number | undefined;
  readonly type: string | undefined;
  /** The server's own sentence, or the whole body where it has none. */
  readonly message: string;
  readonly isPage: boolean;
}

/** Takes a response apart: the error may lie at any of the places where Kimi's routes put it. */
export function responseParts(
  status: number | undefined,
  body: string,
  type?: string,
): ResponseParts {
  const parsed = body.includes("{") ? parseJsonWithin(body) : undefined;
  const outer = isRecord(parsed) ? parsed : {};
  const error = isRecord(outer.error) ? outer.error : outer;
  const inner = typeof error.type === "string" ? error.type : undefined;
  return {
    status,
    type: type ?? inner,
    message: typeof error.message === "string" ? error.message : body.trim(),
    isPage: /^\s*<(?:!doctype|html)/i.test(body),
  };
}

/**
 * Classifies a response.
 *
 * @param status - HTTP status, if known
 * @param body - the body, or what is left of it
 * @param type - the error's type, where it is known apart from the body
 * @returns `undefined` for a success, for a fault of the request that OpenClaw reads itself, and when
 *   nothing says anything
 */
export function classifyResponse(
  status: number | undefined,
  body: string,
  type?: string,
): AnswerKind | undefined {
  if (status !== undefined && status < 400) {
    return undefined;
  }
  const parts = responseParts(status, body, type);
  const fits = ([statuses]: readonly [readonly number[], RegExp, AnswerKind]): boolean =>
    status === undefined || statuses.includes(status);
  const byText = KINDS_BY_TEXT.find((row) => fits(row) && row[1].test(parts.message));
  const byType = KINDS_BY_TYPE.find((row) => fits(row) && row[1].test(parts.type ?? ""));
  return (byText ?? byType)?.[2] ?? classifyStatus(parts);
}

function classifyStatus({ status, type, message, isPage }: ResponseParts): AnswerKind | undefined {
  switch (status) {
    case undefined:
      return undefined;
    case 400:
    case 422:
      return isPage || type === undefined || READ_BY_HOST.test(message) ? undefined : "bad_request";
    case 401:
      // A page is a proxy's. A text that does not speak of the token is about the plan or the model.
      return isPage ||
        (!/^(?:status code )?(?:\(no body\))?$/i.test(message) && !ABOUT_TOKEN.test(message))
        ? "refused"
        : "rejected_bearer";
    case 402:
      return "no_membership";
    case 413:
      return "context_overflow";
    case 429:
      return "rate_limited";
    case 529:
      return "overloaded";
    default:
      return status === 408 || status >= 500 ? "server_error" : "refused";
  }
}

/** The window that a response about a quota names. */
export function quotaWindow(text: string): QuotaWindow | undefined {
  if (/weekly|7-day/i.test(text)) {
    return "7d";
  }
  if (/5-hour|5 hours/i.test(text)) {
    return "5h";
  }
  return /month|billing cycle/i.test(text) ? "month" : undefined;
}
