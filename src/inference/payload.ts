/**
 * The last hand on a request's body: what the host's transports cannot know of Kimi.
 *
 * Pure functions from body to body; the body that comes in is not changed.
 */

import { isRecord } from "../json.ts";
import {
  type Body,
  distinctTools,
  isBlank,
  NOT_SENT,
  outputLimit,
  type PayloadFacts,
  toolSchema,
  withoutEmptyTexts,
  withoutMembers,
} from "./body.ts";
import { CallIds } from "./call-ids.ts";
import { anthropicChoice, openAiChoice, reconcileChoice } from "./tool-choice.ts";

/** Stands for a thought that was not kept; Kimi refuses a call of a tool without one. */
const PLACEHOLDER_THOUGHT = { type: "thinking", thinking: ".", signature: "" };

function chatToolCall(call: unknown, ids: CallIds): unknown {
  return isRecord(call) && typeof call.id === "string" ? { ...call, id: ids.call(call.id) } : call;
}

function chatMessage(message: unknown, keepsReasoning: boolean, ids: CallIds): unknown {
  if (!isRecord(message)) {
    return message;
  }
  const { content, ...rest } = message;
  const solid = withoutEmptyTexts(content);
  if (message.role === "assistant") {
    const calls = Array.isArray(message.tool_calls) ? (message.tool_calls as unknown[]) : [];
    const reasoning =
      typeof message.reasoning_content === "string" ? message.reasoning_content : "";
    return {
      ...rest,
      // An empty text beside tool calls is refused, the absence of one is not.
      ...(calls.length > 0 && isBlank(solid) ? {} : { content: isBlank(solid) ? "" : solid }),
      ...(calls.length > 0 ? { tool_calls: calls.map((call) => chatToolCall(call, ids)) } : {}),
      ...(keepsReasoning ? { reasoning_content: reasoning } : {}),
    };
  }
  return {
    ...rest,
    role: message.role === "developer" ? "system" : message.role,
    content: solid,
    ...(typeof message.tool_call_id === "string"
      ? { tool_call_id: ids.result(message.tool_call_id) }
      : {}),
  };
}

function chatTool(tool: unknown, facts: PayloadFacts): unknown {
  if (!isRecord(tool) || !isRecord(tool.function)) {
    return tool;
  }
  const { strict: _strict, parameters, ...rest } = tool.function;
  return {
    ...tool,
    function: { ...rest, parameters: toolSchema(rest.name, parameters, facts) },
  };
}

/** Body of `POST /chat/completions`. */
function chatBody(body: Body, facts: PayloadFacts): Body {
  const { thinking, keepsChoice } = reconcileChoice(facts, openAiChoice(body.tool_choice));
  const ids = new CallIds();
  return {
    ...withoutMembers(body, [...NOT_SENT, ...(keepsChoice ? [] : ["tool_choice"])]),
    max_completion_tokens: outputLimit(facts, thinking?.on === true),
    ...(Array.isArray(body.messages)
      ? {
          messages: body.messages.map((message) =>
            chatMessage(message, thinking?.on === true, ids),
          ),
        }
      : {}),
    ...(Array.isArray(body.tools)
      ? { tools: distinctTools(body.tools).map((tool) => chatTool(tool, facts)) }
      : {}),
    ...(keepsChoice ? {} : { tool_choice: "auto" }),
    ...(thinking === undefined
      ? {}
      : {
          thinking: thinking.on
            ? {
                type: "enabled",
                ...(thinking.effort === undefined ? {} : { effort: thinking.effort }),
                keep: "all",
              }
            : { type: "disabled" },
        }),
  };
}

/** Asks the server to keep all earlier thinking (a beta, see {@link MESSAGES_BETA}). */
const KEEP_THINKING = { edits: [{ type: "clear_thinking_20251015", keep: "all" }] };
/** Value of `anthropic-beta` that goes with {@link KEEP_THINKING}. */
export const MESSAGES_BETA = "context-management-2025-06-27";

function messagesPart(part: unknown, ids: CallIds): unknown {
  return isRecord(part)
    ? {
        ...part,
        ...(part.type === "tool_use" && typeof part.id === "string"
          ? { id: ids.call(part.id) }
          : {}),
        ...(typeof part.tool_use_id === "string"
          ? { tool_use_id: ids.result(part.tool_use_id) }
          : {}),
      }
    : part;
}

function messagesMessage(message: unknown, thinks: boolean, ids: CallIds): unknown {
  if (!isRecord(message)) {
    return message;
  }
  const content = withoutEmptyTexts(message.content);
  if (!Array.isArray(content)) {
    return { ...message, content };
  }
  const parts = content.map((part) => messagesPart(part, ids));
  const has = (type: string): boolean => parts.some((part) => isRecord(part) && part.type === type);
  return {
    ...message,
    content:
      thinks && has("tool_use") && !has("thinking") ? [PLACEHOLDER_THOUGHT, ...parts] : parts,
  };
}

function messagesTool(tool: unknown, facts: PayloadFacts): unknown {
  return isRecord(tool) && "input_schema" in tool
    ? {
        ...withoutMembers(tool, ["eager_input_streaming", "strict"]),
        input_schema: toolSchema(tool.name, tool.input_schema, facts),
      }
    : tool;
}

/** Body of `POST /messages`. */
function messagesBody(body: Body, facts: PayloadFacts): Body {
  const { sessionId } = facts;
  const { thinking, keepsChoice } = reconcileChoice(facts, anthropicChoice(body.tool_choice));
  const thinks = thinking?.on === true;
  const ids = new CallIds();
  const rest = withoutMembers(body, [
    ...NOT_SENT.filter((name) => name !== "max_tokens"),
    "thinking",
    "output_config",
    "context_management",
  ]);
  return {
    ...rest,
    max_tokens: outputLimit(facts, thinks),
    ...(Array.isArray(body.messages)
      ? { messages: body.messages.map((message) => messagesMessage(message, thinks, ids)) }
      : {}),
    ...(Array.isArray(body.tools)
      ? { tools: distinctTools(body.tools).map((tool) => messagesTool(tool, facts)) }
      : {}),
    ...(keepsChoice ? {} : { tool_choice: { type: "auto" } }),
    ...(sessionId === undefined ? {} : { metadata: { user_id: sessionId } }),
    ...(thinking === undefined ? {} : { thinking: { type: thinking.on ? "enabled" : "disabled" } }),
    ...(thinking?.on === true
      ? {
          ...(thinking.effort === undefined ? {} : { output_config: { effort: thinking.effort } }),
          context_management: KEEP_THINKING,
        }
      : {}),
  };
}

function responsesItem(item: unknown, ids: CallIds): unknown {
  if (!isRecord(item)) {
    return item;
  }
  const { type, call_id: id } = item;
  if (typeof id === "string" && (type === "function_call" || type === "function_call_output")) {
    return { ...item, call_id: type === "function_call" ? ids.call(id) : ids.result(id) };
  }
  return item.role === "developer" ? { ...item, role: "system" } : item;
}

function responsesTool(tool: unknown, facts: PayloadFacts): unknown {
  return isRecord(tool) && "parameters" in tool
    ? {
        ...withoutMembers(tool, ["strict"]),
        parameters: toolSchema(tool.name, tool.parameters, facts),
      }
    : tool;
}

/** Body of `POST /responses`. */
function responsesBody(body: Body, facts: PayloadFacts): Body {
  const { sessionId } = facts;
  // This protocol has no word for thinking that is off.
  const { thinking, keepsChoice } = reconcileChoice(facts, openAiChoice(body.tool_choice), false);
  const effort = thinking?.on === true ? thinking.effort : undefined;
  const ids = new CallIds();
  return {
    ...withoutMembers(body, [...NOT_SENT, "reasoning", "include"]),
    max_output_tokens: outputLimit(facts, thinking?.on === true),
    ...(keepsChoice ? {} : { tool_choice: "auto" }),
    store: false,
    ...(Array.isArray(body.input)
      ? { input: body.input.map((item) => responsesItem(item, ids)) }
      : {}),
    ...(Array.isArray(body.tools)
      ? { tools: distinctTools(body.tools).map((tool) => responsesTool(tool, facts)) }
      : {}),
    ...(body.prompt_cache_key === undefined && sessionId !== undefined
      ? { prompt_cache_key: sessionId }
      : {}),
    ...(effort === undefined
      ? {}
      : { reasoning: { effort, summary: "auto" }, include: ["reasoning.encrypted_content"] }),
  };
}

/**
 * A body as Kimi takes it.
 *
 * @param api - the host's transport that made it
 */
export function kimiBody(api: string, body: unknown, facts: PayloadFacts): unknown {
  if (!isRecord(body)) {
    return body;
  }
  switch (api) {
    case "anthropic-messages":
      return messagesBody(body, facts);
    case "openai-responses":
      return responsesBody(body, facts);
    default:
      return chatBody(body, facts);
  }
}
