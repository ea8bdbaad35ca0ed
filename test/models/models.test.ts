import { describe, expect, it } from "vitest";
import { parseModels } from "../../src/models/model-list.ts";
import {
  baseUrlFor,
  modelDefinition,
  type ModelThinking,
  normalizeModelId,
  statedThinking,
  STATIC_MODELS,
  staticModel,
} from "../../src/models/models.ts";
import { defaultModels } from "../kit/standin/accounts.ts";

const API_BASE = "https://api.kimi.com/coding/v1";

function parsed(row: Record<string, unknown>) {
  return parseModels({ data: [{ id: "m", context_length: 262_144, ...row }] })?.[0];
}

describe("the response of GET /models", () => {
  it("is read into rows, as an account with all models gets them", () => {
    expect(parseModels({ object: "list", data: defaultModels() })).toEqual([
      {
        id: "kimi-for-coding",
        name: "Kimi For Coding",
        contextWindow: 262_144,
        protocol: "chat",
        images: true,
        video: true,
        tools: true,
        thinking: { mode: "toggle", efforts: ["low", "high", "max"], defaultEffort: "high" },
      },
      {
        id: "kimi-for-coding-highspeed",
        name: "Kimi For Coding HighSpeed",
        contextWindow: 262_144,
        protocol: "chat",
        images: true,
        video: true,
        tools: true,
        thinking: { mode: "always", efforts: [] },
      },
      {
        id: "k3",
        name: "Kimi K3",
        contextWindow: 1_048_576,
        protocol: "chat",
        images: true,
        video: true,
        tools: true,
        thinking: { mode: "always", efforts: ["low", "high", "max"], defaultEffort: "max" },
      },
      {
        id: "k3-256k",
        name: "Kimi K3-256K",
        contextWindow: 262_144,
        protocol: "chat",
        images: true,
        video: false,
        tools: true,
        thinking: { mode: "always", efforts: ["low", "high", "max"], defaultEffort: "high" },
      },
    ]);
  });

  it.each([
    ["no object", "text"],
    ["no id", { context_length: 1000 }],
    ["an empty id", { id: " ", context_length: 1000 }],
    ["an id with a slash", { id: "a/b", context_length: 1000 }],
    ["an id that breaks a line", { id: "a\nb", context_length: 1000 }],
    ["no context length", { id: "bad" }],
    ["a context length of zero", { id: "bad", context_length: 0 }],
    ["a context length in words", { id: "bad", context_length: "256k" }],
    ["an empty context length", { id: "bad", context_length: " " }],
    ["half a token of context", { id: "bad", context_length: 1000.5 }],
    ["a context length beyond reason", { id: "bad", context_length: 1e12 }],
  ])("loses a row with %s and keeps the others", (_what, bad) => {
    const rows = parseModels({ data: [bad, ...defaultModels().slice(0, 1), bad] });
    expect(rows?.map(({ id }) => id)).toEqual(["kimi-for-coding"]);
  });

  it.each([
    ["262144", 262_144],
    [" 1048576 ", 1_048_576],
    [1_048_576, 1_048_576],
  ])("reads the context length %j", (context_length, tokens) => {
    expect(parsed({ context_length })?.contextWindow).toBe(tokens);
  });

  it("keeps the first of two rows with one id", () => {
    const rows = parseModels({
      data: [
        { id: "m", context_length: 1000, display_name: "first" },
        { id: "m", context_length: 2000, display_name: "second" },
      ],
    });
    expect(rows?.map(({ name }) => name)).toEqual(["first"]);
  });

  it.each([
    ["no list", { data: {} }],
    ["an error", { error: { message: "x" } }],
    ["nothing", undefined],
    ["only rows that cannot be read", { data: [{}, 1, null] }],
  ])("is no list of models when it is %s", (_what, value) => {
    expect(parseModels(value)).toBeUndefined();
  });

  it("may say that the account has no models", () => {
    expect(parseModels({ data: [] })).toEqual([]);
  });

  it.each([
    [{ supports_thinking_type: "only" }, "always"],
    [{ supports_thinking_type: "both" }, "toggle"],
    [{ supports_thinking_type: "no", supports_reasoning: true }, "none"],
    [{ supports_thinking_type: "later", supports_reasoning: true }, "toggle"],
    [{ supports_reasoning: true }, "toggle"],
    [{ supports_reasoning: false }, "none"],
    [{}, "none"],
  ])("with %j means thinking %s", (row, mode) => {
    expect(parsed(row)?.thinking.mode).toBe(mode);
  });

  it.each([
    ["are ignored unless they are supported", { support: false, valid_efforts: ["low"] }, []],
    ["are ignored when support is a word", { support: "true", valid_efforts: ["low"] }, []],
    [
      "lose what is no text",
      { support: true, valid_efforts: ["low", 1, "", null, "max", "low"] },
      ["low", "max"],
    ],
    ["are ignored when they are no list", { support: true, valid_efforts: "low" }, []],
    ["are ignored when they are null", null, []],
  ])("efforts %s", (_what, think_efforts, efforts) => {
    expect(parsed({ supports_thinking_type: "only", think_efforts })?.thinking.efforts).toEqual(
      efforts,
    );
  });

  it("believes a default effort only when it is in the list", () => {
    const defaults = ["max", "high", 3].map(
      (default_effort) =>
        parsed({
          supports_thinking_type: "only",
          think_efforts: { support: true, valid_efforts: ["low", "max"], default_effort },
        })?.thinking.defaultEffort,
    );
    expect(defaults).toEqual(["max", undefined, undefined]);
  });

  it.each([
    ["anthropic", "messages"],
    ["response", "responses"],
    [null, "chat"],
    [undefined, "chat"],
    ["something-new", "chat"],
    [7, "chat"],
  ])("with protocol %j means %s", (protocol, expected) => {
    expect(parsed({ protocol })?.protocol).toBe(expected);
  });

  it("takes a model to use tools unless it says no", () => {
    expect(
      [{}, { supports_tool_use: true }, { supports_tool_use: false }].map(
        (row) => parsed(row)?.tools,
      ),
    ).toEqual([true, true, false]);
  });
});

describe("model ids", () => {
  it.each([
    ["kimi-code", "kimi-for-coding"],
    ["k2p5", "kimi-for-coding"],
    ["K2P5", "kimi-for-coding"],
    ["k3[1m]", "k3"],
    ["kimi-k3", "k3"],
    ["kimi-k3[1m]", "k3"],
    [" k3 ", "k3"],
    ["k3", "k3"],
    ["k3-256k", "k3-256k"],
    ["something-new", "something-new"],
  ])("%j is %s", (old, id) => {
    expect(normalizeModelId(old)).toBe(id);
  });
});

describe("what the host is told of a model", () => {
  it("names the transport and the address of the model's protocol", () => {
    const base = staticModel("k3");
    expect(
      (["chat", "messages", "responses"] as const)
        .map((protocol) => modelDefinition({ ...base, protocol }, API_BASE))
        .map(({ api, baseUrl }) => [api, baseUrl]),
    ).toEqual([
      ["openai-completions", API_BASE],
      ["anthropic-messages", "https://api.kimi.com/coding"],
      ["openai-responses", API_BASE],
    ]);
    expect(baseUrlFor("anthropic-messages", "http://127.0.0.1:1/x")).toBe("http://127.0.0.1:1/x");
  });

  it("forbids the developer role and temperature on every protocol", () => {
    const definitions = (["chat", "messages", "responses"] as const).map((protocol) =>
      modelDefinition({ ...staticModel("k3"), protocol }, API_BASE),
    );
    expect(definitions.map(({ compat }) => compat)).toEqual(
      definitions.map(
        () =>
          expect.objectContaining({
            supportsDeveloperRole: false,
            supportsTemperature: false,
          }) as unknown,
      ),
    );
  });

  it("lets a model write as much as its context holds, also one of a new family", () => {
    const rows = [...STATIC_MODELS, { ...staticModel("k4"), contextWindow: 8_000 }];
    expect(
      rows
        .map((row) => modelDefinition(row, API_BASE))
        .map(({ id, contextWindow, maxTokens }) => [id, contextWindow, maxTokens]),
    ).toEqual([
      ["kimi-for-coding", 262_144, 262_144],
      ["kimi-for-coding-highspeed", 262_144, 262_144],
      ["k3", 1_048_576, 1_048_576],
      ["k3-256k", 262_144, 262_144],
      ["k4", 8_000, 8_000],
    ]);
  });

  it("names what can be shown to a model; a video only where the host's transport can send it", () => {
    const base = { ...staticModel("m"), video: true };
    expect(
      [
        base,
        { ...base, images: false },
        { ...base, video: false },
        { ...base, protocol: "messages" as const },
        { ...base, protocol: "responses" as const },
      ].map((row) => modelDefinition(row, API_BASE).input),
    ).toEqual([
      ["text", "image", "video"],
      ["text", "video"],
      ["text", "image"],
      ["text", "image"],
      ["text", "image"],
    ]);
  });

  it("asks for arrays without invented items, on every protocol", () => {
    expect(
      (["chat", "messages", "responses"] as const).map(
        (protocol) =>
          modelDefinition({ ...staticModel("k3"), protocol }, API_BASE).compat.omitEmptyArrayItems,
      ),
    ).toEqual([true, true, true]);
  });

  it.each<ModelThinking>([
    { mode: "none", efforts: [] },
    { mode: "toggle", efforts: [] },
    { mode: "toggle", efforts: ["low", "turbo"], defaultEffort: "turbo" },
    { mode: "always", efforts: [] },
    { mode: "always", efforts: ["low", "high"] },
    { mode: "always", efforts: ["low", "high"], defaultEffort: "high" },
  ])("carries %j, which the host hands back", (thinking) => {
    const row = { ...staticModel("m"), assumed: undefined, thinking };
    expect(statedThinking(modelDefinition(row, API_BASE))).toEqual(thinking);
  });

  it("says nothing of thinking that the server did not tell", () => {
    expect(statedThinking(modelDefinition(staticModel("k3"), API_BASE))).toBeUndefined();
    expect(statedThinking({ compat: null })).toBeUndefined();
  });

  it("knows a model that nobody has named before with the least that can be assumed", () => {
    expect(staticModel("new")).toMatchObject({
      id: "new",
      protocol: "chat",
      thinking: { mode: "always", efforts: [] },
    });
  });
});
