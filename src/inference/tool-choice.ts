/** A forced tool call and thinking, which exclude each other for most of Kimi's models. */

import { isK3, type ModelRow } from "../models/models.ts";
import { type ThinkingWish, thinkingWish } from "../models/thinking.ts";
import { isRecord } from "../json.ts";

/** How a caller wants tools to be used. */
type Choice = "free" | "required" | "pinned";

/** What is asked for, once a forced call is reconciled with thinking. */
export interface Plan {
  /** `undefined` for a model that cannot think. */
  readonly wish: ThinkingWish | undefined;
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
export function planOf(
  { row, level }: { readonly row: ModelRow; readonly level: string | undefined },
  choice: Choice,
  canTurnOff = true,
): Plan {
  const wish = thinkingWish(row.thinking, level);
  if (choice === "free" || wish?.on !== true || isK3(row)) {
    return { wish, keepsChoice: true };
  }
  return choice === "pinned" && row.thinking.mode === "toggle" && canTurnOff
    ? { wish: { on: false }, keepsChoice: true }
    : { wish, keepsChoice: false };
}
