/** Anthropic Messages, as served at `/coding/v1/messages`. */
import { z } from "zod";
import { DEVELOPER_ROLE, EMPTY_TEXT, anthropicShape, reasoningMissing } from "./bodies.ts";
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

const part = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  thinking: z.string().optional(),
  id: z.string().optional(),
  tool_use_id: z.string().optional(),
});

const messagesBody = z.looseObject({
  model: z.string(),
  max_tokens: z.int().positive(),
  messages: z
    .array(
      z.looseObject({
        role: z.string(),
        content: z.union([z.string(), z.array(part)]),
      }),
    )
    .min(1),
  stream: z.boolean().optional(),
  thinking: z.looseObject({ type: z.enum(["enabled", "disabled", "adaptive"]) }).optional(),
  tools: z
    .array(z.looseObject({ name: z.string(), input_schema: z.unknown().optional() }))
    .optional(),
  tool_choice: z.looseObject({ type: z.string() }).optional(),
});

type MessagesBody = z.infer<typeof messagesBody>;
type Entry = MessagesBody["messages"][number];

function thinks(call: Call<MessagesBody>): boolean {
  const asked = call.body.thinking?.type ?? "disabled";
  return call.model.supports_thinking_type === "only" || asked !== "disabled";
}

function partsOf({ content }: Entry): z.infer<typeof part>[] {
  return typeof content === "string" ? [{ type: "text", text: content }] : content;
}

/**
 * A `tool_use` needs a thinking block while thinking is on: Kilo-Org/kilocode#10986, farion1231/cc-switch#3219
 * (2026-05-27), BenedictKing/ccx#213 (2026-06-11), NousResearch/hermes-agent#71691 (2026-07-26), all on
 * `api.kimi.com/coding/v1/messages`. Its signature is not looked at, and may be absent (hermes-agent#66948,
 * 2026-07-19; the Kimi Code CLI keeps unsigned blocks). Whether an empty text will do is not known: it will not here.
 */
function lostReasoning(entry: Entry): boolean {
  const parts = partsOf(entry);
  return (
    entry.role === "assistant" &&
    parts.some(({ type }) => type === "tool_use") &&
    !parts.some(({ type, thinking }) => type === "thinking" && (thinking ?? "") !== "")
  );
}

function checkCalls({ messages: entries }: MessagesBody): Answer | undefined {
  return callFault(
    entries.map((entry) => ({
      calls: partsOf(entry).flatMap(({ type, id }) => (type === "tool_use" ? [id ?? ""] : [])),
      results: partsOf(entry).flatMap(({ type, tool_use_id: id }) =>
        type === "tool_result" ? [id ?? ""] : [],
      ),
    })),
  );
}

function checkChoice(call: Call<MessagesBody>): Answer | undefined {
  const choice = call.body.tool_choice?.type ?? "auto";
  const free = !thinks(call) || choice === "auto" || choice === "none";
  return free
    ? undefined
    : forcedChoiceFault(choice === "any" ? "required" : "specified", call.model.id);
}

function find(call: Call<MessagesBody>): Answer | undefined {
  const { body } = call;
  if (body.messages.some((entry) => entry.role !== "user" && entry.role !== "assistant")) {
    return DEVELOPER_ROLE;
  }
  const parts = body.messages.flatMap(partsOf);
  if (parts.some((entry) => entry.type === "text" && (entry.text ?? "") === "")) {
    return EMPTY_TEXT;
  }
  const lost = thinks(call) ? body.messages.findIndex(lostReasoning) : -1;
  return (
    (lost === -1 ? undefined : reasoningMissing(lost)) ??
    checkCalls(body) ??
    checkTools(
      (body.tools ?? []).map(({ name, input_schema: parameters }) => ({ name, parameters })),
    ) ??
    checkChoice(call)
  );
}

function check(call: Call<MessagesBody>): Answer | undefined {
  const found = find(call);
  if (found !== undefined && typeof found.body === "object") {
    violation(call.world, call.request, JSON.stringify(found.body["error"]));
  }
  return found;
}

const STOP_REASONS = {
  stop: "end_turn",
  tool_calls: "tool_use",
  length: "max_tokens",
  content_filter: "refusal",
} as const;

/** Anthropic counts the cached tokens apart from the others. */
function usageOf(turn: FullTurn): JsonObject {
  return {
    input_tokens: turn.usage.promptTokens - turn.usage.cachedTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: turn.usage.cachedTokens,
    output_tokens: turn.usage.completionTokens,
  };
}

interface Block {
  /** As it opens. */
  start: JsonObject;
  deltas: JsonObject[];
  /** As it is in the end. */
  whole: JsonObject;
}

function toolInput(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function blocks(turn: FullTurn): Block[] {
  const list: Block[] = [];
  if (turn.reasoning !== "") {
    list.push({
      // Kimi does not sign its thinking.
      start: { type: "thinking", thinking: "", signature: "" },
      deltas: pieces(turn.reasoning).map((thinking) => ({ type: "thinking_delta", thinking })),
      whole: { type: "thinking", thinking: turn.reasoning, signature: "" },
    });
  }
  if (turn.text !== "") {
    list.push({
      start: { type: "text", text: "" },
      deltas: pieces(turn.text).map((text) => ({ type: "text_delta", text })),
      whole: { type: "text", text: turn.text },
    });
  }
  for (const call of turn.toolCalls) {
    const head = { type: "tool_use", id: call.id, name: call.name };
    list.push({
      start: { ...head, input: {} },
      deltas: pieces(call.arguments).map((text) => ({
        type: "input_json_delta",
        partial_json: text,
      })),
      whole: { ...head, input: toolInput(call.arguments) },
    });
  }
  return list;
}

function stream(head: JsonObject, turn: FullTurn): Reply {
  const events: { type: string; [member: string]: unknown }[] = [];
  const atStart = { ...usageOf(turn), output_tokens: 0 };
  events.push({
    type: "message_start",
    message: { ...head, content: [], stop_reason: null, stop_sequence: null, usage: atStart },
  });
  for (const [index, block] of blocks(turn).entries()) {
    events.push({ type: "content_block_start", index, content_block: block.start });
    events.push(...block.deltas.map((delta) => ({ type: "content_block_delta", index, delta })));
    events.push({ type: "content_block_stop", index });
  }
  const delta = { stop_reason: STOP_REASONS[turn.finishReason], stop_sequence: null };
  events.push({ type: "message_delta", delta, usage: usageOf(turn) }, { type: "message_stop" });
  const failure = {
    type: "error",
    error: { type: "api_error", message: "The server had an error while processing your request" },
  };
  return streamReply(
    events.map((event) => sse(event, event.type)),
    sse(failure, "error"),
  );
}

function answer(call: Call<MessagesBody>, turn: FullTurn): Reply {
  const head = {
    id: `msg_standin_${turn.serial}`,
    type: "message",
    role: "assistant",
    model: call.model.id,
  };
  if (call.body.stream === true) {
    return stream(head, turn);
  }
  return jsonReply(200, {
    ...head,
    content: blocks(turn).map((block) => block.whole),
    stop_reason: STOP_REASONS[turn.finishReason],
    stop_sequence: null,
    usage: usageOf(turn),
  });
}

/** `POST /messages`, with or without `?beta=true`. */
export const messages = inference<MessagesBody>({
  schema: messagesBody,
  check,
  thinking: thinks,
  limit: (body) => body.max_tokens,
  answer,
  shape: (plain) => anthropicShape(plain),
});
