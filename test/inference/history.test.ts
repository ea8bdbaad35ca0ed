import { describe, expect, it } from "vitest";
import type { Message, StreamFn } from "../../src/inference/event-stream.ts";
import { tokensOf, withOwnHistory } from "../../src/inference/history.ts";

type Model = Parameters<StreamFn>[0];
type Context = Parameters<StreamFn>[1];

function model(api: string, id = "k3"): Model {
  return { api, id, provider: "kimi-code" } as Model;
}

function said(content: readonly object[], more: object = {}): Message {
  return {
    role: "assistant",
    api: "openai-completions",
    provider: "kimi-code",
    model: "k3",
    content,
    usage: { totalTokens: 0 },
    ...more,
  } as unknown as Message;
}

function contextOf(...messages: readonly object[]): Context {
  return { messages } as unknown as Context;
}

const CALL = { type: "toolCall", id: "1", name: "exec", arguments: {}, thoughtSignature: "s" };
const ELSEWHERE = { api: "anthropic-messages", provider: "anthropic", model: "other" };
const THOUGHTS = [
  { type: "thinking", thinking: "a thought", thinkingSignature: "sealed" },
  { type: "thinking", thinking: "", thinkingSignature: "sealed", redacted: true },
  { type: "text", text: "hello", textSignature: "x" },
  CALL,
];

describe("a history of another model", () => {
  it.each([
    ["openai-completions", "reasoning_content"],
    ["anthropic-messages", ""],
  ])("keeps its thoughts as thoughts on %s, without seals", (api, thinkingSignature) => {
    const { messages } = withOwnHistory(contextOf(said(THOUGHTS, ELSEWHERE)), model(api));
    const { thoughtSignature: _sealed, ...call } = CALL;
    expect(messages).toEqual([
      expect.objectContaining({
        api,
        provider: "kimi-code",
        model: "k3",
        content: [
          { type: "thinking", thinking: "a thought", thinkingSignature },
          { type: "text", text: "hello" },
          call,
        ],
      }),
    ]);
  });

  it("says none of its thoughts aloud on openai-responses", () => {
    const { messages } = withOwnHistory(
      contextOf(said(THOUGHTS, ELSEWHERE)),
      model("openai-responses"),
    );
    expect(JSON.stringify(messages)).not.toContain("a thought");
  });

  it("is left alone where it is of the same model, and so is what people say", () => {
    const own = said(THOUGHTS);
    const user = { role: "user", content: "hi" };
    const { messages } = withOwnHistory(contextOf(user, own), model("openai-completions"));
    expect(messages[0]).toBe(user);
    expect(messages[1]).toBe(own);
  });
});

describe("the size of a context", () => {
  it("is what the last answer counted and an estimate of what came since", () => {
    const context = contextOf(
      { role: "user", content: "x".repeat(1_000_000) },
      said([], { usage: { totalTokens: 5_000 } }),
      { role: "user", content: [{ type: "text", text: "y".repeat(2_500) }] },
    );
    expect(tokensOf(context)).toBeGreaterThanOrEqual(5_625);
    expect(tokensOf(context)).toBeLessThan(5_700);
  });

  it("is an estimate of everything before the first answer, and images do not count by their bytes", () => {
    const image = { type: "image", mimeType: "image/png", data: "A".repeat(1_000_000) };
    const context = {
      systemPrompt: "z".repeat(2_500),
      tools: [{ name: "a", description: "d".repeat(250), parameters: { type: "object" } }],
      ...contextOf({ role: "user", content: [image] }),
    } as unknown as Context;
    expect(tokensOf(context)).toBeGreaterThan(2_600);
    expect(tokensOf(context)).toBeLessThan(2_800);
  });
});
