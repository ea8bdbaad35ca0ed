/**
 * Calls of tools that a model writes as text, in the marks that its template uses:
 * `<|tool_calls_section_begin|><|tool_call_begin|>functions.exec:0<|tool_call_argument_begin|>{…}<|tool_call_end|><|tool_calls_section_end|>`.
 * They become calls, and the marks are never shown, also where a chunk ends in the middle of one.
 */

import { isRecord, parseJson } from "../json.ts";
import type { Message, StreamEvent } from "./event-stream.ts";

type Block = Message["content"][number];
type ToolCall = Extract<Block, { type: "toolCall" }>;

const CALL_MARKS = ["<|tool_calls_section_begin|>", "<|tool_call_begin|>"];
const SECTION_END = "<|tool_calls_section_end|>";
const CALL_PATTERN =
  /<\|tool_call_begin\|>\s*([^<\s]+)\s*<\|tool_call_argument_begin\|>([\s\S]*?)<\|tool_call_end\|>/g;

/** Where the marks begin, or where they may: at the end of a text that is still being written. */
function markAt(text: string, isWhole: boolean): number {
  const found = CALL_MARKS.map((mark) => text.indexOf(mark)).filter((at) => at >= 0);
  if (found.length > 0) {
    return Math.min(...found);
  }
  const from = isWhole ? -1 : text.lastIndexOf("<");
  const isStart = from >= 0 && CALL_MARKS.some((mark) => mark.startsWith(text.slice(from)));
  return isStart ? from : text.length;
}

/** A text without marks and what is between them. */
function withoutCalls(text: string, isWhole: boolean): string {
  const at = markAt(text, isWhole);
  const end = text.lastIndexOf(SECTION_END);
  const after = end > at ? text.slice(end + SECTION_END.length) : "";
  if (at === text.length) {
    return text;
  }
  const isMark = CALL_MARKS.some((mark) => text.startsWith(mark, at));
  return (isMark ? text.slice(0, at).trimEnd() : text.slice(0, at)) + after;
}

function textOf(block: Block): string | undefined {
  return block.type === "text"
    ? block.text
    : block.type === "thinking"
      ? block.thinking
      : undefined;
}

function cleanedBlock(block: Block, isWhole: boolean): Block {
  switch (block.type) {
    case "text":
      return { ...block, text: withoutCalls(block.text, isWhole) };
    case "thinking":
      return { ...block, thinking: withoutCalls(block.thinking, isWhole) };
    default:
      return block;
  }
}

/** The calls in a text; one whose arguments are no JSON object is none. */
function callsIn(text: string): ToolCall[] {
  return [...text.matchAll(CALL_PATTERN)].flatMap(([, id = "", written = ""]) => {
    const parsed = parseJson(written.trim() === "" ? "{}" : written);
    const name = id.replace(/^functions\./, "").replace(/:\d+$/, "");
    return isRecord(parsed) && name !== ""
      ? [{ type: "toolCall", id, name, arguments: { ...parsed } }]
      : [];
  });
}

/** Rewrites the events of one reply. */
export class TextCalls {
  /** What was passed on of each text, by its place in the message. */
  readonly #passed = new Map<number, string>();

  /** The events in place of one; none for a piece that is held back. */
  rewrite(event: StreamEvent): readonly StreamEvent[] {
    switch (event.type) {
      case "text_delta":
      case "thinking_delta":
        return this.#delta(event);
      case "text_end":
      case "thinking_end":
        return this.#end(event);
      case "done":
        return this.#done(event);
      case "error":
        return [event];
      default:
        return event.partial === undefined
          ? [event]
          : [{ ...event, partial: this.#partial(event.partial) }];
    }
  }

  #partial(message: Message): Message {
    return message.content.some((block) => isMarked(block, false))
      ? { ...message, content: message.content.map((block) => cleanedBlock(block, false)) }
      : message;
  }

  #delta(
    event: Extract<StreamEvent, { type: "text_delta" | "thinking_delta" }>,
  ): readonly StreamEvent[] {
    const block = event.partial?.content[event.contentIndex];
    const whole = block === undefined ? undefined : textOf(block);
    if (whole === undefined || event.partial === undefined) {
      return [event];
    }
    const before = this.#passed.get(event.contentIndex) ?? "";
    const now = withoutCalls(whole, false);
    this.#passed.set(event.contentIndex, now);
    const isPlain = now === whole && now.length - before.length === event.delta.length;
    if (isPlain) {
      return [event];
    }
    const delta = now.startsWith(before) ? now.slice(before.length) : "";
    return delta === "" ? [] : [{ ...event, delta, partial: this.#partial(event.partial) }];
  }

  #end(event: Extract<StreamEvent, { type: "text_end" | "thinking_end" }>): readonly StreamEvent[] {
    const content = withoutCalls(event.content, true);
    if (event.partial === undefined) {
      return [{ ...event, content }];
    }
    const partial = this.#partial(event.partial);
    const before = this.#passed.get(event.contentIndex);
    const { contentIndex } = event;
    // What looked like the start of a mark was none.
    const rest =
      before !== undefined && content.startsWith(before) ? content.slice(before.length) : "";
    const type = event.type === "text_end" ? "text_delta" : "thinking_delta";
    return [
      ...(rest === "" ? [] : [{ type, contentIndex, delta: rest, partial } as const]),
      { ...event, content, partial },
    ];
  }

  #done(event: Extract<StreamEvent, { type: "done" }>): readonly StreamEvent[] {
    const { message } = event;
    if (!message.content.some((block) => isMarked(block, true))) {
      return [event];
    }
    const blocks = message.content.map((block) => cleanedBlock(block, true));
    const isCalled = blocks.some(({ type }) => type === "toolCall");
    // The server has made calls of them as well: those count, and nothing is called twice.
    const calls = isCalled ? [] : message.content.flatMap((block) => callsIn(textOf(block) ?? ""));
    const whole: Message = {
      ...message,
      content: [...blocks, ...calls],
      ...(calls.length === 0 ? {} : { stopReason: "toolUse" as const }),
    };
    return [
      ...calls.flatMap((toolCall, index): StreamEvent[] => {
        const at = { contentIndex: blocks.length + index, partial: whole };
        return [
          { type: "toolcall_start", ...at },
          { type: "toolcall_end", toolCall, ...at },
        ];
      }),
      { ...event, message: whole, ...(calls.length === 0 ? {} : { reason: "toolUse" as const }) },
    ];
  }
}

function isMarked(block: Block, isWhole: boolean): boolean {
  const text = textOf(block);
  return text !== undefined && markAt(text, isWhole) < text.length;
}
