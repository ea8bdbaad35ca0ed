/** How much of an answer fits into a request's output limit. */
import type { FullTurn } from "./script.ts";

/** Characters in a token, about. */
const TOKEN_CHARS = 4;
/** What a model that thinks needs for that at least, in tokens; made up, but far above the 8 of a helper call. */
const LEAST_THINKING = 64;

/** Tokens of a text, about. */
export function tokensOf(text: string): number {
  return Math.ceil(text.length / TOKEN_CHARS);
}

/** Takes from what is left of a limit. */
class Budget {
  cut = false;
  #left: number;

  constructor(limit: number) {
    this.#left = limit;
  }

  text(text: string): string {
    const taken = text.slice(0, Math.max(0, this.#left) * TOKEN_CHARS);
    this.#left -= tokensOf(text);
    this.cut ||= taken.length < text.length;
    return taken;
  }

  whole(tokens: number): boolean {
    this.#left -= tokens;
    this.cut ||= this.#left < 0;
    return this.#left >= 0;
  }
}

/**
 * Cuts an answer to a limit. Thinking counts as output (vendor's page platform.kimi.ai/docs/api/chat:
 * `max_completion_tokens` covers it; `completion_tokens` includes it), so that a small limit leaves no visible text.
 */
export function limited(turn: FullTurn, thinks: boolean, limit: number | undefined): FullTurn {
  if (limit === undefined) {
    return turn;
  }
  const budget = new Budget(limit);
  const reasoning = budget.text(turn.reasoning);
  budget.whole(thinks ? Math.max(0, LEAST_THINKING - tokensOf(turn.reasoning)) : 0);
  const text = budget.text(turn.text);
  const toolCalls = turn.toolCalls.filter((call) =>
    budget.whole(tokensOf(call.name) + tokensOf(call.arguments)),
  );
  return budget.cut
    ? {
        ...turn,
        reasoning,
        text,
        toolCalls,
        finishReason: "length",
        usage: { ...turn.usage, completionTokens: limit },
      }
    : turn;
}
