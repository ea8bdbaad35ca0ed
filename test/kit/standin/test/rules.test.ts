import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RATE_LIMITED } from "../bodies.ts";
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
const ON = { thinking: { type: "enabled" } };
const OFF = { thinking: { type: "disabled" } };

function chat(more: JsonObject = {}): Promise<Got> {
  const body = { model: "kimi-for-coding", messages: [USER], ...OFF, ...more };
  return postJson(standIn, "/chat/completions", body, access);
}

function messages(more: JsonObject = {}): Promise<Got> {
  const body = { model: "kimi-for-coding", max_tokens: 1000, messages: [USER], ...OFF, ...more };
  return postJson(standIn, "/messages", body, access);
}

function responses(more: JsonObject = {}): Promise<Got> {
  return postJson(standIn, "/responses", { model: "k3", input: "ping", ...more }, access);
}

function refusal(text: string): object {
  return { status: 400, text: expect.stringContaining(text) as unknown };
}

function call(id: string): JsonObject {
  return { id, type: "function", function: { name: "look", arguments: "{}" } };
}

function calls(...ids: string[]): JsonObject {
  return { role: "assistant", reasoning_content: "", tool_calls: ids.map(call) };
}

function result(id: string): JsonObject {
  return { role: "tool", tool_call_id: id, content: "" };
}

const TOOL_USE = { type: "tool_use", id: "c1", name: "look", input: {} };
const TOOL_RESULT = {
  role: "user",
  content: [{ type: "tool_result", tool_use_id: "c1", content: "" }],
};

/** A history with this content of the assistant's message. */
function history(...content: JsonObject[]): JsonObject {
  return { messages: [USER, { role: "assistant", content }, TOOL_RESULT] };
}

function named(...names: string[]): JsonObject[] {
  return names.map((name) => ({ name, input_schema: {} }));
}

function functions(...names: string[]): JsonObject[] {
  return names.map((name) => ({ type: "function", function: { name } }));
}

function image(bytes: number): JsonObject {
  return {
    type: "image_url",
    image_url: { url: `data:image/png;base64,${"A".repeat(bytes)}` },
  };
}

describe("a tool_use on the Messages route", () => {
  it.each([
    ["no thinking before it", []],
    ["thinking without a text", [{ type: "thinking", thinking: "", signature: "" }]],
    ["a text before it", [{ type: "text", text: "well" }]],
  ])("is refused with %s while thinking is on", async (_what, before) => {
    const body = history(...before, TOOL_USE);
    const lost = "reasoning_content is missing in assistant tool call message at index 1";
    expect(await messages({ ...body, ...ON })).toMatchObject(refusal(lost));
    expect(await messages({ ...body, model: "k3" })).toMatchObject(refusal(lost));
    expect(await messages(body)).toMatchObject({ status: 200 });
  });

  it.each([{}, { signature: "" }, { signature: "some" }])(
    "is taken with thinking signed %j",
    async (signed) => {
      const body = history({ type: "thinking", thinking: "hm", ...signed }, TOOL_USE);
      expect(await messages({ ...body, ...ON })).toMatchObject({ status: 200 });
    },
  );
});

describe("the names of tools", () => {
  it.each([
    ["21st_component", "function name is invalid"],
    ["_look", "function name is invalid"],
    ["a.b.c", "function name is invalid"],
    ["ls", "function name is invalid"],
    ["x".repeat(65), "function name is invalid"],
  ])("must not be like %s", async (name, text) => {
    expect(await chat({ tools: functions(name) })).toMatchObject(refusal(text));
    expect(await messages({ tools: named(name) })).toMatchObject(refusal(text));
    const tools = [{ type: "function", name }];
    expect(await responses({ tools })).toMatchObject(refusal(text));
  });

  it("must not be the same, on any protocol", async () => {
    const twice = refusal("function name look is duplicated");
    expect(await chat({ tools: functions("look", "look") })).toMatchObject(twice);
    expect(await messages({ tools: named("look", "look") })).toMatchObject(twice);
    const tools = [1, 2].map(() => ({ type: "function", name: "look" }));
    expect(await responses({ tools })).toMatchObject(twice);
  });

  it("may be as long as 64 characters, with dashes and underscores", async () => {
    const tools = functions("look", `a-b_${"x".repeat(60)}`);
    expect(await chat({ tools })).toMatchObject({ status: 200 });
  });
});

describe("tool calls in a history", () => {
  it.each([
    [[calls("c1", "c1"), result("c1")], "tool call id c1 is duplicated"],
    [[calls("c1"), result("c1"), calls("c1"), result("c1")], "tool call id c1 is duplicated"],
    [[calls("x".repeat(65)), result("x".repeat(65))], "tool call id is invalid"],
    [[calls("c1"), result("c2")], "tool_call_id  is not found"],
    [[calls("c1", "c2"), result("c1"), USER], "did not have response messages: c2"],
    [[calls("c1")], "did not have response messages: c1"],
  ])("are refused as %j", async (entries, text) => {
    expect(await chat({ messages: [USER, ...entries] })).toMatchObject(refusal(text));
  });

  it("are taken with each result behind its call, in any order", async () => {
    const entries = [calls("a", "b"), result("b"), result("a"), calls("functions.look:2")];
    const body = { messages: [USER, ...entries, result("functions.look:2")] };
    expect(await chat(body)).toMatchObject({ status: 200 });
  });

  it("are refused without a result on the Messages route too", async () => {
    const [user, assistant] = history(TOOL_USE)["messages"] as JsonObject[];
    expect(await messages({ messages: [user, assistant, USER] })).toMatchObject(
      refusal("did not have response messages: c1"),
    );
  });
});

describe("a forced tool call", () => {
  const tool = { type: "function", function: { name: "look" } };

  it("excludes thinking", async () => {
    const text = "is incompatible with thinking enabled";
    expect(await chat({ ...ON, tool_choice: tool })).toMatchObject(refusal(text));
    expect(await chat({ ...ON, tool_choice: "required" })).toMatchObject(refusal(text));
    expect(await messages({ ...ON, tool_choice: { type: "any" } })).toMatchObject(refusal(text));
    const model = "kimi-for-coding-highspeed";
    expect(await responses({ model, tool_choice: "required" })).toMatchObject(refusal(text));
  });

  it("is taken without thinking, and by K3", async () => {
    expect(await chat({ tool_choice: tool })).toMatchObject({ status: 200 });
    expect(await chat({ model: "k3", tool_choice: tool })).toMatchObject({ status: 200 });
    expect(await chat({ ...ON, tool_choice: "none" })).toMatchObject({ status: 200 });
  });
});

describe("an output limit", () => {
  const MODEL = { model: "kimi-for-coding-highspeed" };

  it("of a helper call is used up by thinking, on each protocol", async () => {
    expect((await chat({ ...MODEL, max_completion_tokens: 8 })).json).toMatchObject({
      choices: [{ finish_reason: "length", message: { content: "" } }],
      usage: { completion_tokens: 8 },
    });
    const got = (await messages({ ...MODEL, max_tokens: 8 })).json;
    expect(got).toMatchObject({ stop_reason: "max_tokens" });
    expect(got["content"]).not.toContainEqual(expect.objectContaining({ type: "text" }));
    expect((await responses({ ...MODEL, max_output_tokens: 8 })).json).toMatchObject({
      status: "incomplete",
      output: [{ type: "reasoning" }],
    });
  });

  it("of the same size is enough without thinking", async () => {
    expect((await chat({ max_completion_tokens: 8 })).json).toMatchObject({
      choices: [{ finish_reason: "stop", message: { content: "pong" } }],
    });
  });

  it("cuts what is longer, and drops a tool call that is not whole", async () => {
    standIn.script([{ text: "x".repeat(400), toolCalls: [{ name: "look", arguments: {} }] }]);
    const { choices } = (await chat({ max_completion_tokens: 50 })).json as {
      choices: { finish_reason: string; message: { content: string; tool_calls?: unknown } }[];
    };
    expect(choices[0]).toMatchObject({ finish_reason: "length" });
    expect(choices[0]?.message.content).toHaveLength(200);
    expect(choices[0]?.message.tool_calls).toBeUndefined();
  });
});

describe("the size of a request", () => {
  it("is counted without images", async () => {
    const content = [{ type: "text", text: "what is it?" }, image(3_000_000)];
    expect(await chat({ messages: [{ role: "user", content }] })).toMatchObject({ status: 200 });
    const source = { type: "base64", media_type: "image/png", data: "A".repeat(3_000_000) };
    const part = { type: "image", source };
    expect(await messages({ messages: [{ role: "user", content: [part] }] })).toMatchObject({
      status: 200,
    });
  });

  it("must fit into the model's context, which the account decides", async () => {
    const body = { messages: [{ role: "user", content: "x".repeat(1_500_000) }] };
    expect(await chat(body)).toMatchObject(refusal("exceeded model token limit: 262144"));
    expect(await chat({ ...body, model: "k3" })).toMatchObject({ status: 200 });
  });
});

describe("throttling", () => {
  it("says when to come back, unless it says so itself", async () => {
    standIn.failNext("chat", { kind: "status", ...RATE_LIMITED });
    expect((await chat()).headers.get("retry-after")).toBe("1");
    standIn.failNext("chat", { kind: "status", ...RATE_LIMITED, headers: { "retry-after": "60" } });
    expect((await chat()).headers.get("retry-after")).toBe("60");
  });

  it("names type and code in the body only", async () => {
    standIn.failNext("chat", { kind: "status", ...RATE_LIMITED });
    const got = await chat();
    expect(got.json).toMatchObject({ error: { type: "rate_limit_reached_error" } });
    expect(JSON.stringify([...got.headers])).not.toContain("rate_limit");
  });
});
