/** Scripted answers of the models, the same for all three chat protocols. */
import type { RecordedRequest } from "./types.ts";

/** Token counts of one answer. */
export interface TurnUsage {
  /** The cached ones included. */
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
}

/** One answer of a model. */
export interface Turn {
  text?: string;
  reasoning?: string;
  /** `arguments` is an object, or JSON text to be sent as it stands. */
  toolCalls?: readonly { name: string; arguments: unknown; id?: string }[];
  /** Real ms before the first byte. */
  delayMs?: number;
  usage?: Partial<TurnUsage>;
  /** Default `tool_calls` with tool calls, else `stop`. */
  finishReason?: "stop" | "tool_calls" | "length" | "content_filter";
  /** Only for requests that this accepts; others take the next entry that fits. */
  when?: (request: RecordedRequest) => boolean;
}

/** A turn with everything filled in. */
export interface FullTurn {
  /** Number of this answer, from 1; part of its ids. */
  serial: number;
  text: string;
  reasoning: string;
  toolCalls: { name: string; arguments: string; id: string }[];
  delayMs: number | undefined;
  usage: TurnUsage;
  finishReason: "stop" | "tool_calls" | "length" | "content_filter";
  /** Puts the entry back to where it was taken from. */
  undo: () => void;
}

const DEFAULT_USAGE: TurnUsage = { promptTokens: 21, cachedTokens: 8, completionTokens: 5 };

/** The queue of scripted turns. */
export class Script {
  readonly #queue: Turn[] = [];
  #serial = 0;

  push(turns: readonly Turn[]): void {
    this.#queue.push(...turns);
  }

  /** Takes the first entry that fits; without one a plain `pong`, with some reasoning if thinking is on. */
  take(request: RecordedRequest, thinking: boolean): FullTurn {
    this.#serial += 1;
    const at = this.#queue.findIndex((turn) => turn.when?.(request) ?? true);
    const scripted = at < 0 ? undefined : this.#queue.splice(at, 1)[0];
    const turn = scripted ?? {
      text: "pong",
      ...(thinking && { reasoning: "The user wants a pong." }),
    };
    const serial = this.#serial;
    return {
      serial,
      text: turn.text ?? "",
      reasoning: turn.reasoning ?? "",
      toolCalls: (turn.toolCalls ?? []).map((call, index) => ({
        name: call.name,
        arguments:
          typeof call.arguments === "string" ? call.arguments : JSON.stringify(call.arguments),
        id: call.id ?? `call_standin_${serial}_${index + 1}`,
      })),
      delayMs: turn.delayMs,
      usage: { ...DEFAULT_USAGE, ...turn.usage },
      finishReason: turn.finishReason ?? (turn.toolCalls?.length ? "tool_calls" : "stop"),
      undo: () => {
        if (scripted !== undefined) {
          this.#queue.unshift(scripted);
        }
      },
    };
  }
}
