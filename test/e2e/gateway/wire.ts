import { beforeEach, describe, expect } from "vitest";
import { badRequest, CONTEXT_OVERFLOW } from "../../kit/standin/bodies.ts";
import { type RecordedRequest, type StandIn } from "../../kit/standin/server.ts";
import { type ContentPart, type Gateway } from "../../kit/openclaw/gateway.ts";
import type { Host } from "../../kit/openclaw/host.ts";
import { it } from "../../kit/openclaw/shared-gateway.ts";
import type { JsonObject } from "../../kit/openclaw/layout.ts";
import {
  chatCall,
  chatResult,
  conversation,
  type Message,
  thought,
  TOOL_TURNS,
  toolResult,
  toolUse,
} from "../../kit/conversation.ts";

/** Long enough for a machine that does other things, too. */
const PATIENCE_MS = 120_000;

const CHAT = "kimi-code/kimi-for-coding";
const MESSAGES = "kimi-code/k3-256k";
const RESPONSES = "kimi-code/kimi-responses";
/** Neither thinks nor sees nor uses tools. */
const PLAIN = "kimi-code/kimi-plain";

/** A picture of one pixel. */
const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

/** A GIF of one pixel with a comment of 5.5 MB: OpenClaw makes pictures of many pixels smaller, but not this one. */
function largePicture(comment: string): Buffer {
  const head = "474946383961010001008000000000000000000021fe";
  const image = "2c00000000010001000002024401003b";
  const block = Buffer.concat([Buffer.of(255), Buffer.from(comment.padEnd(255))]);
  return Buffer.concat([
    Buffer.from(head, "hex"),
    ...Array.from({ length: 22_000 }, () => block),
    Buffer.of(0),
    Buffer.from(image, "hex"),
  ]);
}

/** The beginning of an MP4, by which OpenClaw knows it, and nothing to play. */
const VIDEO = Buffer.concat([
  Buffer.from("000000186674797069736f6d0000020069736f6d6d703432", "hex"),
  Buffer.alloc(4_096, 1),
]);

/** What a caller may ask for and Kimi fixes itself. */
const FIXED = {
  temperature: 0.3,
  top_p: 0.5,
  seed: 3,
  frequency_penalty: 0.1,
  presence_penalty: 0.1,
};

/** What is left of a model's context after the host's instructions and tools. */
const ROOM = expect.toSatisfy(
  (limit: number) => limit > 200_000 && limit < 262_144,
  "what is left of 262144 tokens",
) as unknown;

/** A summary with all the sections that the host looks for. */
const SUMMARY = [
  "## Decisions\nThe user wrote five notes.",
  ...["Open TODOs", "Constraints/Rules", "Pending user asks", "Exact identifiers"].map(
    (heading) => `## ${heading}\nNone.`,
  ),
].join("\n\n");

/** A call without tools, as the host makes for a summary. */
function isSummary({ json }: RecordedRequest): boolean {
  return !("tools" in (json as JsonObject));
}

describe("what Kimi gets from a turn", () => {
  let standIn: StandIn;
  let host: Host;
  let gateway: Gateway;

  it.beforeAll(async ({ shared }) => {
    ({ standIn, host, gateway } = shared);
    await shared.reset();
  }, 180_000);

  beforeEach(() => {
    standIn.heal();
    standIn.clear();
    standIn.violations.length = 0;
  });

  /** The model calls since the last `clear`. */
  const calls = (): RecordedRequest[] =>
    standIn.requests.filter(({ route }) => ["chat", "messages", "responses"].includes(route));
  const lastBody = (): JsonObject => calls().at(-1)?.json as JsonObject;

  const turn = async (
    message: string | readonly ContentPart[],
    options: Parameters<Gateway["chat"]>[1] = {},
  ): Promise<string> => {
    const { ok, text } = await gateway.chat(message, options);
    expect({ ok, text, violations: standIn.violations }).toMatchObject({
      ok: true,
      violations: [],
    });
    return text;
  };

  it.each([
    [MESSAGES, "/coding/v1/messages"],
    [CHAT, "/coding/v1/chat/completions"],
    [RESPONSES, "/coding/v1/responses"],
  ])(
    "goes for %s to %s, as the server says",
    async (model, path) => {
      expect(await turn("hi", { model })).toBe("pong");
      expect(calls().map((call) => [call.path, call.status])).toEqual([[path, 200]]);
      expect(lastBody().model).toBe(model.slice("kimi-code/".length));
    },
    PATIENCE_MS,
  );

  it(
    "is a chat completion with nothing that Kimi fixes itself",
    async () => {
      await turn("hi", { model: CHAT, body: FIXED });
      const { messages, tools, prompt_cache_key: cacheKey, ...rest } = lastBody();
      expect(rest).toEqual({
        model: "kimi-for-coding",
        stream: true,
        stream_options: { include_usage: true },
        tool_choice: "auto",
        max_completion_tokens: ROOM,
        thinking: { type: "enabled", effort: "high", keep: "all" },
      });
      expect(new Set((messages as Message[]).map(({ role }) => role))).toEqual(
        new Set(["system", "user"]),
      );
      expect((tools as unknown[]).length).toBeGreaterThan(0);
      expect(cacheKey).toEqual(expect.any(String));
    },
    PATIENCE_MS,
  );

  it(
    "is an Anthropic message with nothing that Kimi fixes itself",
    async () => {
      await turn("hi", { model: MESSAGES, body: FIXED });
      const { messages, system, tools, metadata, ...rest } = lastBody();
      expect(rest).toEqual({
        model: "k3-256k",
        stream: true,
        max_tokens: ROOM,
        thinking: { type: "enabled" },
        output_config: { effort: "high" },
        context_management: { edits: [{ type: "clear_thinking_20251015", keep: "all" }] },
      });
      expect(calls()[0]?.headers["anthropic-beta"]).toBe("context-management-2025-06-27");
      expect(new Set((messages as Message[]).map(({ role }) => role))).toEqual(new Set(["user"]));
      expect([system, tools].map(Array.isArray)).toEqual([true, true]);
      expect(metadata).toEqual({ user_id: expect.any(String) as string });
    },
    PATIENCE_MS,
  );

  it(
    "is an OpenAI response with nothing that Kimi fixes itself",
    async () => {
      await turn("hi", { model: RESPONSES, body: FIXED });
      const { input, instructions, tools, prompt_cache_key: cacheKey, ...rest } = lastBody();
      expect(rest).toEqual({
        model: "kimi-responses",
        stream: true,
        store: false,
        max_output_tokens: ROOM,
        reasoning: { effort: "high", summary: "auto" },
        include: ["reasoning.encrypted_content"],
      });
      expect(new Set((input as Message[]).map(({ role }) => role))).toEqual(new Set(["user"]));
      expect([typeof instructions, Array.isArray(tools), typeof cacheKey]).toEqual([
        "string",
        true,
        "string",
      ]);
    },
    PATIENCE_MS,
  );

  it(
    "asks a model for nothing that it has not: no thinking, no tools, no picture",
    async () => {
      const picture = {
        type: "image_url",
        image_url: { url: `data:image/png;base64,${PIXEL}` },
      } as const;
      standIn.script([
        {
          text: "a pixel, I am told",
          when: ({ json }) => (json as JsonObject).model === "kimi-plain",
        },
      ]);
      expect(await turn([{ type: "text", text: "look" }, picture], { model: PLAIN })).toBe(
        "a pixel, I am told",
      );
      const body = lastBody();
      expect(body.model).toBe("kimi-plain");
      expect(Object.keys(body).filter((name) => /thinking|tool|reasoning/u.test(name))).toEqual([]);
      expect(JSON.stringify(body.messages)).not.toContain(PIXEL);
    },
    PATIENCE_MS,
  );

  it.each([
    ["max_completion_tokens", CHAT],
    ["max_tokens", MESSAGES],
    ["max_output_tokens", RESPONSES],
  ])(
    "names the limit that a caller asked for %s",
    async (name, model) => {
      await turn("hi", { model, body: { max_completion_tokens: 20_777 } });
      expect(lastBody()[name]).toBe(20_777);
    },
    PATIENCE_MS,
  );

  it.each([
    [CHAT, { type: "image_url", image_url: { url: `data:image/png;base64,${PIXEL}` } }],
    [MESSAGES, { type: "image", source: { type: "base64", media_type: "image/png", data: PIXEL } }],
  ])(
    "holds a picture as %s takes it",
    async (model, expected) => {
      const picture = {
        type: "image_url",
        image_url: { url: `data:image/png;base64,${PIXEL}` },
      } as const;
      await turn([{ type: "text", text: "what is it" }, picture], { model });
      expect(conversation(calls()[0])).toEqual([
        { role: "user", content: [{ type: "text", text: "what is it" }, expected] },
      ]);
    },
    PATIENCE_MS,
  );

  it.each([
    [CHAT, (id: string) => ({ type: "image_url", image_url: { url: `ms://${id}`, id } })],
    [MESSAGES, (id: string) => ({ type: "image", source: { type: "url", url: `ms://${id}` } })],
  ])(
    "names a picture by its upload where it does not fit into a request of %s, in each call of a turn",
    async (model, expected) => {
      standIn.script(TOOL_TURNS);
      const url = `data:image/gif;base64,${largePicture(model).toString("base64")}`;
      const parts = [
        { type: "text", text: "what is it" },
        { type: "image_url", image_url: { url } },
      ];
      await turn(parts as readonly ContentPart[], { model });
      const [id = ""] = [...standIn.account().files.keys()].slice(-1);
      const asked = { role: "user", content: [{ type: "text", text: "what is it" }, expected(id)] };
      expect(calls().map((one) => conversation(one)[0])).toEqual([asked, asked, asked]);
      expect(standIn.count("files")).toBe(1);
    },
    PATIENCE_MS,
  );

  it(
    "tells what is in a video that a user sends, which is uploaded and described first",
    async () => {
      standIn.script([{ text: "a cat asleep", when: ({ body }) => body.includes("video_url") }]);
      await gateway.call("chat.send", {
        sessionKey: "agent:main:video",
        message: "what is it",
        idempotencyKey: "video-1",
        attachments: [
          {
            type: "video",
            mimeType: "video/mp4",
            fileName: "cat.mp4",
            content: VIDEO.toString("base64"),
          },
        ],
      });
      const asked = await standIn.waitFor("chat", {
        filter: ({ body }) => body.includes("a cat asleep"),
      });
      expect(JSON.stringify(conversation(asked))).toContain("what is it");
      const [id = ""] = [...standIn.account().files.keys()].slice(-1);
      expect(standIn.account().files.get(id)).toEqual({ purpose: "video", bytes: VIDEO.length });
      expect(calls().map((one) => one.body.includes(`ms://${id}`))).toEqual([true, false]);
      expect(standIn.violations).toEqual([]);
    },
    PATIENCE_MS,
  );

  it(
    "says that a picture of this turn was refused",
    async () => {
      const answer = badRequest("image exceeds 5 MB maximum");
      standIn.failAlways(
        "chat",
        { kind: "status", ...answer },
        { when: ({ body }) => body.includes(PIXEL) },
      );
      const url = `data:image/png;base64,${PIXEL}`;
      const picture = [{ type: "image_url", image_url: { url } }] as const;
      const refused = await gateway.chat(picture, { model: CHAT });
      expect(refused.text).toMatch(/^Kimi did not take the image that you sent/u);
      expect(standIn.count("chat")).toBe(1);
    },
    PATIENCE_MS,
  );

  it(
    "calls a tool for a call that a model writes as text, which nobody is shown",
    async () => {
      const written =
        '<|tool_calls_section_begin|><|tool_call_begin|>functions.exec:0<|tool_call_argument_begin|>{"command":"echo one"}<|tool_call_end|><|tool_calls_section_end|>';
      standIn.script([
        { reasoning: "a thought", text: `I look. ${written}` },
        { text: "finished" },
      ]);
      const shown = await turn("use a tool", { model: CHAT });
      expect(shown).toMatch(/finished$/u);
      expect(shown).not.toContain("<|");
      expect(conversation(calls().at(-1)).slice(1)).toEqual([
        {
          role: "assistant",
          reasoning_content: "a thought",
          content: "I look.",
          tool_calls: [chatCall("functions_exec_0", "echo one")],
        },
        chatResult("functions_exec_0", "one"),
      ]);
    },
    PATIENCE_MS,
  );

  it.each([
    [CHAT, (body: JsonObject) => body.prompt_cache_key],
    [MESSAGES, (body: JsonObject) => (body.metadata as JsonObject).user_id],
    [RESPONSES, (body: JsonObject) => body.prompt_cache_key],
  ])(
    "names one cache for all turns of a session of %s, and another for the next session",
    async (model, key) => {
      for (const session of ["cache-1", "cache-1", "cache-2"]) {
        await turn("hi", { model, session: `${session}-${model.slice(-4)}` });
      }
      const [first, second, other] = calls().map(({ json }) => key(json as JsonObject));
      expect(first).toMatch(/^[\w:-]{8,128}$/u);
      expect(second).toBe(first);
      expect(other).not.toBe(first);
    },
    PATIENCE_MS,
  );

  it(
    "keeps the reasoning of every answer beside its tool calls, over turns (chat completions)",
    async () => {
      standIn.script(TOOL_TURNS);
      expect(await turn("use tools", { model: CHAT, session: "tools-chat" })).toBe("finished");
      expect(calls()).toHaveLength(3);
      await turn("and now?", { model: CHAT, session: "tools-chat" });
      expect(conversation(calls().at(-1))).toEqual([
        { role: "user", content: "use tools" },
        {
          role: "assistant",
          reasoning_content: "first thought",
          tool_calls: [chatCall("call1", "echo one")],
        },
        chatResult("call1", "one"),
        {
          role: "assistant",
          reasoning_content: "second thought",
          content: "two more",
          tool_calls: [chatCall("call2", "true"), chatCall("functions_exec_3", "echo three")],
        },
        chatResult("call2", "(no output)"),
        chatResult("functions_exec_3", "three"),
        { role: "assistant", reasoning_content: "third thought", content: "finished" },
        { role: "user", content: "and now?" },
      ]);
    },
    PATIENCE_MS,
  );

  it(
    "keeps the reasoning of every answer beside its tool calls, over turns (Anthropic messages)",
    async () => {
      standIn.script(TOOL_TURNS);
      expect(await turn("use tools", { model: MESSAGES, session: "tools-messages" })).toBe(
        "finished",
      );
      expect(calls()).toHaveLength(3);
      await turn("and now?", { model: MESSAGES, session: "tools-messages" });
      expect(conversation(calls().at(-1))).toEqual([
        { role: "user", content: "use tools" },
        { role: "assistant", content: [thought("first thought"), toolUse("call1", "echo one")] },
        { role: "user", content: [toolResult("call1", "one")] },
        {
          role: "assistant",
          content: [
            thought("second thought"),
            { type: "text", text: "two more" },
            toolUse("call2", "true"),
            toolUse("functions_exec_3", "echo three"),
          ],
        },
        {
          role: "user",
          content: [toolResult("call2", "(no output)"), toolResult("functions_exec_3", "three")],
        },
        {
          role: "assistant",
          content: [thought("third thought"), { type: "text", text: "finished" }],
        },
        { role: "user", content: [{ type: "text", text: "and now?" }] },
      ]);
    },
    PATIENCE_MS,
  );

  it(
    "keeps the reasoning of every answer beside its tool calls, over turns (OpenAI responses)",
    async () => {
      standIn.script(TOOL_TURNS);
      expect(await turn("use tools", { model: RESPONSES, session: "tools-responses" })).toBe(
        "finished",
      );
      expect(calls()).toHaveLength(3);
      await turn("and now?", { model: RESPONSES, session: "tools-responses" });
      const items = lastBody().input as JsonObject[];
      const kinds = items.map(({ type, role, output }) =>
        [type, role ?? output]
          .filter((word) => word !== undefined)
          .map(String)
          .join(" "),
      );
      expect(kinds).toEqual([
        "message user",
        "reasoning",
        "function_call",
        "function_call_output one",
        "reasoning",
        "message assistant",
        "function_call",
        "function_call",
        "function_call_output (no output)",
        "function_call_output three",
        "reasoning",
        "message assistant",
        "message user",
        // What the host adds to each turn.
        "message user",
      ]);
      const thoughts = items
        .filter(({ type }) => type === "reasoning")
        .map((item) => item.encrypted_content);
      expect(thoughts).toEqual(
        thoughts.map(() => expect.stringMatching(/^standin-reasoning-\d+$/u) as string),
      );
      expect(new Set(thoughts).size).toBe(3);
      const ids = (kind: string) =>
        items.filter(({ type }) => type === kind).map((item) => item.call_id);
      expect(ids("function_call_output")).toEqual(ids("function_call"));
      expect(new Set(ids("function_call")).size).toBe(3);
    },
    PATIENCE_MS,
  );

  it.each([
    // Kimi names cached tokens of a chat completion where the host's parser does not look.
    [CHAT, { input: 1000, cacheRead: 0 }],
    [MESSAGES, { input: 300, cacheRead: 700 }],
  ])(
    "is counted as far as the host reads what the server counts (%s)",
    async (model, counted) => {
      standIn.script([
        { text: "counted", usage: { promptTokens: 1000, cachedTokens: 700, completionTokens: 30 } },
      ]);
      const { ok, raw } = await gateway.reportedTurn("hi", {
        model,
        session: `usage-${model.slice(-4)}`,
      });
      expect(ok).toBe(true);
      const { result } = raw as { result: { meta: { agentMeta: JsonObject } } };
      expect(result.meta.agentMeta.usage).toMatchObject({
        ...counted,
        output: 30,
        total: 1030,
      });
    },
    PATIENCE_MS,
  );

  it(
    "is made smaller when the server says that it is too long, and the turn goes on",
    async () => {
      const long = "word ".repeat(16_000);
      // The host asks for a summary of none but the turns before the last three that it drops.
      for (const number of [1, 2, 3, 4, 5]) {
        await turn(`note ${String(number)} ${long}`, { session: "agent:main:long" });
      }
      standIn.clear();
      standIn.failNext("chat", { kind: "status", ...CONTEXT_OVERFLOW });
      standIn.script(Array.from({ length: 2 }, () => ({ text: SUMMARY, when: isSummary })));
      expect(await turn("and now?", { session: "agent:main:long" })).toBe("pong");
      const [refused, ...others] = calls();
      // One more where the host takes a part of a turn for itself, which is its own affair.
      const summaries = others.filter(isSummary);
      const [last, ...more] = others.filter((call) => !isSummary(call));
      expect([refused?.status, last?.status, more.length]).toEqual([400, 200, 0]);
      expect(summaries.length).toBeGreaterThan(0);
      for (const summary of summaries) {
        // The summary is a model call like any other.
        expect(summary).toMatchObject({
          status: 200,
          json: { thinking: { type: "enabled", keep: "all" } },
          headers: { authorization: last?.headers.authorization },
        });
      }
      expect(last?.body).toContain("five notes");
      expect(last?.body.length).toBeLessThan((refused?.body.length ?? 0) - 3 * long.length);
    },
    PATIENCE_MS,
  );

  it(
    "that cannot be made smaller ends with what to do, and costs the login nothing",
    async () => {
      standIn.failAlways("chat", { kind: "status", ...CONTEXT_OVERFLOW });
      const { ok, text, raw } = await gateway.reportedTurn("hi", { session: "short" });
      expect(ok).toBe(false);
      expect(text).toMatch(/^Context overflow: .*\/new/u);
      expect(raw).toMatchObject({ result: { meta: { error: { kind: "context_overflow" } } } });
      expect(calls()).toHaveLength(1);
      expect(standIn.tokenRequests()).toEqual([]);
      standIn.heal();
      expect(await turn("hi")).toBe("pong");
      expect(host.readAuthState()["kimi-code:default"]).not.toHaveProperty("cooldownUntil");
    },
    PATIENCE_MS,
  );

  it(
    "asks a Messages model for the effort that the user picks",
    async () => {
      await turn("hi", { session: "effort" });
      const picked = { key: "agent:main:effort", model: MESSAGES, thinkingLevel: "low" };
      expect(await gateway.call("sessions.patch", picked)).toMatchObject({ ok: true });
      await turn("and now?", { session: "effort" });
      expect(lastBody()).toMatchObject({
        thinking: { type: "enabled" },
        output_config: { effort: "low" },
      });
    },
    PATIENCE_MS,
  );
});
