import { describe, expect, it } from "vitest";
import type { Message, StreamEvent, StreamFn } from "../../src/inference/event-stream.ts";
import { ToolNames } from "../../src/inference/names.ts";

type Context = Parameters<StreamFn>[1];

const TAKEN = /^[a-zA-Z][\w-]{2,63}$/;

function contextOf(names: readonly string[]): Context {
  return {
    messages: [
      {
        role: "assistant",
        content: names.map((name, index) => ({
          type: "toolCall",
          id: String(index),
          name,
          arguments: {},
        })),
      },
      ...names.map((toolName, index) => ({
        role: "toolResult",
        toolCallId: String(index),
        toolName,
        content: [],
      })),
    ],
    tools: names.map((name) => ({ name, description: name, parameters: {} })),
  } as unknown as Context;
}

describe("the names of tools", () => {
  it.each([
    ["that start with a digit", ["21st_magic_build", "exec"]],
    ["with signs that Kimi does not take", ["a.b", "a:b", "a_b", "größe"]],
    ["that are too long", [`${"x".repeat(80)}1`, `${"x".repeat(80)}2`]],
    ["that would be taken already", ["1a", "t_1a"]],
    ["of nothing but a sign", [".", "-", ""]],
    ["that are too short", ["ls", "l", "ls_"]],
  ])("%s go out as Kimi takes them, stay apart, and come back as they were", (_what, names) => {
    const tools = new ToolNames(names);
    const { tools: outward = [], messages } = tools.outward(contextOf(names));
    const wire = outward.map(({ name }) => name);
    expect(wire.every((name) => TAKEN.test(name))).toBe(true);
    expect(new Set(wire).size).toBe(names.length);
    const [said, ...results] = messages as [Message, ...{ toolName: string }[]];
    expect(said.content.map((block) => (block as { name: string }).name)).toEqual(wire);
    expect(results.map(({ toolName }) => toolName)).toEqual(wire);

    for (const [index, name] of names.entries()) {
      const block = { type: "toolCall", id: "1", name: wire[index], arguments: {} };
      const message = { role: "assistant", content: [{ type: "text", text: "x" }, block] };
      const events = [
        { type: "toolcall_start", contentIndex: 1, partial: message },
        { type: "toolcall_end", contentIndex: 1, toolCall: block, partial: message },
        { type: "done", reason: "toolUse", message },
      ] as unknown as StreamEvent[];
      const inward = events.map((event) => tools.inward(event));
      const own = { ...block, name };
      const content = [{ type: "text", text: "x" }, own];
      expect(inward).toMatchObject([
        { partial: { content } },
        { toolCall: own, partial: { content } },
        { message: { content } },
      ]);
    }
  });

  it("that Kimi takes are left alone, with everything around them", () => {
    const names = ["exec", "mcp__files__read", "x-1"];
    const context = contextOf(names);
    const tools = new ToolNames(names);
    expect(tools.outward(context)).toBe(context);
    const event = { type: "done", message: { content: [] } } as unknown as StreamEvent;
    expect(tools.inward(event)).toBe(event);
  });
});
