/** A forced tool call and thinking, which exclude each other for most of Kimi's models. */

import { isK3, type ModelRow } from "../models/models.ts";
import { type ThinkingRequest, thinkingRequest } from "../models/thinking.ts";
import { isRecord } from "../json.ts";

/** How a caller wants tools to be used. */
type Choice = "free" | "required" | "pinned";

/** What is asked for, once a forced call is reconciled with thinking. */
export interface ChoiceAndThinking {
  /** `undefined` for a model that cannot think. */
  readonly thinking: ThinkingRequest | undefined;
  /** False for a forced call that has to be given up. */
  readonly keepsChoice: boolean;
}

/** Reads the `tool_choice` of chat completions and of responses. */
export function openAiChoice(value: unknown): Choice {
  if (value === undefined || value === null || value === "auto" || value === "none") {
    return "free";
  }
  return value === "required" ? "required" : "pinned";
}

/** Reads the `tool_choice` of Anthropic messages. */
export function anthropicChoice(value: unknown): Choice {
  const type = isRecord(value) ? value.type : undefined;
  if (type === "tool") {
    return "pinned";
  }
  return type === "any" ? "required" : "free";
}

/**
 * Decides between a forced call and thinking. K3 takes both. A call of one tool goes before thinking
 * where that can be off, as in OpenClaw's own plugin for Moonshot; any other is left to the model.
 *
 * @param level - the host's thinking level
 * @param canTurnOff - false for a protocol that has no word for thinking that is off
 */
export function reconcileChoice(
  { row, level }: { readonly row: ModelRow; readonly level: string | undefined },
  choice: Choice,
  canTurnOff = true,
): ChoiceAndThinking {
  const thinking = thinkingRequest(row.thinking, level);
  if (choice === "free" || thinking?.on !== true || isK3(row)) {
    return { thinking, keepsChoice: true };
  }
  return choice === "pinned" && row.thinking.mode === "toggle" && canTurnOff
    ? { thinking: { on: false }, keepsChoice: true }
    : { thinking, keepsChoice: false };
}
