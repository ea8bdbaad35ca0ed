/** Conversations that change the model, the protocol or the provider in the middle. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { AgentRuns } from "../kit/openclaw/agent-run.ts";
import type { Answer, Context, HostMessage } from "../kit/openclaw/transports.ts";
import { defaultModels } from "../kit/standin/accounts.ts";
import type { ModelRow } from "../kit/standin/accounts.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";

const THOUGHT = "a thought that stays silent";
const NONE = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, total: 0 };
const USAGE = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, totalTokens: 0, cost: NONE };
const TOOL = {
  name: "look",
  description: "Looks.",
  parameters: { type: "object", properties: { at: { type: "string" } } },
} as unknown as NonNullable<Context["tools"]>[number];

/** One model for each way of speaking, one of them with thinking that can be off. */
const MODELS = ["k3", "on-messages", "toggle-messages", "on-responses", "kimi-for-coding"] as const;

function models(): ModelRow[] {
  const [toggle, , k3] = defaultModels();
  if (toggle === undefined || k3 === undefined) {
    throw new Error("the stand-in has no models");
  }
  return [
    ...defaultModels(),
    { ...k3, id: "on-messages", protocol: "anthropic" },
    { ...toggle, id: "toggle-messages", protocol: "anthropic" },
    { ...k3, id: "on-responses", protocol: "response" },
  ];
}

function user(text: string): HostMessage {
  return { role: "user", content: text, timestamp: 1 };
}

function result(id: string): HostMessage {
  return {
    role: "toolResult",
    toolCallId: id,
    toolName: "look",
    content: [{ type: "text", text: "seen" }],
    isError: false,
    timestamp: 1,
  };
}

/** A turn of another model: a thought, a word and a tool call. */
function turn(origin: Partial<Answer>, id: string, signature?: string): HostMessage[] {
  const thinking = { type: "thinking" as const, thinking: THOUGHT };
  return [
    user("look"),
    {
      role: "assistant",
      api: "openai-responses",
      provider: "other",
      model: "other-1",
      usage: USAGE,
      stopReason: "toolUse",
      timestamp: 1,
      ...origin,
      content: [
        ...(signature === undefined ? [] : [{ ...thinking, thinkingSignature: signature }]),
        { type: "text", text: "I look." },
        { type: "toolCall", id, name: "look", arguments: { at: "here" } },
      ],
    },
    result(id),
  ];
}

const CLAUDE = {
  provider: "anthropic",
  api: "anthropic-messages",
  model: "claude-opus-5",
} as const;

const BEGINNINGS: readonly (readonly [string, HostMessage[]])[] = [
  ["OpenAI", turn({}, "call_1|fc_1", JSON.stringify({ type: "reasoning", id: "rs_1" }))],
  ["Claude", turn(CLAUDE, "toolu_1", "signed")],
  [
    "a chat model of another provider",
    turn({ api: "openai-completions" }, "functions.look:0", "reasoning_content"),
  ],
  ["a model that did not think", turn({ api: "openai-completions" }, "call_1")],
  [
    "a Kimi model without thinking",
    turn({ provider: "kimi-code", api: "openai-completions", model: "kimi-for-coding" }, "look:0"),
  ],
  [
    "a Kimi model without thinking, on messages",
    turn({ provider: "kimi-code", api: "anthropic-messages", model: "toggle-messages" }, "look:0"),
  ],
];

let standIn: StandIn;
let runs: AgentRuns;

// One installation for all: a conversation leaves nothing behind but its requests.
beforeAll(async () => {
  standIn = await startStandIn();
  standIn.account().models = models();
  runs = await AgentRuns.create();
  await runs.signIn(standIn);
});

beforeEach(() => {
  standIn.clear();
  standIn.violations.splice(0);
});

afterAll(async () => {
  await runs[Symbol.asyncDispose]();
  await standIn.close();
});

/** The visible texts of the assistant in the last request, on any protocol. */
function spoken(): string {
  const body = (standIn.requests.at(-1)?.json ?? {}) as Record<string, unknown[] | undefined>;
  const texts: string[] = [];
  const collect = (value: unknown): void => {
    if (Array.isArray(value)) {
      value.forEach(collect);
    } else if (typeof value === "object" && value !== null) {
      const { content, text, type } = value as Record<string, unknown>;
      texts.push(...[content, text].filter((part) => typeof part === "string"));
      if (type !== "thinking" && type !== "reasoning") {
        collect(content);
      }
    }
  };
  collect(
    (body.messages ?? body.input ?? []).filter(
      (entry) => (entry as { role?: string }).role === "assistant",
    ),
  );
  return texts.join("\n");
}

async function goOn(messages: HostMessage[], modelId: string, level?: string): Promise<Answer> {
  return await runs.call(
    { messages, tools: [TOOL] },
    { modelId, ...(level === undefined ? {} : { level }) },
  );
}

describe("a conversation that began with", () => {
  describe.each(BEGINNINGS)("%s", (_what, beginning) => {
    it.each(MODELS)("goes on with %s", async (modelId) => {
      const answer = await goOn([...beginning, user("and now?")], modelId);
      expect(answer.errorMessage).toBeUndefined();
      expect(answer.content).toContainEqual(
        expect.objectContaining({ type: "text", text: "pong" }),
      );
      expect(standIn.violations).toEqual([]);
      expect(spoken()).toContain("I look.");
      expect(spoken()).not.toContain(THOUGHT);
    });
  });
});

describe("a conversation that changes between Kimi's models", () => {
  const pairs = MODELS.flatMap((from) => MODELS.map((to) => [from, to] as const));

  it.each(pairs)("goes on from %s to %s, tool calls and thoughts included", async (from, to) => {
    const reasoning = THOUGHT;
    standIn.script([
      { reasoning, toolCalls: [{ name: "look", arguments: { at: "a" }, id: "functions.look:0" }] },
      {
        reasoning,
        text: "two",
        toolCalls: [
          { name: "look", arguments: { at: "b" }, id: "functions.look:1" },
          { name: "look", arguments: { at: "c" }, id: "functions.look:2" },
        ],
      },
    ]);
    const messages: HostMessage[] = [user("look around")];
    for (let calls = 0; calls < 2; calls += 1) {
      const answer = await goOn(messages, from, "high");
      expect(answer.stopReason).toBe("toolUse");
      const ids = answer.content.flatMap((part) => (part.type === "toolCall" ? [part.id] : []));
      messages.push(answer, ...ids.map(result));
    }
    const answer = await goOn([...messages, user("and now?")], to, "high");
    expect(answer.errorMessage).toBeUndefined();
    expect(standIn.violations).toEqual([]);
    expect(spoken()).not.toContain(THOUGHT);
    const keepsThoughts = to !== "on-responses" || from === to;
    expect(standIn.requests.at(-1)?.body.includes(THOUGHT)).toBe(keepsThoughts);
  });
});

describe("thinking that is turned on", () => {
  it.each(["kimi-for-coding", "toggle-messages"])(
    "goes on with calls made without: %s",
    async (modelId) => {
      standIn.script([{ toolCalls: [{ name: "look", arguments: {}, id: "look:0" }] }]);
      const first = await goOn([user("look")], modelId, "off");
      const id =
        first.content.flatMap((part) => (part.type === "toolCall" ? [part.id] : []))[0] ?? "";
      const answer = await goOn([user("look"), first, result(id)], modelId, "high");
      expect(answer.errorMessage).toBeUndefined();
      expect(standIn.violations).toEqual([]);
    },
  );
});
