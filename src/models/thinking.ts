/**
 * Thinking: the levels that the host offers for a model, and what a level is on the wire.
 *
 * The host's words for levels and Kimi's words for efforts are the same where both exist, so nothing
 * is translated; a level that a model does not have becomes the nearest one below, or its lowest.
 */

import type { ProviderPlugin } from "openclaw/plugin-sdk/plugin-entry";
import type { ModelRow, ModelThinking } from "./models.ts";

type ThinkingProfile = NonNullable<
  ReturnType<NonNullable<ProviderPlugin["resolveThinkingProfile"]>>
>;
type LevelId = ThinkingProfile["levels"][number]["id"];

/** The host's levels that can be an effort, weakest first. */
const RANKED_LEVELS = [
  "minimal",
  "low",
  "medium",
  "high",
  "xhigh",
  "max",
] as const satisfies LevelId[];

/** The level that stands for on, where a model knows no efforts. */
const ON_LEVEL = { id: "low", label: "on" } as const satisfies ThinkingProfile["levels"][number];
const OFF_LEVEL = { id: "off" } as const satisfies ThinkingProfile["levels"][number];
/** The level that leaves the effort to the account. */
const ACCOUNT_LEVEL = "adaptive" as const satisfies LevelId;

function effortLevels(thinking: ModelThinking): LevelId[] {
  return RANKED_LEVELS.filter((level) => thinking.efforts.includes(level));
}

/**
 * What `/think` offers for a model, with the account's default: as a level of its own where the host
 * has no word for it, or where the account's list has not arrived yet.
 */
export function thinkingProfile({
  thinking,
  assumed,
}: Pick<ModelRow, "thinking" | "assumed">): ThinkingProfile {
  if (thinking.mode === "none") {
    return { levels: [OFF_LEVEL], defaultLevel: OFF_LEVEL.id };
  }
  const efforts = effortLevels(thinking);
  const on = efforts.length === 0 ? [ON_LEVEL] : efforts.map((id) => ({ id }));
  const preferred = efforts.find((level) => level === thinking.defaultEffort);
  const wordless =
    preferred === undefined && efforts.length > 0 ? thinking.defaultEffort : undefined;
  const account =
    assumed === true || wordless !== undefined
      ? [{ id: ACCOUNT_LEVEL, label: wordless ?? "auto" }]
      : [];
  return {
    levels: [...(thinking.mode === "toggle" ? [OFF_LEVEL] : []), ...on, ...account],
    // Without a default from the server, the middle of the list, as the Kimi Code CLI does.
    defaultLevel:
      account[0]?.id ?? preferred ?? efforts[Math.floor(efforts.length / 2)] ?? ON_LEVEL.id,
    preserveWhenCatalogReasoningFalse: true,
  };
}

/** What is asked of the server. */
export type ThinkingRequest =
  | { readonly on: false }
  /** Without an effort the server's default counts. */
  | { readonly on: true; readonly effort?: string | undefined };

/**
 * What a level means for a model.
 *
 * @param level - the host's level; none counts as off
 * @returns `undefined` for a model that cannot think, which is asked for nothing
 */
export function thinkingRequest(
  thinking: ModelThinking,
  level: string | undefined,
): ThinkingRequest | undefined {
  if (thinking.mode === "none") {
    return undefined;
  }
  const off = level === undefined || level === "off" || level === "none";
  if (off && thinking.mode === "toggle") {
    return { on: false };
  }
  const efforts = effortLevels(thinking);
  if (level === ACCOUNT_LEVEL || efforts.length === 0) {
    return { on: true, effort: thinking.defaultEffort };
  }
  const rank = off ? -1 : RANKED_LEVELS.findIndex((known) => known === level);
  const wanted = rank === -1 && !off ? RANKED_LEVELS.length : rank;
  const below = efforts.filter(
    (effort) => RANKED_LEVELS.findIndex((known) => known === effort) <= wanted,
  );
  return { on: true, effort: below.at(-1) ?? efforts[0] };
}
