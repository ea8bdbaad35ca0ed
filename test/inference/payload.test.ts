import { describe, expect, it } from "vitest";
import { staticModel } from "../../src/models/models.ts";
import type { PayloadFacts } from "../../src/inference/body.ts";
import { kimiBody } from "../../src/inference/payload.ts";

type Body = Record<string, unknown>;

function body(api: string, value: Body, facts: Partial<PayloadFacts> = {}): Body {
  return kimiBody(api, value, {
    row: staticModel("k3"),
    level: "high",
    sessionId: "session-1",
    maxTokens: undefined,
    usedTokens: 0,
    schemas: new Map(),
    ...facts,
  }) as Body;
}

const chat = (value: Body, facts?: Partial<PayloadFacts>): Body =>
  body("openai-completions", value, facts);
const messages = (value: Body, facts?: Partial<PayloadFacts>): Body =>
  body("anthropic-messages", value, facts);

const toggle = {
  ...staticModel("m"),
  thinking: { mode: "toggle" as const, efforts: ["low", "high"] },
};

describe("a chat completion", () => {
  it.each([
    ["an effort", {}, { type: "enabled", effort: "high", keep: "all" }],
    [
      "on, for a model without efforts",
      { row: staticModel("kimi-for-coding") },
      { type: "enabled", keep: "all" },
    ],
    ["off, where that is possible", { row: toggle, level: "off" }, { type: "disabled" }],
    [
      "nothing, for a model that cannot think",
      { row: { ...toggle, thinking: { mode: "none" as const, efforts: [] } } },
      undefined,
    ],
  ])("asks for %s", (_what, facts, thinking) => {
    expect(chat({ messages: [] }, facts).thinking).toEqual(thinking);
  });

  it("leaves out what Kimi fixes itself", () => {
    const sent = chat({
      model: "k3",
      temperature: 1,
      top_p: 0.9,
      n: 1,
      presence_penalty: 0,
      frequency_penalty: 0,
      seed: 1,
      store: false,
      service_tier: "auto",
      prompt_cache_retention: "24h",
      reasoning_effort: "high",
      stream: true,
      prompt_cache_key: "session-1",
      max_completion_tokens: 5,
    });
    expect(Object.keys(sent).toSorted()).toEqual([
      "max_completion_tokens",
      "model",
      "prompt_cache_key",
      "stream",
      "thinking",
    ]);
  });

  it("names the output limit as Kimi does", () => {
    const facts = { maxTokens: 20_000 };
    expect(chat({ max_tokens: 20_000 }, facts)).toMatchObject({ max_completion_tokens: 20_000 });
    expect(chat({ max_tokens: 20_000 }, facts)).not.toHaveProperty("max_tokens");
  });

  it("keeps the reasoning of every answer, an empty one where it had none", () => {
    const sent = chat({
      messages: [
        { role: "assistant", content: "a", reasoning_content: "because" },
        { role: "assistant", content: "b" },
        { role: "assistant", content: "c", reasoning_content: null },
      ],
    });
    expect(sent.messages).toEqual([
      { role: "assistant", content: "a", reasoning_content: "because" },
      { role: "assistant", content: "b", reasoning_content: "" },
      { role: "assistant", content: "c", reasoning_content: "" },
    ]);
  });

  it("adds no reasoning where thinking is off", () => {
    const sent = chat(
      { messages: [{ role: "assistant", content: "a" }] },
      { row: toggle, level: "off" },
    );
    expect(sent.messages).toEqual([{ role: "assistant", content: "a" }]);
  });

  it.each([null, "", [], [{ type: "text", text: "" }], undefined])(
    "omits the content %j beside tool calls",
    (content) => {
      const call = { id: "c1", type: "function", function: { name: "f", arguments: "{}" } };
      const sent = chat({ messages: [{ role: "assistant", content, tool_calls: [call] }] });
      expect(sent.messages).toEqual([
        { role: "assistant", tool_calls: [call], reasoning_content: "" },
      ]);
    },
  );

  it("makes the ids of tool calls safe, on both sides alike", () => {
    const id = `functions.exec:0${"x".repeat(80)}`;
    const sent = chat({
      messages: [
        {
          role: "assistant",
          content: null,
          tool_calls: [{ id, type: "function", function: { name: "f", arguments: "{}" } }],
        },
        { role: "tool", tool_call_id: id, content: "done" },
      ],
    });
    const [call, result] = sent.messages as [
      { tool_calls: [{ id: string }] },
      { tool_call_id: string },
    ];
    expect(call.tool_calls[0].id).toMatch(/^functions_exec_0x+$/);
    expect(call.tool_calls[0].id).toHaveLength(64);
    expect(result.tool_call_id).toBe(call.tool_calls[0].id);
  });

  it("names each tool once", () => {
    const tools = ["first", "other", "second"].map((description, index) => ({
      type: "function",
      function: { name: index === 1 ? "b" : "a", description },
    }));
    expect(chat({ tools }).tools).toMatchObject(tools.slice(0, 2));
  });

  it("keeps calls apart whose ids differ in what is cut or changed", () => {
    const ids = ["a.b", "a:b", `${"x".repeat(80)}:0`, `${"x".repeat(80)}:1`];
    const sent = chat({
      messages: [
        { role: "assistant", tool_calls: ids.map((id) => ({ id, function: { name: "f" } })) },
        ...ids.map((id) => ({ role: "tool", tool_call_id: id, content: id })),
      ],
    });
    const [calls, ...results] = sent.messages as [
      { tool_calls: { id: string }[] },
      ...{ tool_call_id: string }[],
    ];
    const wire = calls.tool_calls.map(({ id }) => id);
    expect(new Set(wire).size).toBe(ids.length);
    expect(results.map(({ tool_call_id }) => tool_call_id)).toEqual(wire);
  });

  it.each([
    ["what is left of the context, where nobody wants less", undefined, 100_000, 948_576],
    ["what is left, where the host names the whole context", 1_048_576, 100_000, 948_576],
    ["some room in a context that is nearly full", undefined, 1_048_000, 16_000],
    ["what the caller wants", 20_000, 0, 20_000],
    ["room for the thinking before a short answer", 8, 0, 16_000],
  ])("limits the answer to %s", (_what, maxTokens, usedTokens, limit) => {
    expect(chat({}, { maxTokens, usedTokens }).max_completion_tokens).toBe(limit);
    expect(messages({}, { maxTokens, usedTokens }).max_tokens).toBe(limit);
  });

  it("keeps a short limit where the model does not think", () => {
    const facts = { row: toggle, level: "off", maxTokens: 8 };
    expect(chat({}, facts).max_completion_tokens).toBe(8);
  });

  it("sends no developer role and no empty text", () => {
    const sent = chat({
      messages: [
        { role: "developer", content: "be brief" },
        {
          role: "user",
          content: [
            { type: "text", text: "" },
            { type: "text", text: "hi" },
          ],
        },
      ],
    });
    expect(sent.messages).toEqual([
      { role: "system", content: "be brief" },
      { role: "user", content: [{ type: "text", text: "hi" }] },
    ]);
  });

  it("leaves a forced call to the model where it would rule out thinking", () => {
    const forced = { type: "function", function: { name: "f" } };
    const choices = [forced, "required", "auto", "none"];
    const always = { row: staticModel("kimi-for-coding") };
    expect(choices.map((tool_choice) => chat({ tool_choice }, always).tool_choice)).toEqual([
      "auto",
      "auto",
      "auto",
      "none",
    ]);
    // K3 takes both.
    expect(choices.map((tool_choice) => chat({ tool_choice }).tool_choice)).toEqual(choices);
  });

  it("does without thinking for a call of one tool, where thinking can be off", () => {
    const forced = { type: "function", function: { name: "f" } };
    expect(chat({ tool_choice: forced }, { row: toggle })).toMatchObject({
      tool_choice: forced,
      thinking: { type: "disabled" },
    });
    expect(chat({ tool_choice: "required" }, { row: toggle })).toMatchObject({
      tool_choice: "auto",
      thinking: { type: "enabled" },
    });
  });

  it("changes nothing of the body that it was given", () => {
    const given = { messages: [{ role: "developer", content: "x" }], temperature: 1 };
    const before = structuredClone(given);
    chat(given);
    expect(given).toEqual(before);
  });

  it("passes on what is no body", () => {
    expect(
      kimiBody("openai-completions", "text", {
        row: toggle,
        level: undefined,
        sessionId: undefined,
        maxTokens: undefined,
        usedTokens: 0,
        schemas: new Map(),
      }),
    ).toBe("text");
  });
});

describe("an Anthropic message", () => {
  it("asks for thinking without a budget, for an effort, and to keep earlier thinking", () => {
    expect(
      messages({
        max_tokens: 48_384,
        thinking: { type: "enabled", budget_tokens: 1024 },
        temperature: 1,
      }),
    ).toEqual({
      max_tokens: 1_048_576,
      metadata: { user_id: "session-1" },
      thinking: { type: "enabled" },
      output_config: { effort: "high" },
      context_management: { edits: [{ type: "clear_thinking_20251015", keep: "all" }] },
    });
  });

  it("asks for no thinking where it is off", () => {
    expect(
      messages({ max_tokens: 1 }, { row: toggle, level: "off", sessionId: undefined }),
    ).toEqual({
      max_tokens: 262_144,
      thinking: { type: "disabled" },
    });
  });

  it("keeps a smaller limit that the caller asked for", () => {
    expect(messages({ max_tokens: 9_000 }, { maxTokens: 20_000 }).max_tokens).toBe(20_000);
  });

  it("makes the ids of tool calls safe, on both sides alike", () => {
    const sent = messages({
      messages: [
        { role: "assistant", content: [{ type: "tool_use", id: "a.b:1", name: "f", input: {} }] },
        {
          role: "user",
          content: [
            { type: "tool_result", tool_use_id: "a.b:1", content: "x" },
            { type: "text", text: "" },
          ],
        },
        { role: "user", content: "plain" },
      ],
    });
    expect(sent.messages).toEqual([
      {
        role: "assistant",
        content: [
          // No thought was kept.
          { type: "thinking", thinking: ".", signature: "" },
          { type: "tool_use", id: "a_b_1", name: "f", input: {} },
        ],
      },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "a_b_1", content: "x" }] },
      { role: "user", content: "plain" },
    ]);
  });

  it("leaves a forced call to the model where it would rule out thinking", () => {
    const tool_choice = { type: "tool", name: "f" };
    const always = { row: staticModel("kimi-for-coding") };
    expect(messages({ tool_choice }, always).tool_choice).toEqual({ type: "auto" });
    expect(messages({ tool_choice: { type: "none" } }, always).tool_choice).toEqual({
      type: "none",
    });
    expect(messages({ tool_choice }).tool_choice).toEqual(tool_choice);
  });
});

describe("an OpenAI response", () => {
  it("asks for an effort with its summary, and stores nothing", () => {
    expect(
      body("openai-responses", {
        input: [{ role: "developer", content: "x" }],
        reasoning: { effort: "medium" },
        store: true,
      }),
    ).toEqual({
      store: false,
      input: [{ role: "system", content: "x" }],
      max_output_tokens: 1_048_576,
      prompt_cache_key: "session-1",
      reasoning: { effort: "high", summary: "auto" },
      include: ["reasoning.encrypted_content"],
    });
  });

  it("asks for no effort where the model has none", () => {
    expect(
      body("openai-responses", { prompt_cache_key: "k" }, { row: staticModel("kimi-for-coding") }),
    ).toEqual({
      store: false,
      max_output_tokens: 262_144,
      prompt_cache_key: "k",
    });
  });
});
