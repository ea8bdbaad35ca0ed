import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { defaultModels } from "../accounts.ts";
import {
  DEVELOPER_ROLE,
  EMPTY_TEXT,
  NO_ACCESS_TO_K3,
  NO_MEMBERSHIP,
  unknownModelLike,
} from "../bodies.ts";
import { postJson } from "../client.ts";
import type { Got } from "../client.ts";
import { startStandIn } from "../server.ts";
import type { StandIn } from "../server.ts";
import type { JsonObject } from "../types.ts";

let standIn: StandIn;
let access: string;

beforeEach(async () => {
  standIn = await startStandIn();
  access = standIn.issueLogin().access_token;
});

afterEach(async () => {
  await standIn.close();
});

const USER = { role: "user", content: "ping" };
const THINKING = { thinking: { type: "enabled", effort: "high", keep: "all" } };
const WITH_CALL = {
  role: "assistant",
  tool_calls: [{ id: "c1", type: "function", function: { name: "look", arguments: "{}" } }],
};

/** The members of a request whose history has this assistant message and the result of its tool call. */
function history(entry: JsonObject): JsonObject {
  return { messages: [USER, entry, { role: "tool", tool_call_id: "c1", content: "" }] };
}

function tool(properties: JsonObject): JsonObject {
  return {
    type: "function",
    function: { name: "look", parameters: { type: "object", properties } },
  };
}

function chat(more: JsonObject = {}): Promise<Got> {
  return postJson(
    standIn,
    "/chat/completions",
    { model: "kimi-for-coding", messages: [USER], ...more },
    access,
  );
}

/** The data of each event, `[DONE]` left as it is. */
function events(got: Got): JsonObject[] {
  expect(got.type).toBe("text/event-stream; charset=utf-8");
  return got.text
    .split("\n\n")
    .filter((block) => block !== "")
    .map((block) => block.replace(/^(?:event: .*\n)?data: /u, ""))
    .map((data) => (data === "[DONE]" ? { done: true } : JSON.parse(data)));
}

/** All values of one member of the deltas, joined. */
function joined(chunks: JsonObject[], member: string): string {
  const pattern = new RegExp(`"${member}":("(?:[^"\\\\]|\\\\.)*")`, "gu");
  const parts = chunks.flatMap((chunk) =>
    Array.from(JSON.stringify(chunk).matchAll(pattern), (match) => match[1] ?? '""'),
  );
  return parts.map((part): unknown => JSON.parse(part)).join("");
}

describe("chat completions", () => {
  it("stream reasoning, text and tool calls, with the counts in the last chunk", async () => {
    standIn.script([
      {
        reasoning: "First I look.",
        text: "Looking…",
        toolCalls: [{ name: "look", arguments: { at: "here" } }],
        usage: { promptTokens: 100, cachedTokens: 60, completionTokens: 9 },
      },
    ]);
    const chunks = events(
      await chat({ stream: true, stream_options: { include_usage: true }, ...THINKING }),
    );
    expect(joined(chunks, "reasoning_content")).toBe("First I look.");
    expect(joined(chunks, "content")).toBe("Looking…");
    expect(joined(chunks, "arguments")).toBe('{"at":"here"}');
    expect(chunks.at(-1)).toEqual({ done: true });
    expect(chunks.at(-2)).toMatchObject({
      object: "chat.completion.chunk",
      choices: [],
      usage: {
        prompt_tokens: 100,
        completion_tokens: 9,
        total_tokens: 109,
        cached_tokens: 60,
      },
    });
    expect(chunks.at(-2)).not.toHaveProperty("usage.prompt_tokens_details");
    expect(chunks.at(-3)).toMatchObject({
      choices: [{ index: 0, delta: {}, finish_reason: "tool_calls" }],
    });
    expect(standIn.violations).toEqual([]);
  });

  it("carry the counts on the finishing choice when the request did not ask for a chunk of them", async () => {
    const chunks = events(await chat({ stream: true }));
    expect(chunks.at(-2)).toMatchObject({
      choices: [{ finish_reason: "stop", usage: { prompt_tokens: 21 } }],
    });
  });

  it("come as one JSON object without stream", async () => {
    standIn.script([{ text: "whole", reasoning: "why", finishReason: "length" }]);
    expect((await chat()).json).toMatchObject({
      object: "chat.completion",
      model: "kimi-for-coding",
      choices: [
        {
          message: { role: "assistant", content: "whole", reasoning_content: "why" },
          finish_reason: "length",
        },
      ],
      usage: { total_tokens: 26 },
    });
  });

  it("take the scripted turns in order, each by the first request that fits, and say pong after them", async () => {
    standIn.script([
      { text: "for k3", when: ({ body }) => body.includes('"k3"') },
      { text: "one" },
    ]);
    const texts = [await chat(), await chat({ model: "k3" }), await chat()].map((got) =>
      joined([got.json], "content"),
    );
    expect(texts).toEqual(["one", "for k3", "pong"]);
  });

  it("think only when asked to, or when the model cannot do otherwise", async () => {
    expect((await chat({ thinking: { type: "disabled" } })).text).not.toContain(
      "reasoning_content",
    );
    expect((await chat(THINKING)).text).toContain("reasoning_content");
    expect((await chat({ model: "k3", thinking: { type: "disabled" } })).text).toContain(
      "reasoning_content",
    );
  });
});

describe("message rules", () => {
  it.each([
    [
      "a developer role",
      { messages: [{ role: "developer", content: "x" }, USER] },
      DEVELOPER_ROLE.body,
    ],
    [
      "an empty text part",
      { messages: [{ role: "user", content: [{ type: "text", text: "" }] }] },
      EMPTY_TEXT.body,
    ],
    [
      "empty content beside a tool call",
      { messages: [USER, { ...WITH_CALL, content: "" }] },
      EMPTY_TEXT.body,
    ],
  ])("refuse %s and note it", async (_what, more, body) => {
    expect(await chat(more)).toMatchObject({ status: 400, json: body });
    expect(standIn.violations).toHaveLength(1);
  });

  it("refuse a tool call that lost its reasoning while thinking is on, but take empty reasoning", async () => {
    const lost = await chat({ ...history(WITH_CALL), ...THINKING });
    expect(lost).toMatchObject({
      status: 400,
      text: expect.stringContaining("reasoning_content is missing"),
    });
    expect(standIn.violations).toEqual([expect.stringContaining("at index 1")]);
    expect(
      await chat({ ...history({ ...WITH_CALL, reasoning_content: "" }), ...THINKING }),
    ).toMatchObject({ status: 200 });
    expect(await chat(history(WITH_CALL))).toMatchObject({ status: 200 });
    expect(await chat({ ...history(WITH_CALL), model: "k3" })).toMatchObject({ status: 400 });
  });

  it.each([
    [
      "parameters that the vendor's validator refuses",
      [tool({ at: { type: "object", properties: { x: { enum: ["a"] } } } })],
      "<At path 'properties.at.properties.x': type is not defined>",
    ],
    [
      "parameters that are no object",
      [{ type: "function", function: { name: "look", parameters: {} } }],
      "type is required and must be",
    ],
    ["one name twice", [tool({}), tool({})], "duplicated"],
    [
      "a name that starts with a digit",
      [{ type: "function", function: { name: "21st_look" } }],
      "must start with a letter",
    ],
  ])("refuse tools with %s", async (_what, tools, words) => {
    expect(await chat({ tools })).toMatchObject({
      status: 400,
      text: expect.stringContaining(words),
    });
  });

  it("take a tool without parameters, and a property without a type", async () => {
    const bare = { type: "function", function: { name: "look" } };
    expect(await chat({ tools: [bare] })).toMatchObject({ status: 200 });
    expect(await chat({ tools: [tool({ at: { description: "x" } })] })).toMatchObject({
      status: 200,
    });
  });

  it("refuse an effort that the model does not list, and a thinking member that is not known", async () => {
    expect(await chat({ thinking: { type: "enabled", effort: "medium" } })).toMatchObject({
      status: 400,
    });
    expect(await chat({ thinking: { type: "enabled", budget: 1 } })).toMatchObject({ status: 400 });
    expect(standIn.violations).toHaveLength(2);
  });

  it("refuse a request above two megabytes", async () => {
    const got = await chat({ messages: [{ role: "user", content: "x".repeat(2_097_152) }] });
    expect(got).toMatchObject({
      status: 400,
      text: expect.stringContaining("exceeds limit 2097152"),
    });
  });
});

describe("access to a model", () => {
  it("is refused with 401 for a model outside the plan, and for an id that only resembles one", async () => {
    standIn.account().models = defaultModels().filter((row) => row.id !== "k3");
    expect(await chat({ model: "k3" })).toMatchObject({ status: 401, json: NO_ACCESS_TO_K3.body });
    const like = unknownModelLike("kimi-for-coding[1m]", "kimi-for-coding");
    expect(await chat({ model: "kimi-for-coding[1m]" })).toMatchObject({
      status: 401,
      json: like.body,
    });
  });

  it("is refused with 404 for an unknown model, and with 402 without a membership", async () => {
    expect(await chat({ model: "nothing" })).toMatchObject({ status: 404 });
    standIn.account().membership = "none";
    expect(await chat()).toMatchObject({ status: 402, json: NO_MEMBERSHIP.body });
  });
});

describe("Anthropic messages", () => {
  it("stream thinking, text and tool use as events, at both addresses", async () => {
    const body = { model: "k3", max_tokens: 100, messages: [USER], stream: true };
    standIn.script([
      { reasoning: "hm", text: "well", toolCalls: [{ name: "look", arguments: { at: 1 } }] },
    ]);
    const got = await postJson(standIn, "/messages?beta=true", body, access);
    const list = events(got);
    expect(
      list.map((event) => event["type"]).filter((type) => type !== "content_block_delta"),
    ).toEqual([
      "message_start",
      "content_block_start",
      "content_block_stop",
      "content_block_start",
      "content_block_stop",
      "content_block_start",
      "content_block_stop",
      "message_delta",
      "message_stop",
    ]);
    expect(got.text).toMatch(/^event: message_start\ndata: /u);
    expect(joined(list, "thinking")).toBe("hm");
    expect(joined(list, "text")).toBe("well");
    expect(joined(list, "partial_json")).toBe('{"at":1}');
    expect(list.at(-2)).toMatchObject({
      delta: { stop_reason: "tool_use" },
      usage: { input_tokens: 13, cache_read_input_tokens: 8, output_tokens: 5 },
    });
    expect(events(await postJson(standIn, "/messages", body, access)).at(-1)).toEqual({
      type: "message_stop",
    });
  });

  it("come as one JSON object without stream, and their errors in their own shape", async () => {
    const body = { model: "kimi-for-coding", max_tokens: 100, messages: [USER] };
    expect((await postJson(standIn, "/messages", body, access)).json).toMatchObject({
      type: "message",
      content: [{ type: "text", text: "pong" }],
      stop_reason: "end_turn",
    });
    const refused = await postJson(standIn, "/messages", { ...body, model: "nothing" }, access);
    expect(refused).toMatchObject({
      status: 404,
      json: { type: "error", error: { type: "resource_not_found_error" } },
    });
  });
});

describe("responses", () => {
  it("stream from created to completed with numbered events", async () => {
    standIn.script([
      { reasoning: "hm", text: "well", toolCalls: [{ name: "look", arguments: { at: 1 } }] },
    ]);
    const list = events(
      await postJson(standIn, "/responses", { model: "k3", input: "ping", stream: true }, access),
    );
    expect(list[0]).toMatchObject({ type: "response.created", sequence_number: 0 });
    expect(list.at(-1)).toMatchObject({
      type: "response.completed",
      sequence_number: list.length - 1,
      response: {
        status: "completed",
        output: [
          { type: "reasoning" },
          { content: [{ text: "well" }] },
          { type: "function_call", arguments: '{"at":1}' },
        ],
      },
    });
  });

  it("come as one JSON object without stream", async () => {
    const got = await postJson(
      standIn,
      "/responses",
      { model: "kimi-for-coding", input: [USER] },
      access,
    );
    expect(got.json).toMatchObject({
      object: "response",
      status: "completed",
      output: [{ content: [{ text: "pong" }] }],
    });
  });
});
