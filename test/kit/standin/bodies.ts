/**
 * The answers of the live services, ready for `{ kind: "status", ...X }`.
 *
 * The texts are those that users of Kimi Code and the vendor's documents give. What nobody has reported in full is
 * completed here and says so with "Made up": clients may sort by it, but a test must not prove a text with it.
 */
import type { JsonObject } from "./types.ts";

/** A status with its body: an object is sent as JSON, text beginning with `<` as HTML. */
export interface Answer {
  readonly status: number;
  readonly body: JsonObject | string;
  readonly headers?: Readonly<Record<string, string>>;
}

function openAi(status: number, type: string, message: string): Answer {
  return { status, body: { error: { message, type } } };
}

function oauth(status: number, error: string, description: string): Answer {
  return { status, body: { error, error_description: description } };
}

/** The same answer in the shape of the Anthropic route. */
export function anthropicShape(answer: Answer, type?: string): Answer {
  const inner: unknown = typeof answer.body === "object" ? answer.body["error"] : undefined;
  if (typeof inner !== "object" || inner === null) {
    return answer;
  }
  const error: JsonObject = { ...inner };
  return {
    ...answer,
    body: { error: { type: type ?? error["type"], message: error["message"] }, type: "error" },
  };
}

// OAuth host.
export const AUTHORIZATION_PENDING = oauth(
  400,
  "authorization_pending",
  "Authorization is pending",
);
// Made up: the descriptions of the next three; the codes are those of RFC 8628.
export const SLOW_DOWN = oauth(400, "slow_down", "Polling too frequently");
export const EXPIRED_DEVICE_CODE = oauth(400, "expired_token", "The device code has expired");
export const ACCESS_DENIED = oauth(
  400,
  "access_denied",
  "The user denied the authorization request",
);
export const INVALID_GRANT = oauth(
  400,
  "invalid_grant",
  "The provided authorization grant is invalid",
);
// Made up: both, after RFC 6749.
export const INVALID_CLIENT = oauth(400, "invalid_client", "Client authentication failed");
export const UNSUPPORTED_GRANT = oauth(
  400,
  "unsupported_grant_type",
  "The authorization grant type is not supported",
);

/** 400 `invalid_request` of the OAuth host. */
export function invalidRequest(description: string): Answer {
  return oauth(400, "invalid_request", description);
}

// 401: a rejected bearer, and two things that look like it but are not.
const EXPIRED_TEXT =
  "The API Key appears to be invalid or may have expired. Please verify your credentials and try again.";
export const INVALID_BEARER = openAi(401, "invalid_authentication_error", EXPIRED_TEXT);
export const INVALID_BEARER_ANTHROPIC = anthropicShape(INVALID_BEARER, "authentication_error");
export const INVALID_AUTHENTICATION = openAi(
  401,
  "invalid_authentication_error",
  "Invalid Authentication",
);
// Made up: the type of the entitlement answers, which reports leave out.
export const NO_ACCESS_TO_K3 = openAi(
  401,
  "invalid_authentication_error",
  "Your current subscription does not have access to k3. Upgrade to a Moderato plan or above.",
);
export const NO_ACCESS_TO_1M_CONTEXT = openAi(
  401,
  "invalid_authentication_error",
  "Your current plan supports only kimi-k3 up to 256K context. 1M context is available on higher-tier plans.",
);
export const NO_ACCESS_TO_HIGHSPEED = noAccessTo("kimi-for-coding-highspeed");

/** 401 for a model that exists, but not in the account's plan. */
export function noAccessTo(model: string): Answer {
  return model === "k3"
    ? NO_ACCESS_TO_K3
    : openAi(
        401,
        "invalid_authentication_error",
        `Your current subscription does not have access to ${model}.`,
      );
}

/** 401 for a model id that only resembles a known one. */
export function unknownModelLike(asked: string, known: string): Answer {
  return openAi(
    401,
    "invalid_authentication_error",
    `Your model id does not exist, recognized as other:${asked}. Please set model id as ${known}.`,
  );
}

/** 404 for any other unknown model id. Made up: the text; documented is only that it is a 404. */
export function unknownModel(asked: string): Answer {
  return openAi(
    404,
    "resource_not_found_error",
    `Not found the model ${asked} or Permission denied`,
  );
}

// 402 and 403: plan, identity, ban, quota. Several share one type, and only the text tells them apart.
export const NO_MEMBERSHIP = openAi(
  402,
  "invalid_request_error",
  "We're unable to verify your membership benefits at this time. Please ensure your membership is active.",
);
export const IDENTITY_REFUSED = openAi(
  403,
  "access_terminated_error",
  "Kimi For Coding is currently only available for Coding Agents such as Kimi CLI, Claude Code, Roo Code, Kilo Code, etc.",
);
// Made up: the first sentence.
const BANNED_TEXT =
  "Your account has violated our terms. Access terminated. Review our Community Guidelines(https://www.kimi.com/code/docs/) or contact support@moonshot.cn.";
export const BANNED = openAi(403, "access_terminated_error", BANNED_TEXT);
export const BANNED_ANTHROPIC = anthropicShape(BANNED, "permission_error");
export const QUOTA_WEEKLY = openAi(
  403,
  "access_terminated_error",
  "You've reached your weekly (7-day) usage limit. Your quota will reset when the current 7-day window ends. To continue now, purchase extra usage or upgrade your plan: https://www.kimi.com/code",
);
export const QUOTA_BILLING_CYCLE = openAi(
  403,
  "permission_error",
  "You've reached your usage limit for this billing cycle. Your quota will be refreshed in the next cycle. Upgrade to get more: https://www.kimi.com/code",
);
// Made up: the texts of these two, after the weekly one.
export const QUOTA_5_HOURS = openAi(
  403,
  "permission_error",
  "You've reached your 5-hour usage limit. Your quota will reset when the current 5-hour window ends.",
);
export const QUOTA_MONTHLY = openAi(
  403,
  "permission_error",
  "You've reached your monthly usage limit. Your quota will be refreshed in the next cycle.",
);
export const NO_CREDIT = openAi(403, "permission_error", "Your credit balance is insufficient");
export const TOO_MANY_CONCURRENT = openAi(
  403,
  "permission_error",
  "You've reached your concurrent request limit",
);
// Made up: the message.
export const PAGE_REFUSED: Answer = {
  status: 403,
  body: { error: { type: "security_risk", message: "The page was refused for security reasons." } },
};

// 429 and 5xx.
export const RATE_LIMITED = openAi(
  429,
  "rate_limit_reached_error",
  "We're receiving too many requests at the moment. Please wait a moment and try again.",
);
// Made up: the type on the OpenAI routes, and the message of the 500 below.
export const OVERLOADED = openAi(
  429,
  "engine_overloaded_error",
  "The engine is currently overloaded, please try again later",
);
export const OVERLOADED_ANTHROPIC = anthropicShape(OVERLOADED, "rate_limit_error");
// Made up: the sentence around the words that the CLI looks for.
export const QUOTA_429 = openAi(
  429,
  "exceeded_current_quota_error",
  "You exceeded your current token quota, please check your account balance",
);
export const SERVER_ERROR = openAi(
  500,
  "server_error",
  "The server had an error while processing your request",
);
export const GATEWAY_HTML: Answer = {
  status: 502,
  body: "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n",
};
export const NOT_FOUND_HTML: Answer = {
  status: 404,
  body: "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n",
};
export const METHOD_NOT_ALLOWED_HTML: Answer = {
  status: 405,
  body: "<html>\r\n<head><title>405 Not Allowed</title></head>\r\n<body>\r\n<center><h1>405 Not Allowed</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n",
};

// 400: faults of the request itself.
export const MESSAGES_TOO_LARGE_LIMIT_BYTES = 2_097_152;
export const CONTEXT_OVERFLOW = badRequest(
  "Invalid request: Your request exceeded model token limit: 262144",
);
export const DEVELOPER_ROLE = badRequest("unsupported role ROLE_UNSPECIFIED");
export const EMPTY_TEXT = badRequest("text content is empty");

/** 400 `invalid_request_error` of the API. */
export function badRequest(message: string): Answer {
  return openAi(400, "invalid_request_error", message);
}

/** 400 for a request above {@link MESSAGES_TOO_LARGE_LIMIT_BYTES}. */
export function messagesTooLarge(bytes: number): Answer {
  return badRequest(`total message size ${bytes} exceeds limit ${MESSAGES_TOO_LARGE_LIMIT_BYTES}`);
}

/** 400 for thinking being on while a tool call in the history has lost its reasoning. Made up: the wording. */
export function reasoningMissing(index: number): Answer {
  return badRequest(
    `thinking is enabled but reasoning_content is missing in assistant tool call message at index ${index}`,
  );
}
