import { describe, expect, it } from "vitest";
import {
  classifyFailure,
  classifyReport,
  failureCode,
  type FailureReport,
} from "../../src/inference/failures.ts";
import { classifyResponse, quotaWindow, responseParts } from "../../src/protocol/api-errors.ts";
import { answers } from "../../src/messages.ts";
import { RECORDED } from "../kit/recorded-answers.ts";
import type { Answer } from "../kit/standin/bodies.ts";

const KINDS = [...new Set(RECORDED.flatMap(({ kind }) => kind ?? []))];
const FACTS = {
  model: "kimi-for-coding-highspeed",
  status: 403,
  site: "https://www.kimi.com",
  owner: "kimi-code-cli",
} as const;

function text({ body }: Answer): string {
  return typeof body === "string" ? body : JSON.stringify(body);
}

/** How the host's transports report an answer: the whole body, or its message with the type apart. */
function reports(answer: Answer): (FailureReport & { readonly errorMessage: string })[] {
  const { body, status } = answer;
  const error = typeof body === "object" ? (body.error as { message?: string; type?: string }) : {};
  const { message, type: errorType } = error;
  return [
    { errorMessage: `${String(status)}: ${text(answer)}` },
    ...(message === undefined
      ? []
      : [
          { errorMessage: `${String(status)} ${message}`, errorCode: String(status), errorType },
          { errorMessage: message, errorCode: String(status), errorBody: JSON.stringify(error) },
        ]),
  ];
}

describe("an answer of Kimi's API", () => {
  it("is recorded in many forms", () => {
    expect(RECORDED.length).toBeGreaterThanOrEqual(60);
    expect(new Set(RECORDED.map(({ what }) => what)).size).toBe(RECORDED.length);
  });

  it.each(RECORDED)(
    "$what has one meaning, however the host reports it",
    ({ answer, kind, reason, window }) => {
      const { status } = answer;
      expect(classifyResponse(status, text(answer))).toBe(kind);
      for (const report of reports(answer)) {
        expect(classifyReport(report)?.kind).toBe(kind);
        const { errorMessage, errorType, errorBody = text(answer) } = report;
        const type = errorType ?? responseParts(status, errorBody).type;
        expect(
          classifyFailure({
            errorMessage,
            status,
            ...(type === undefined ? {} : { errorType: type }),
          }),
        ).toBe(reason);
      }
      expect(quotaWindow(text(answer))).toBe(window);
    },
  );

  it("that is a success, or no answer at all, means nothing", () => {
    expect(classifyResponse(200, "usage limit")).toBeUndefined();
    expect(classifyReport({})).toBeUndefined();
    expect(
      classifyReport({ errorMessage: "Connection error.", errorCode: "ECONNRESET" }),
    ).toBeUndefined();
    expect(classifyFailure({ errorMessage: "Request was aborted." })).toBeUndefined();
  });
});

describe("the sentence for", () => {
  it.each(RECORDED.flatMap(({ kind, reason }) => (kind === undefined ? [] : [{ kind, reason }])))(
    "$kind has the reason $reason in the host",
    ({ kind, reason }) => {
      const reported = { errorMessage: answers[kind](FACTS), code: failureCode(kind) };
      expect(classifyFailure(reported)).toBe(reason);
    },
  );

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
      for (const { answer } of RECORDED.filter((row) => row.kind === kind)) {
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

describe("an answer whose text nobody knows", () => {
  it.each<[number | undefined, string | undefined, string | undefined]>([
    [402, undefined, "no_membership"],
    [413, undefined, "context_overflow"],
    [429, undefined, "rate_limited"],
    [529, undefined, "overloaded"],
    [408, undefined, "server_error"],
    [500, undefined, "server_error"],
    [599, undefined, "server_error"],
    [404, undefined, "refused"],
    [403, undefined, "refused"],
    [499, undefined, "refused"],
    [undefined, undefined, undefined],
    [403, "exceeded_current_quota_error", "quota"],
    [429, "insufficient_quota", "quota"],
    [undefined, "insufficient_quota", "quota"],
    [400, "content_filter", "content_policy"],
    [403, "content_filter", "content_policy"],
    [422, "content_filter", "content_policy"],
    [403, "security_risk", "page_refused"],
    [429, "overloaded", "overloaded"],
    [500, "engine_overloaded_error", "overloaded"],
    [503, "engine_overloaded", "overloaded"],
    [529, "overloaded_error", "overloaded"],
    [undefined, "rate_limit_error", "rate_limited"],
    [undefined, "rate_limit_reached_error", "rate_limited"],
    [404, "resource_not_found_error", "unknown_model"],
    [undefined, "server_error", "server_error"],
    [undefined, "api_error", "server_error"],
  ])("has with the status %s and the type %s the meaning %s", (status, type, kind) => {
    expect(classifyResponse(status, "something happened", type)).toBe(kind);
    expect(
      classifyResponse(status, JSON.stringify({ error: { message: "something happened", type } })),
    ).toBe(kind);
  });

  it.each([
    "exceeded_current_quota_error",
    "insufficient_quota",
    "content_filter",
    "security_risk",
    "overloaded_error",
    "rate_limit_error",
    "resource_not_found_error",
    "server_error",
    "api_error",
  ])("and whose type only resembles %s has no meaning by its type", (type) => {
    for (const other of [`not_${type}`, `${type}_2`]) {
      expect(classifyResponse(undefined, "something happened", other)).toBeUndefined();
    }
  });

  it("takes a type only with the statuses that it comes with", () => {
    expect(classifyResponse(403, "something happened", "server_error")).toBe("refused");
    expect(classifyResponse(500, "something happened", "insufficient_quota")).toBe("server_error");
  });
});

describe("a text that decides", () => {
  it.each<[number, string, string]>([
    [400, "Your plan supports only the standard models", "no_access"],
    [401, "Your plan supports only 32k tokens of context", "no_long_context"],
    [403, "concurrency limit reached", "concurrency"],
    [429, "concurrent request limit of the account", "concurrency"],
    [429, "exceeded your current quota", "quota"],
    [403, "You exceeded your current token quota", "quota"],
    [403, "exceeded current quota", "quota"],
    [403, "exceeded current token quota", "quota"],
    [422, "content policy", "content_policy"],
    [400, "触发内容审核", "content_policy"],
    [403, "内容审查未通过", "content_policy"],
    [503, "引擎当前严重过载", "overloaded"],
    [429, "引擎过载", "overloaded"],
    [400, "the image is too large", "image_too_large"],
    [400, "image too large", "image_too_large"],
    [413, "image size too large", "image_too_large"],
    [422, "图片尺寸过大", "image_too_large"],
    [400, "图片超过限制", "image_too_large"],
  ])("%i %s means %s", (status, message, kind) => {
    expect(classifyResponse(status, JSON.stringify({ error: { message, type: "x_error" } }))).toBe(
      kind,
    );
    expect(classifyResponse(undefined, message)).toBe(kind);
  });

  it("does not decide with a status that may only quote it", () => {
    expect(classifyResponse(500, "usage limit")).toBe("server_error");
    expect(classifyResponse(404, "too many requests")).toBe("refused");
  });

  it.each([
    ["api key is wrong", "rejected_bearer"],
    ["apikey is wrong", "rejected_bearer"],
    ["please login", "rejected_bearer"],
    ["please log in", "rejected_bearer"],
    ["please signin", "rejected_bearer"],
    ["please sign in", "rejected_bearer"],
    ["", "rejected_bearer"],
    ["(no body)", "rejected_bearer"],
    ["status code (no body)", "rejected_bearer"],
    ["status code (no body) of another kind", "refused"],
    ["another (no body)", "refused"],
    ["nothing that is known", "refused"],
    ["<html>log in</html>", "refused"],
    ["  <!DOCTYPE html><p>log in</p>", "refused"],
    ["an <html> log in", "rejected_bearer"],
  ])("with a 401 that says %j means %s", (body, kind) => {
    expect(classifyResponse(401, body)).toBe(kind);
  });

  it("is left to the host where it speaks of a role, and not for a part of another word", () => {
    const type = "invalid_request_error";
    expect(classifyResponse(400, "the role is wrong", type)).toBeUndefined();
    expect(classifyResponse(400, "two roles are wrong", type)).toBeUndefined();
    expect(classifyResponse(400, "a cajoled server", type)).toBe("bad_request");
    expect(classifyResponse(400, "a paroled user", type)).toBe("bad_request");
  });
});

describe("an answer in parts", () => {
  it.each<[string, string | undefined, string]>([
    ['{"error":{"message":"no","type":"t"}}', "t", "no"],
    ['{"message":"no","type":"t"}', "t", "no"],
    ['429 {"error":{"message":"no","type":"t"}} (id 1)', "t", "no"],
    ['{"error":{"message":7,"type":8}}', undefined, '{"error":{"message":7,"type":8}}'],
    ['{"error":"no"}', undefined, '{"error":"no"}'],
    ["  plain text \n", undefined, "plain text"],
    ['["message"]', undefined, '["message"]'],
  ])("reads %s", (body, type, message) => {
    expect(responseParts(400, body)).toMatchObject({ status: 400, type, message, isPage: false });
    expect(responseParts(400, body, "told")).toMatchObject({ type: "told" });
  });
});
