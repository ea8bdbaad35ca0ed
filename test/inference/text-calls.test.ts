import { describe, expect, it } from "vitest";
import type { Message, StreamEvent } from "../../src/inference/event-stream.ts";
import { TextCalls } from "../../src/inference/text-calls.ts";

const SECTION = "<|tool_calls_section_begin|>";
const END = "<|tool_calls_section_end|>";

function written(id: string, json: string): string {
  return `<|tool_call_begin|>${id}<|tool_call_argument_begin|>${json}<|tool_call_end|>`;
}

function message(content: readonly object[], more: object = {}): Message {
  return { role: "assistant", content, stopReason: "stop", ...more } as unknown as Message;
}

/** The events of an answer whose text comes in pieces of this many characters. */
function events(text: string, size: number, others: readonly object[] = []): StreamEvent[] {
  const list: object[] = [
    { type: "text_start", contentIndex: 0, partial: message([{ type: "text", text: "" }]) },
  ];
  for (let at = 0; at < text.length; at += size) {
    const partial = message([{ type: "text", text: text.slice(0, at + size) }]);
    list.push({ type: "text_delta", contentIndex: 0, delta: text.slice(at, at + size), partial });
  }
  const whole = message([{ type: "text", text }, ...others]);
  return [
    ...list,
    { type: "text_end", contentIndex: 0, content: text, partial: whole },
    { type: "done", reason: "stop", message: whole },
  ] as unknown as StreamEvent[];
}

function rewritten(given: readonly StreamEvent[]): StreamEvent[] {
  const calls = new TextCalls();
  return given.flatMap((event) => calls.rewrite(event));
}

function streamed(list: readonly StreamEvent[]): string {
  return list.flatMap((event) => (event.type === "text_delta" ? event.delta : [])).join("");
}

const CALLS = `${SECTION}${written("functions.exec:0", '{"command":"ls"}')}${written("functions.read:1", '{"path":"<|a|>"}')}${END}`;
const EXEC = {
  type: "toolCall",
  id: "functions.exec:0",
  name: "exec",
  arguments: { command: "ls" },
};
const READ = {
  type: "toolCall",
  id: "functions.read:1",
  name: "read",
  arguments: { path: "<|a|>" },
};

describe("calls that a model writes as text", () => {
  it.each([1, 2, 3, 7, 1_000])("become calls in chunks of %i, and are never shown", (size) => {
    const list = rewritten(events(`I look. ${CALLS}`, size));
    expect(streamed(list).trimEnd()).toBe("I look.");
    expect(JSON.stringify(list)).not.toContain("<|tool");
    expect(list.filter(({ type }) => type === "toolcall_end")).toMatchObject([
      { contentIndex: 1, toolCall: EXEC },
      { contentIndex: 2, toolCall: READ },
    ]);
    expect(list.at(-1)).toMatchObject({
      type: "done",
      reason: "toolUse",
      message: {
        stopReason: "toolUse",
        content: [{ type: "text", text: "I look." }, EXEC, READ],
      },
    });
  });

  it("are found without a section around them, and in thinking", () => {
    const thinking = `So. ${written("functions.exec:0", '{"command":"ls"}')}`;
    const whole = message([{ type: "thinking", thinking }]);
    const [, , done] = rewritten([
      { type: "done", reason: "stop", message: whole } as unknown as StreamEvent,
    ]);
    expect(done).toMatchObject({ message: { content: [{ thinking: "So." }, EXEC] } });
  });

  it("are not called twice where the server has made calls of them", () => {
    const list = rewritten(events(`Now. ${CALLS}`, 5, [EXEC]));
    expect(list.filter(({ type }) => type.startsWith("toolcall"))).toEqual([]);
    expect(list.at(-1)).toMatchObject({
      message: { content: [{ type: "text", text: "Now." }, EXEC] },
    });
  });

  it("are nothing where their arguments are no JSON or they are cut off, and are not shown either", () => {
    for (const text of [
      `a ${SECTION}${written("functions.exec:0", "{oops")}${END}`,
      `a ${SECTION}<|tool_call_begin|>functions.exec:0<|tool_call_arg`,
    ]) {
      const list = rewritten(events(text, 4));
      expect(streamed(list).trimEnd()).toBe("a");
      expect(list.at(-1)).toMatchObject({
        reason: "stop",
        message: { content: [{ type: "text", text: "a" }] },
      });
    }
  });

  it.each(["a < b and <|c|> <", "use <|tool_call> in a text", "plain"])(
    "leave other text as it is: %s",
    (text) => {
      for (const size of [1, 3, 100]) {
        const list = rewritten(events(text, size));
        expect(streamed(list)).toBe(text);
        expect(list.at(-1)).toMatchObject({ message: { content: [{ type: "text", text }] } });
      }
    },
  );
});
