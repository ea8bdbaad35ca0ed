import { describe, expect, it } from "vitest";
import {
  classifyFailure,
  failureCode,
  type FailureReport,
  readFailure,
} from "../../src/inference/failures.ts";
import { answerParts, classifyAnswer, quotaWindow } from "../../src/protocol/api-errors.ts";
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
      expect(classifyAnswer(status, text(answer))).toBe(kind);
      for (const report of reports(answer)) {
        expect(readFailure(report)?.kind).toBe(kind);
        const { errorMessage, errorType, errorBody = text(answer) } = report;
        const told = errorType ?? answerParts(status, errorBody).type;
        expect(
          classifyFailure({
            errorMessage,
            status,
            ...(told === undefined ? {} : { errorType: told }),
          }),
        ).toBe(reason);
      }
      expect(quotaWindow(text(answer))).toBe(window);
    },
  );

  it("that is a success, or no answer at all, means nothing", () => {
    expect(classifyAnswer(200, "usage limit")).toBeUndefined();
    expect(readFailure({})).toBeUndefined();
    expect(
      readFailure({ errorMessage: "Connection error.", errorCode: "ECONNRESET" }),
    ).toBeUndefined();
    expect(classifyFailure({ errorMessage: "Request was aborted." })).toBeUndefined();
  });
});

describe("the sentence for", () => {
  it.each(RECORDED.flatMap(({ kind, reason }) => (kind === undefined ? [] : [{ kind, reason }])))(
    "$kind has the reason $reason in the host",
    ({ kind, reason }) => {
      const told = { errorMessage: answers[kind](FACTS), code: failureCode(kind) };
      expect(classifyFailure(told)).toBe(reason);
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
