import { describe, expect, it } from "vitest";
import { classifyFailure, failureCode, classifyReport } from "../../src/inference/failures.ts";
import {
  type AnswerKind,
  quotaWindow,
  type QuotaWindow,
  classifyAnswer,
} from "../../src/protocol/api-errors.ts";
import { answers } from "../../src/messages.ts";
import * as bodies from "../kit/standin/bodies.ts";
import { anthropicShape, type Answer } from "../kit/standin/bodies.ts";

type Reason = ReturnType<typeof classifyFailure>;

/** Every body of the references: what it means, the host's reason, and the window that it names. */
const ROWS: readonly (readonly [string, Answer, AnswerKind, Reason, QuotaWindow?])[] = [
  ["expired bearer", bodies.INVALID_BEARER, "rejected_bearer", "auth"],
  ["expired bearer, Anthropic", bodies.INVALID_BEARER_ANTHROPIC, "rejected_bearer", "auth"],
  ["Invalid Authentication", bodies.INVALID_AUTHENTICATION, "rejected_bearer", "auth"],
  [
    "unauthenticated",
    { status: 401, body: { error: { message: "unauthenticated" } } },
    "rejected_bearer",
    "auth",
  ],
  ["no k3", bodies.NO_ACCESS_TO_K3, "no_access", "rate_limit"],
  ["no k3, Anthropic", anthropicShape(bodies.NO_ACCESS_TO_K3), "no_access", "rate_limit"],
  ["no fast model", bodies.NO_ACCESS_TO_HIGHSPEED, "no_access", "rate_limit"],
  ["no 1M context", bodies.NO_ACCESS_TO_1M_CONTEXT, "no_long_context", "context_overflow"],
  [
    "decorated model id",
    bodies.unknownModelLike("k3[1m]", "k3"),
    "unknown_model",
    "model_not_found",
  ],
  ["unknown model id", bodies.unknownModel("k9"), "unknown_model", "model_not_found"],
  ["no membership", bodies.NO_MEMBERSHIP, "no_membership", "rate_limit"],
  ["identity", bodies.IDENTITY_REFUSED, "identity_refused", "rate_limit"],
  ["ban", bodies.BANNED, "banned", "rate_limit"],
  ["ban, Anthropic", bodies.BANNED_ANTHROPIC, "banned", "rate_limit"],
  ["week", bodies.QUOTA_WEEKLY, "quota", "rate_limit", "7d"],
  [
    "week, Anthropic",
    anthropicShape(bodies.QUOTA_WEEKLY, "permission_error"),
    "quota",
    "rate_limit",
    "7d",
  ],
  ["billing cycle", bodies.QUOTA_BILLING_CYCLE, "quota", "rate_limit", "month"],
  ["5 hours", bodies.QUOTA_5_HOURS, "quota", "rate_limit", "5h"],
  ["month", bodies.QUOTA_MONTHLY, "quota", "rate_limit", "month"],
  ["quota with 429", bodies.QUOTA_429, "quota", "rate_limit"],
  ["credit", bodies.NO_CREDIT, "no_credit", "rate_limit"],
  ["concurrency", bodies.TOO_MANY_CONCURRENT, "concurrency", "rate_limit"],
  ["page", bodies.PAGE_REFUSED, "page_refused", "format"],
  ["rate limit", bodies.RATE_LIMITED, "rate_limited", "rate_limit"],
  ["overload", bodies.OVERLOADED, "overloaded", "overloaded"],
  ["overload, Anthropic", bodies.OVERLOADED_ANTHROPIC, "overloaded", "overloaded"],
  [
    "overload with 529",
    { status: 529, body: { type: "error", error: { type: "overloaded_error" } } },
    "overloaded",
    "overloaded",
  ],
  ["server error", bodies.SERVER_ERROR, "server_error", "server_error"],
  ["page of a proxy", bodies.GATEWAY_HTML, "server_error", "server_error"],
  ["overflow", bodies.CONTEXT_OVERFLOW, "context_overflow", "context_overflow"],
  ["too large", bodies.messagesTooLarge(3_000_000), "context_overflow", "context_overflow"],
  ["developer role", bodies.DEVELOPER_ROLE, "bad_request", "format"],
  ["empty text", bodies.EMPTY_TEXT, "bad_request", "format"],
  ["lost reasoning", bodies.reasoningMissing(3), "bad_request", "format"],
  ["unknown 403", { status: 403, body: { error: { message: "new" } } }, "refused", "rate_limit"],
  ["unknown 418", { status: 418, body: "" }, "refused", "rate_limit"],
];

const ANSWERS = ROWS.map(([what, answer, kind, reason, window]) => ({
  what,
  answer,
  kind,
  reason,
  window,
}));
const KINDS = [...new Set(ANSWERS.map(({ kind }) => kind))];
const FACTS = {
  model: "kimi-for-coding-highspeed",
  status: 403,
  site: "https://www.kimi.com",
  owner: "kimi-code-cli",
} as const;

function text({ body }: Answer): string {
  return typeof body === "string" ? body : JSON.stringify(body);
}

/** How the host's two transports report an answer: the message alone, or the whole body. */
function reports(answer: Answer): string[] {
  const { body } = answer;
  const error = typeof body === "object" ? (body.error as { message?: string; type?: string }) : {};
  const short = error.message === undefined ? [] : [`${String(answer.status)} ${error.message}`];
  return [`${String(answer.status)}: ${text(answer)}`, ...short];
}

describe("an answer of Kimi's API", () => {
  it.each(ANSWERS)(
    "$what has one meaning, however the host reports it",
    ({ answer, kind, reason, window }) => {
      expect(classifyAnswer(answer.status, text(answer))).toBe(kind);
      // No model call gets the answer about a page, which only its type tells.
      for (const errorMessage of reports(answer).slice(0, kind === "page_refused" ? 1 : 2)) {
        expect(classifyReport(errorMessage)).toMatchObject({ kind, status: answer.status });
        expect(classifyFailure({ errorMessage })).toBe(reason);
      }
      expect(classifyFailure({ errorMessage: answers[kind](FACTS), code: failureCode(kind) })).toBe(
        reason,
      );
      expect(quotaWindow(text(answer))).toBe(window);
    },
  );

  it("that is a success, or no answer at all, means nothing", () => {
    expect(classifyAnswer(200, "usage limit")).toBeUndefined();
    expect(classifyReport(undefined)).toBeUndefined();
    expect(classifyReport("Connection error.")).toBeUndefined();
    expect(classifyFailure({ errorMessage: "Request was aborted." })).toBeUndefined();
  });
});

describe("the sentence for", () => {
  it.each(KINDS)(
    "%s fits into a chat window, says what to do and repeats nothing of the answer",
    (kind) => {
      const sentence = answers[kind]({
        ...FACTS,
        window: "5h",
        resetsInMs: 47 * 60 * 60_000,
      });
      expect(sentence.length).toBeLessThanOrEqual(235);
      expect(sentence).toMatch(/^[A-Z].*(?:\.|--refresh|--usage)$/s);
      for (const { answer } of ANSWERS.filter((row) => row.kind === kind)) {
        const error =
          typeof answer.body === "object" ? (answer.body.error as { message?: string }) : {};
        expect(sentence).not.toContain(error.message ?? `${text(answer)}<html>`);
      }
    },
  );

  it.each([
    [30_000, "1 minute,"],
    [20 * 60_000, "20 minutes,"],
    [119 * 60_000, "119 minutes,"],
    [3 * 60 * 60_000, "3 hours,"],
    [47 * 60 * 60_000, "47 hours,"],
    [95 * 60 * 60_000, "4 days,"],
  ])("a quota that starts again in %i ms rounds up", (resetsInMs, words) => {
    expect(answers.quota({ ...FACTS, window: "7d", resetsInMs })).toContain(
      `Try again in ${words}`,
    );
  });
});
