/** OpenAI Responses, the least that a client of it needs. */
import { z } from "zod";
import { DEVELOPER_ROLE, SERVER_ERROR } from "./bodies.ts";
import type { Answer } from "./bodies.ts";
import { jsonReply, pieces, sse, streamReply } from "./http.ts";
import type { Reply } from "./http.ts";
import { inference } from "./inference.ts";
import type { Call } from "./inference.ts";
import { forcedChoiceFault } from "./rules.ts";
import type { FullTurn } from "./script.ts";
import type { JsonObject } from "./types.ts";
import { checkTools } from "./tools.ts";
import { violation } from "./world.ts";

const responsesBody = z.looseObject({
  model: z.string(),
  input: z.union([z.string(), z.array(z.looseObject({ role: z.string().optional() }))]),
  stream: z.boolean().optional(),
  reasoning: z.looseObject({ effort: z.string().optional() }).optional(),
  include: z.array(z.string()).optional(),
  max_output_tokens: z.int().positive().nullable().optional(),
  tools: z
    .array(
      z.looseObject({
        type: z.string(),
        name: z.string().optional(),
        parameters: z.unknown().optional(),
      }),
    )
    .optional(),
  tool_choice: z.unknown().optional(),
});

type ResponsesBody = z.infer<typeof responsesBody>;

function thinks({ model, body }: Call<ResponsesBody>): boolean {
  return model.supports_thinking_type === "only" || body.reasoning !== undefined;
}

function find(call: Call<ResponsesBody>): Answer | undefined {
  const { body, model } = call;
  const items = typeof body.input === "string" ? [] : body.input;
  if (items.some((item) => item.role === "developer")) {
    return DEVELOPER_ROLE;
  }
  const choice = body.tool_choice ?? "auto";
  const free = !thinks(call) || choice === "auto" || choice === "none";
  return (
    checkTools(
      (body.tools ?? []).flatMap(({ name, parameters }) =>
        name === undefined ? [] : [{ name, parameters }],
      ),
    ) ??
    (free
      ? undefined
      : forcedChoiceFault(choice === "required" ? "required" : "specified", model.id))
  );
}

function check(call: Call<ResponsesBody>): Answer | undefined {
  const found = find(call);
  if (found !== undefined && typeof found.body === "object") {
    violation(call.world, call.request, JSON.stringify(found.body["error"]));
  }
  return found;
}

function usageOf(turn: FullTurn): JsonObject {
  const { promptTokens, cachedTokens, completionTokens } = turn.usage;
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: cachedTokens },
    output_tokens: completionTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: promptTokens + completionTokens,
  };
}

/** One output item with the events that build it up. */
interface Item {
  start: JsonObject;
  whole: JsonObject;
  events: (index: number) => { type: string; [member: string]: unknown }[];
}

/** Reasoning; for a client that asks for it with what the server needs to read it again in a later request. */
function reasoningItem(turn: FullTurn, readable: boolean): Item {
  const id = `rs_standin_${turn.serial}`;
  const part = { type: "summary_text", text: turn.reasoning };
  return {
    start: { id, type: "reasoning", summary: [] },
    whole: {
      id,
      type: "reasoning",
      summary: [part],
      ...(readable && { encrypted_content: `standin-reasoning-${turn.serial}` }),
    },
    events: (index) => {
      const at = { item_id: id, output_index: index, summary_index: 0 };
      return [
        { type: "response.reasoning_summary_part.added", ...at, part: { ...part, text: "" } },
        ...pieces(turn.reasoning).map((delta) => ({
          type: "response.reasoning_summary_text.delta",
          ...at,
          delta,
        })),
        { type: "response.reasoning_summary_text.done", ...at, text: turn.reasoning },
        { type: "response.reasoning_summary_part.done", ...at, part },
      ];
    },
  };
}

function messageItem(turn: FullTurn): Item {
  const id = `msg_standin_${turn.serial}`;
  const head = { id, type: "message", role: "assistant" };
  const part = { type: "output_text", text: turn.text, annotations: [] };
  return {
    start: { ...head, status: "in_progress", content: [] },
    whole: { ...head, status: "completed", content: [part] },
    events: (index) => {
      const at = { item_id: id, output_index: index, content_index: 0 };
      return [
        { type: "response.content_part.added", ...at, part: { ...part, text: "" } },
        ...pieces(turn.text).map((delta) => ({ type: "response.output_text.delta", ...at, delta })),
        { type: "response.output_text.done", ...at, text: turn.text },
        { type: "response.content_part.done", ...at, part },
      ];
    },
  };
}

function callItem(call: FullTurn["toolCalls"][number]): Item {
  const id = `fc_${call.id}`;
  const head = { id, type: "function_call", call_id: call.id, name: call.name };
  return {
    start: { ...head, status: "in_progress", arguments: "" },
    whole: { ...head, status: "completed", arguments: call.arguments },
    events: (index) => {
      const at = { item_id: id, output_index: index };
      return [
        ...pieces(call.arguments).map((delta) => ({
          type: "response.function_call_arguments.delta",
          ...at,
          delta,
        })),
        { type: "response.function_call_arguments.done", ...at, arguments: call.arguments },
      ];
    },
  };
}

function answer(call: Call<ResponsesBody>, turn: FullTurn): Reply {
  const readable = call.body.include?.includes("reasoning.encrypted_content") === true;
  const items = [
    ...(turn.reasoning === "" ? [] : [reasoningItem(turn, readable)]),
    ...(turn.text === "" ? [] : [messageItem(turn)]),
    ...turn.toolCalls.map(callItem),
  ];
  const head = {
    id: `resp_standin_${turn.serial}`,
    object: "response",
    created_at: Math.floor(call.world.clock.now() / 1000),
    model: call.model.id,
    error: null,
  };
  const cut = turn.finishReason === "length" || turn.finishReason === "content_filter";
  const done = {
    ...head,
    status: cut ? "incomplete" : "completed",
    incomplete_details: cut
      ? { reason: turn.finishReason === "length" ? "max_output_tokens" : "content_filter" }
      : null,
    output: items.map((item) => item.whole),
    usage: usageOf(turn),
  };
  if (call.body.stream !== true) {
    return jsonReply(200, done);
  }
  const begun = { ...head, status: "in_progress", output: [] };
  const events = [
    { type: "response.created", response: begun },
    { type: "response.in_progress", response: begun },
    ...items.flatMap((item, index) => [
      { type: "response.output_item.added", output_index: index, item: item.start },
      ...item.events(index),
      { type: "response.output_item.done", output_index: index, item: item.whole },
    ]),
    { type: cut ? "response.incomplete" : "response.completed", response: done },
  ];
  const failure = {
    type: "error",
    code: "server_error",
    message: JSON.stringify(SERVER_ERROR.body),
    param: null,
  };
  return streamReply(
    events.map((event, index) => sse({ ...event, sequence_number: index }, event.type)),
    sse(failure, "error"),
  );
}

/** `POST /responses`. */
export const responses = inference<ResponsesBody>({
  schema: responsesBody,
  check,
  thinking: thinks,
  limit: (body) => body.max_output_tokens,
  answer,
  shape: (same) => same,
});
