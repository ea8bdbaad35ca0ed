/** Model calls through the registered provider and the host's transports, as the stand-in gets them. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { STATIC_MODELS } from "../../src/models/models.ts";
import { AgentRuns } from "../kit/openclaw/agent-run.ts";
import type { JsonObject } from "../kit/openclaw/layout.ts";
import type { Answer, Context, HostMessage } from "../kit/openclaw/transports.ts";
import { defaultModels } from "../kit/standin/accounts.ts";
import type { ModelRow } from "../kit/standin/accounts.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import { startOver } from "../kit/start-over.ts";

const HIGHSPEED = "kimi-for-coding-highspeed";
const PROTOCOLS = [null, "anthropic", "response"] as const;

let standIn: StandIn;
let runs: AgentRuns;

beforeAll(async () => {
  runs = await AgentRuns.create();
});

beforeEach(async () => {
  standIn = await startStandIn();
  await startOver(runs, standIn);
});

afterEach(async () => {
  await standIn.close();
});

afterAll(async () => {
  await runs[Symbol.asyncDispose]();
});

/** The default models with a change to some of them. */
function modelsWith(change: Partial<ModelRow>, ids?: readonly string[]): ModelRow[] {
  return defaultModels().map((row) =>
    ids === undefined || ids.includes(row.id) ? { ...row, ...change } : row,
  );
}

function user(text: string): HostMessage {
  return { role: "user", content: text, timestamp: 1 };
}

const PING: Context = { messages: [user("ping")] };

function tool(name: string): NonNullable<Context["tools"]>[number] {
  return { name, description: name, parameters: { type: "object", properties: {} } };
}

/** The body of the last model call. */
function body(): JsonObject {
  return (standIn.requests.at(-1)?.json ?? {}) as JsonObject;
}

function texts({ content }: Answer): string[] {
  return content.flatMap((part) => (part.type === "text" ? [part.text] : []));
}

describe("the first turn after a sign-in", () => {
  it.each([
    ["kimi-for-coding", "high"],
    ["kimi-for-coding", "low"],
    ["k3", "high"],
    ["k3", "max"],
    ["k3", "turbo"],
  ])("thinks as the account does by default: %s, %s", async (modelId, default_effort) => {
    const valid_efforts = ["low", "high", "max", "turbo"];
    standIn.account().models = modelsWith({
      think_efforts: { support: true, valid_efforts, default_effort },
    });
    for (const turn of [1, 2]) {
      await runs.call(PING, { modelId });
      expect([turn, body().thinking]).toEqual([
        turn,
        { type: "enabled", effort: default_effort, keep: "all" },
      ]);
    }
    expect(standIn.violations).toEqual([]);
  });

  it("asks for no effort where the account's list cannot be had", async () => {
    standIn.failAlways("models", { kind: "reset" });
    await runs.call(PING, { modelId: "k3" });
    expect(body().thinking).toEqual({ type: "enabled", keep: "all" });
  });

  it("keeps a level that the user chose", async () => {
    await runs.call(PING, { modelId: "k3", level: "low" });
    expect(body().thinking).toMatchObject({ effort: "low" });
  });
});

describe("two logins", () => {
  const OTHER = "kimi-code:other";

  beforeEach(async () => {
    standIn.account().models = modelsWith({ context_length: 262_144 });
    standIn.createAccount({
      id: "user-2",
      models: modelsWith({ think_efforts: null, context_length: 1_048_576 }),
    });
    await runs.signIn(standIn, OTHER, "user-2");
  });

  it("have each their own window and output limit for k3", async () => {
    const mine = await runs.model("k3");
    const other = await runs.model("k3", OTHER);
    expect([mine.contextWindow, other.contextWindow]).toEqual([262_144, 1_048_576]);
    await runs.call(PING, { modelId: "k3" });
    expect(body().max_completion_tokens).toBeLessThan(262_144);
    await runs.call(PING, { modelId: "k3", profileId: OTHER });
    expect(body().max_completion_tokens).toBeGreaterThan(1_000_000);
  });

  it("are offered the levels of the one that the host holds rows of, whichever was asked last", async () => {
    const mine = await runs.model("k3");
    const other = await runs.model("k3", OTHER);
    expect(runs.levels("k3")).toEqual(["low", "high", "max"]);
    expect(runs.levels("k3", mine)).toEqual(["low", "high", "max"]);
    expect(runs.levels("k3", other)).toEqual(["low"]);
  });

  it("do not lend each other models", async () => {
    standIn.account().models = modelsWith({}).filter(({ id }) => id !== "k3");
    await runs.model("k3", OTHER);
    const { contextWindow } = await runs.model("k3");
    expect(contextWindow).toBe(1_048_576);
    expect(runs.levels("k3")).toEqual(["low", "high", "max", "adaptive"]);
  });

  it("leave nothing behind when they are signed out", async () => {
    await runs.model("k3", OTHER);
    await runs.model("k3");
    await runs.signOut();
    expect(runs.levels("k3")).toContain("adaptive");
    expect(await runs.provider.staticCatalog?.run({} as never)).toMatchObject({
      provider: { models: STATIC_MODELS.map(({ id, contextWindow }) => ({ id, contextWindow })) },
    });
  });
});

describe("a helper call with a small limit", () => {
  it.each(PROTOCOLS)("gets an answer from a model that always thinks (%s)", async (protocol) => {
    standIn.account().models = modelsWith({ protocol });
    const options = { maxTokens: 8, reasoning: undefined };
    for (const modelId of ["k3", HIGHSPEED]) {
      const answer = await runs.call(PING, { modelId, simple: true, options });
      expect(texts(answer)).toEqual(["pong"]);
    }
    expect(standIn.violations).toEqual([]);
  });

  it("stays small where the model need not think", async () => {
    const options = { maxTokens: 8, reasoning: undefined };
    const answer = await runs.call(PING, { modelId: "kimi-for-coding", simple: true, options });
    expect(texts(answer)).toEqual(["pong"]);
    expect(body()).toMatchObject({ max_completion_tokens: 8, thinking: { type: "disabled" } });
  });
});

describe("the output limit of a turn", () => {
  const MEMBERS = {
    chat: "max_completion_tokens",
    anthropic: "max_tokens",
    response: "max_output_tokens",
  };

  it.each(PROTOCOLS)("is what is left of the context (%s)", async (protocol) => {
    standIn.account().models = modelsWith({ protocol, id: "k4", context_length: 500_000 }, ["k3"]);
    const said = "x".repeat(400_000);
    await runs.call({ messages: [user(said)] }, { modelId: "k4", level: "low" });
    const limit = Number(body()[MEMBERS[protocol ?? "chat"]]);
    expect(limit).toBeGreaterThan(300_000);
    expect(limit).toBeLessThanOrEqual(400_000);
    expect(standIn.violations).toEqual([]);
  });
});

describe("the names of tools", () => {
  const LONG = `mcp.${"a_very_long_name_".repeat(5)}`;
  const NAMES = ["21st_component", "a.look", "a:look", "a_look", "ls", `${LONG}1`, `${LONG}2`];

  it.each(PROTOCOLS)("fit for Kimi and come back as the host's own (%s)", async (protocol) => {
    standIn.account().models = modelsWith({ protocol });
    const context: Context = { messages: [user("go")], tools: NAMES.map(tool) };
    await runs.call(context, { modelId: "k3", level: "low" });
    const sent = (body().tools as JsonObject[]).map(
      ({ name, function: fn }) => name ?? (fn as JsonObject).name,
    ) as string[];
    expect(new Set(sent).size).toBe(NAMES.length);
    standIn.script([
      {
        reasoning: "all",
        toolCalls: sent.map((name, index) => ({ name, arguments: {}, id: `c${String(index)}` })),
      },
    ]);
    const answer = await runs.call(context, { modelId: "k3", level: "low" });
    const called = answer.content.flatMap((part) => (part.type === "toolCall" ? [part] : []));
    expect(called.map(({ name }) => name).toSorted()).toEqual(NAMES.toSorted());
    const results = called.map(({ id, name }): HostMessage => ({
      role: "toolResult",
      toolCallId: id,
      toolName: name,
      content: [{ type: "text", text: "done" }],
      isError: false,
      timestamp: 1,
    }));
    const messages = [user("go"), answer, ...results];
    expect(texts(await runs.call({ ...context, messages }, { modelId: "k3" }))).toEqual(["pong"]);
    expect(standIn.violations).toEqual([]);
  });

  it("of a pinned call fit as well", async () => {
    const options = { toolChoice: { type: "function", function: { name: "21st_component" } } };
    const context = { ...PING, tools: [tool("21st_component")] };
    await runs.call(context, { modelId: "kimi-for-coding", level: "high", options });
    expect(body()).toMatchObject({
      tool_choice: { type: "function", function: { name: "t_21st_component" } },
      thinking: { type: "disabled" },
    });
    expect(standIn.violations).toEqual([]);
  });
});

describe("what a model is shown", () => {
  const content = [
    { type: "text", text: "look" },
    { type: "video", mimeType: "video/mp4", data: "AAAA" },
  ];

  it.each([
    ["k3", true],
    ["k3-256k", false],
  ])("includes a video where the account's list says so: %s", async (modelId, isShown) => {
    await runs.call({ messages: [{ role: "user", content, timestamp: 1 } as never] }, { modelId });
    expect(/"url":"ms:\/\/[\w-]+"/u.test(standIn.requests.at(-1)?.body ?? "")).toBe(isShown);
    expect(standIn.count("files")).toBe(isShown ? 1 : 0);
  });
});
