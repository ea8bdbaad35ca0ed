import { describe, expect, it } from "vitest";
import { registeredProvider } from "../kit/openclaw/provider.ts";

type Policy = ReturnType<NonNullable<ReturnType<typeof registeredProvider>["buildReplayPolicy"]>>;

function policy(modelApi: string): Policy {
  return registeredProvider().buildReplayPolicy?.({ provider: "kimi-code", modelApi });
}

describe("the replay of a history", () => {
  it.each(["openai-completions", "anthropic-messages", "openai-responses"])(
    "keeps all reasoning, and mends calls without a result: %s",
    (api) => {
      expect(policy(api)).toMatchObject({
        dropReasoningFromHistory: false,
        dropThinkingBlocks: false,
        repairToolUseResultPairing: true,
        allowSyntheticToolResults: true,
      });
    },
  );

  it("does not go by signatures, which Kimi does not check", () => {
    expect(policy("anthropic-messages")).toMatchObject({ preserveSignatures: false });
  });
});
