/**
 * How the host replays a conversation's history to Kimi. Kimi refuses a tool call whose reasoning got
 * lost, so all of it is kept; the host's own default would drop it on one of the transports.
 */

import type { ProviderPlugin } from "openclaw/plugin-sdk/plugin-entry";

type ReplayHook = NonNullable<ProviderPlugin["buildReplayPolicy"]>;

/** The replay policy for one of the host's transports. */
export function replayPolicy({
  modelApi,
}: {
  readonly modelApi?: string | null;
}): ReturnType<ReplayHook> {
  const shared = {
    sanitizeToolCallIds: true,
    toolCallIdMode: "strict" as const,
    dropReasoningFromHistory: false,
    dropThinkingBlocks: false,
    repairToolUseResultPairing: true,
    allowSyntheticToolResults: true,
  };
  return modelApi === "anthropic-messages"
    ? // Kimi does not sign its thinking; where signatures count, the host drops what has none.
      { ...shared, sanitizeMode: "full", preserveSignatures: false, validateAnthropicTurns: true }
    : modelApi === "openai-completions"
      ? {
          ...shared,
          applyAssistantFirstOrderingFix: true,
          validateGeminiTurns: true,
          validateAnthropicTurns: true,
        }
      : shared;
}
