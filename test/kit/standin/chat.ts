/** OpenAI chat completions, with Kimi's `thinking` and `reasoning_content`. */
import { z } from "zod";
import {
  DEVELOPER_ROLE,
  EMPTY_TEXT,
  SERVER_ERROR,
  badRequest,
  reasoningMissing,
} from "./bodies.ts";
import type { Answer } from "./bodies.ts";
import { jsonReply, pieces, sse, streamReply } from "./http.ts";
import type { Reply } from "./http.ts";
import { inference } from "./inference.ts";
import type { Call } from "./inference.ts";
import { callFault, forcedChoiceFault } from "./rules.ts";
import type { FullTurn } from "./script.ts";
import type { JsonObject } from "./types.ts";
import { checkTools } from "./tools.ts";
import { violation } from "./world.ts";

const message = z.looseObject({
  role: z.string(),
  content: z
    .union([
      z.string(),
      z.array(z.looseObject({ type: z.string(), text: z.string().optional() })),
      z.null(),
    ])
    .optional(),
  reasoning_content: z.string().nullable().optional(),
  tool_calls: z
    .array(
      z.looseObject({
        id: z.string(),
        function: z.looseObject({ name: z.string(), arguments: z.string() }),
      }),
    )
    .nullable()
    .optional(),
  tool_call_id: z.string().optional(),
});

const chatBody = z.looseObject({
  model: z.string(),
  messages: z.array(message).min(1),
  stream: z.boolean().nullable().optional(),
  stream_options: z.looseObject({ include_usage: z.boolean().optional() }).nullable().optional(),
  max_completion_tokens: z.int().positive().nullable().optional(),
  max_tokens: z.int().positive().nullable().optional(),
  tool_choice: z.unknown().optional(),
  thinking: z
    .strictObject({
      type: z.enum(["enabled", "disabled"]),
      effort: z.string().optional(),
      keep: z.literal("all").optional(),
    })
    .optional(),
  tools: z
    .array(
      z.looseObject({
        type: z.string(),
        function: z.looseObject({ name: z.string(), parameters: z.unknown().optional() }),
      }),
    )
    .optional(),
});

type ChatBody = z.infer<typeof chatBody>;
type Message = z.infer<typeof message>;

const ROLES = new Set(["system", "user", "assistant", "tool"]);

/** A model that only thinks does so whatever the request says. */
function thinks(call: Call<ChatBody>): boolean {
  return call.model.supports_thinking_type === "only" || call.body.thinking?.type === "enabled";
}

function hasEmptyText(entry: Message): boolean {
  if (Array.isArray(entry.content)) {
    return entry.content.some((part) => part.type === "text" && (part.text ?? "") === "");
  }
  // A tool may well have nothing to say; what the API refuses is an empty part of a person's or the model's text.
  const hasCalls = entry.role === "assistant" && (entry.tool_calls?.length ?? 0) > 0;
  return entry.content === "" && (entry.role === "user" || hasCalls);
}

function checkMessage(entry: Message, index: number, thinking: boolean): Answer | undefined {
  if (!ROLES.has(entry.role)) {
    return DEVELOPER_ROLE;
  }
  if (hasEmptyText(entry)) {
    return EMPTY_TEXT;
  }
  const lost = (entry.tool_calls?.length ?? 0) > 0 && typeof entry.reasoning_content !== "string";
  return thinking && entry.role === "assistant" && lost ? reasoningMissing(index) : undefined;
}

/** Whether the live API refuses an effort that it does not list is unknown; a client has no reason to send one. */
function checkEffort(call: Call<ChatBody>): Answer | undefined {
  const effort = call.body.thinking?.effort;
  const efforts = call.model.think_efforts;
  const known =
    effort === undefined || (efforts?.support === true && efforts.valid_efforts.includes(effort));
  return known ? undefined : badRequest(`Invalid request: unsupported thinking effort ${effort}`);
}

function checkChoice(call: Call<ChatBody>): Answer | undefined {
  const choice = call.body.tool_choice ?? "auto";
  const free = !thinks(call) || choice === "auto" || choice === "none";
  return free
    ? undefined
    : forcedChoiceFault(choice === "required" ? "required" : "specified", call.model.id);
}

/** MoonshotAI/kimi-cli#1395 (2026-03-10), on the coding plan: a model that takes no video. */
function checkVideo({ body, model }: Call<ChatBody>): Answer | undefined {
  const at = body.messages.findIndex(
    ({ content }) => Array.isArray(content) && content.some(({ type }) => type === "video_url"),
  );
  return at < 0 || model.supports_video_in
    ? undefined
    : badRequest(
        `the message at position ${at} with role '${body.messages[at]?.role ?? ""}' contains an invalid part type: video_url`,
      );
}

function checkCalls({ messages }: ChatBody): Answer | undefined {
  return callFault(
    messages.map((entry) => ({
      calls: (entry.tool_calls ?? []).map(({ id }) => id),
      results: entry.role === "tool" ? [entry.tool_call_id ?? ""] : [],
    })),
  );
}

function check(call: Call<ChatBody>): Answer | undefined {
  const found =
    call.body.messages
      .map((entry, index) => checkMessage(entry, index, thinks(call)))
      .find((bad) => bad !== undefined) ??
    checkVideo(call) ??
    checkCalls(call.body) ??
    checkTools(
      (call.body.tools ?? []).map((tool) => ({
        name: tool.function.name,
        parameters: tool.function.parameters,
      })),
    ) ??
    checkChoice(call) ??
    checkEffort(call);
  if (found !== undefined && typeof found.body === "object") {
    violation(call.world, call.request, JSON.stringify(found.body["error"]));
  }
  return found;
}

function usageOf(turn: FullTurn): JsonObject {
  const { promptTokens, cachedTokens, completionTokens } = turn.usage;
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    // There and nowhere else: platform.kimi.ai/docs/api/chat; earendil-works/pi#8075 and #8119 (2026-08-14).
    cached_tokens: cachedTokens,
  };
}

function toolCalls(turn: FullTurn): JsonObject[] {
  return turn.toolCalls.map((call) => ({
    id: call.id,
    type: "function",
    function: { name: call.name, arguments: call.arguments },
  }));
}

function deltas(turn: FullTurn): JsonObject[] {
  return [
    { role: "assistant", content: "" },
    ...pieces(turn.reasoning).map((text) => ({ reasoning_content: text })),
    ...pieces(turn.text).map((text) => ({ content: text })),
    ...turn.toolCalls.flatMap((call, index) => [
      {
        tool_calls: [
          { index, id: call.id, type: "function", function: { name: call.name, arguments: "" } },
        ],
      },
      ...pieces(call.arguments).map((text) => ({
        tool_calls: [{ index, function: { arguments: text } }],
      })),
    ]),
  ];
}

function stream(call: Call<ChatBody>, turn: FullTurn, base: JsonObject): Reply {
  const inLastChunk = call.body.stream_options?.include_usage === true;
  const chunk = (choices: JsonObject[], more: JsonObject = {}): string =>
    sse({ ...base, object: "chat.completion.chunk", choices, ...more });
  const frames = deltas(turn).map((delta) => chunk([{ index: 0, delta, finish_reason: null }]));
  const usage = usageOf(turn);
  // Without include_usage the counts ride on the choice that finishes.
  frames.push(
    chunk([
      { index: 0, delta: {}, finish_reason: turn.finishReason, ...(!inLastChunk && { usage }) },
    ]),
  );
  if (inLastChunk) {
    frames.push(chunk([], { usage }));
  }
  frames.push(sse("[DONE]"));
  return streamReply(frames, typeof SERVER_ERROR.body === "object" ? sse(SERVER_ERROR.body) : "");
}

function answer(call: Call<ChatBody>, turn: FullTurn): Reply {
  const base = {
    id: `chatcmpl-standin-${turn.serial}`,
    created: Math.floor(call.world.clock.now() / 1000),
    model: call.model.id,
  };
  if (call.body.stream === true) {
    return stream(call, turn, base);
  }
  const reply: JsonObject = { role: "assistant", content: turn.text };
  if (turn.reasoning !== "") {
    reply["reasoning_content"] = turn.reasoning;
  }
  if (turn.toolCalls.length > 0) {
    reply["tool_calls"] = toolCalls(turn);
  }
  const choices = [{ index: 0, message: reply, finish_reason: turn.finishReason }];
  return jsonReply(200, { ...base, object: "chat.completion", choices, usage: usageOf(turn) });
}

/** `POST /chat/completions`. */
export const chat = inference<ChatBody>({
  schema: chatBody,
  check,
  thinking: thinks,
  limit: (body) => body.max_completion_tokens ?? body.max_tokens,
  answer,
  shape: (same) => same,
});
