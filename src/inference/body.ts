/** What the bodies of all three protocols have in common: their facts, their limit, what is left out of them. */

import { isRecord } from "../json.ts";
import type { ModelRow } from "../models/models.ts";
import { kimiToolSchema } from "./tool-schemas.ts";

/** A request's body, or a part of one. */
export type Body = Readonly<Record<string, unknown>>;

/** What a body depends on beside itself. */
export interface PayloadFacts {
  readonly row: ModelRow;
  /** The host's thinking level. */
  readonly level: string | undefined;
  /** The host's session. */
  readonly sessionId: string | undefined;
  /** Output limit that the caller asked for, in tokens. */
  readonly maxTokens: number | undefined;
  /** How many tokens the conversation takes, about. */
  readonly usedTokens: number;
  /** The tools' parameters as Kimi takes them, by the tool's name. */
  readonly schemas: ReadonlyMap<string, object>;
}

/** Kimi fixes these itself; a request that names them is refused, or means something else there. */
export const NOT_SENT = [
  "temperature",
  "top_p",
  "top_k",
  "n",
  "presence_penalty",
  "frequency_penalty",
  "seed",
  "store",
  "service_tier",
  "prompt_cache_retention",
  "reasoning_effort",
  "max_tokens",
];

/** Least that a model which thinks may write, in tokens: thinking counts, too. */
const MIN_OUTPUT_WITH_THINKING = 16_000;

/** A body without some of its members. */
export function withoutMembers(body: Body, names: readonly string[]): Body {
  return Object.fromEntries(Object.entries(body).filter(([name]) => !names.includes(name)));
}

function isEmptyText(part: unknown): boolean {
  return isRecord(part) && part.type === "text" && (part.text ?? "") === "";
}

/** Content without empty text parts, which are refused. */
export function withoutEmptyTexts(content: unknown): unknown {
  return Array.isArray(content) ? content.filter((part) => !isEmptyText(part)) : content;
}

/** True for content that says nothing. */
export function isBlank(content: unknown): boolean {
  return (
    content === undefined ||
    content === null ||
    content === "" ||
    (Array.isArray(content) && content.length === 0)
  );
}

/**
 * The most that a reply may have, in tokens: what is left of the context, as both Kimi CLIs ask for
 * it, or what the caller wants, with room for the thinking that comes before. Where nothing is left,
 * room for thinking is asked for: the server then says that the conversation is too long,
 * which the host can mend.
 */
export function outputLimit({ row, maxTokens, usedTokens }: PayloadFacts, thinks: boolean): number {
  const room = Math.max(row.contextWindow - usedTokens, MIN_OUTPUT_WITH_THINKING);
  const wanted = maxTokens ?? row.contextWindow;
  return Math.min(
    thinks ? Math.max(wanted, MIN_OUTPUT_WITH_THINKING) : wanted,
    room,
    row.contextWindow,
  );
}

/** Parameters for a tool of a body. */
export function toolSchema(name: unknown, parameters: unknown, { schemas }: PayloadFacts): object {
  return (typeof name === "string" ? schemas.get(name) : undefined) ?? kimiToolSchema(parameters);
}

/** Tools without those whose name came before; Kimi refuses a name that occurs twice. */
export function distinctTools(tools: readonly unknown[]): readonly unknown[] {
  const names = new Set<unknown>();
  return tools.filter((tool) => {
    const holder = isRecord(tool) && isRecord(tool.function) ? tool.function : tool;
    const name = isRecord(holder) ? holder.name : undefined;
    const isNew = name === undefined || !names.has(name);
    names.add(name);
    return isNew;
  });
}
