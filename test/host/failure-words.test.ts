import { beforeAll, describe, expect, it } from "vitest";
import { answers } from "../../src/messages.ts";
import type { AnswerKind } from "../../src/protocol/api-errors.ts";
import { answerSentences } from "../kit/sentences.ts";
import { hostFunction, type Summarize } from "../kit/openclaw/host-function.ts";

const FACTS = {
  model: "k3",
  status: 403,
  resetsInMs: 3 * 60 * 60_000,
  site: "https://www.kimi.com",
  owner: "kimi-code-cli",
} as const;

/** What the host puts before a sentence, up to twice. */
const HOST_SIGNS = /^(?:⚠️ )+/u;
/** Answers that quote Kimi's own words, as long as they are. */
const QUOTES: ReadonlySet<string> = new Set(["bad_schema", "bad_request"]);
/** What the host puts in the place of the middle of a sentence that is too long. */
const CUT = " ... ";

type ShortenRunError = (outcome: { error: string }, status: string) => string | undefined;
type RateLimitWindow = (message: string) => { kind: string };

describe("in the Control UI", () => {
  it("an answer of Kimi's is not cut", { timeout: 60_000 }, async () => {
    const shorten = await hostFunction<ShortenRunError>("resolveSessionRunError");
    const whole = answerSentences().filter(([kind]) => !QUOTES.has(kind));
    expect(shorten({ error: "too long ".repeat(20) }, "failed")).toContain(CUT);
    for (const [, sentence] of whole) {
      expect(shorten({ error: sentence }, "failed")).not.toContain(CUT);
    }
  });
});

describe("on a chat channel", () => {
  let summarize: Summarize;
  let rateLimitWindow: RateLimitWindow;

  beforeAll(async () => {
    summarize = await hostFunction<Summarize>("resolveReplyFailureSummary");
    rateLimitWindow = await hostFunction<RateLimitWindow>("classifyRateLimitWindow");
  }, 60_000);

  /** What is shown, without the host's signs before it, of which there may be two. */
  const shown = (sentence: string): string | undefined =>
    summarize({
      error: new Error(sentence),
      message: `⚠️ ${sentence}`,
      reason: "rate_limit",
    })?.text.replace(HOST_SIGNS, "");

  it.each<[AnswerKind, "5h" | "7d" | "month" | undefined]>([
    ["no_access", undefined],
    ["no_membership", undefined],
    ["quota", "5h"],
    ["quota", "7d"],
    ["quota", "month"],
    ["quota", undefined],
    ["no_credit", undefined],
    ["identity_refused", undefined],
    ["banned", undefined],
    ["refused", undefined],
  ])("%s (%s) is told in our words, and is not worth another try", (kind, window) => {
    const sentence = answers[kind]({ ...FACTS, window });
    expect(shown(sentence)).toBe(sentence);
    expect(rateLimitWindow(sentence).kind).toBe("long");
  });

  it.each<[AnswerKind]>([["rate_limited"], ["concurrency"]])(
    "%s asks for patience, and is worth another try",
    (kind) => {
      const sentence = answers[kind](FACTS);
      expect(shown(sentence)).toMatch(/try again/i);
      expect(rateLimitWindow(sentence).kind).toBe("short");
    },
  );
});
