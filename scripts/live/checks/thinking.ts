/** Efforts, and what of a model's thoughts must come back to it. */

import { isRecord, listOf } from "../../../src/json.ts";
import type { ModelRow } from "../../../src/models/models.ts";
import {
  chatCall,
  isStream,
  messagesCall,
  thinkingLevel,
  thinkingModel,
  type Tool,
} from "../bodies.ts";
import { type Check, type Live, notChecked, type Seen, verdict } from "../check.ts";
import { type Answer, describe, type LiveRequest } from "../kimi.ts";

const PING: Tool = {
  name: "ping",
  parameters: { type: "object", properties: { word: { type: "string" } } },
};
const QUESTION = { role: "user", content: "Call the tool ping, then tell what it said." };

/** A conversation with one call and its result. */
const CHAT_HISTORY: readonly unknown[] = [
  QUESTION,
  {
    role: "assistant",
    content: null,
    tool_calls: [{ id: "call_1", type: "function", function: { name: "ping", arguments: "{}" } }],
  },
  { role: "tool", tool_call_id: "call_1", content: "pong" },
];
const MESSAGES_HISTORY: readonly unknown[] = [
  QUESTION,
  { role: "assistant", content: [{ type: "tool_use", id: "call_1", name: "ping", input: {} }] },
  { role: "user", content: [{ type: "tool_result", tool_use_id: "call_1", content: "pong" }] },
];

const NO_MODEL = notChecked("the account has no such model");

function taken(answer: Answer): Seen {
  return verdict(isStream(answer), isStream(answer) ? "taken" : describe(answer));
}

/**
 * A refusal that is expected.
 *
 * @param about - words of it: a 400 about something else proves nothing
 */
export function refused(answer: Answer, about: RegExp, statuses: readonly number[] = [400]): Seen {
  if (answer.status < 400) {
    return verdict(false, "taken");
  }
  const isAbout = about.test(answer.message);
  return verdict(
    isAbout && statuses.includes(answer.status),
    isAbout ? describe(answer) : `refused for something else: ${describe(answer)}`,
  );
}

const ABOUT_REASONING = /reasoning|think|thought/i;

/** Asks a model that thinks. */
async function withThought(
  { kimi, rows }: Live,
  make: (row: ModelRow, level: string) => LiveRequest,
  judge: (answer: Answer) => Seen,
  protocol: ModelRow["protocol"] = "chat",
): Promise<Seen> {
  const row = thinkingModel(rows, protocol) ?? thinkingModel(rows, protocol, true);
  return row === undefined ? NO_MODEL : judge(await kimi.ask(make(row, thinkingLevel(row))));
}

function withoutReasoning(body: Readonly<Record<string, unknown>>): unknown {
  const messages = listOf(body.messages).map((message) => {
    if (!isRecord(message)) {
      return message;
    }
    const { reasoning_content: _reasoning, ...rest } = message;
    return Array.isArray(rest.content)
      ? {
          ...rest,
          content: listOf(rest.content).filter(
            (part) => !isRecord(part) || part.type !== "thinking",
          ),
        }
      : rest;
  });
  return { ...body, messages };
}

export const THINKING_CHECKS: readonly Check[] = [
  {
    id: "thinking.efforts",
    fact: "Each effort of a model's row is taken",
    expected: "taken",
    requests: 3,
    calls: 3,
    run: async ({ kimi, rows }) => {
      const row = rows
        .filter(({ protocol, thinking }) => protocol === "chat" && thinking.efforts.length > 0)
        .toSorted(
          (left, right) =>
            Number(left.id !== "kimi-for-coding") - Number(right.id !== "kimi-for-coding"),
        )[0];
      if (row === undefined) {
        return notChecked("no model of the account has efforts");
      }
      const odd: string[] = [];
      const efforts = row.thinking.efforts.slice(0, 5);
      for (const level of efforts) {
        const answer = await kimi.ask(chatCall({ row, level }));
        if (!isStream(answer)) {
          odd.push(`${level}: ${describe(answer)}`);
        }
      }
      return odd.length === 0
        ? verdict(true, `taken: ${efforts.join(", ")} of ${row.id}`)
        : verdict(false, odd.join("; "));
    },
  },
  {
    id: "thinking.unknown-effort",
    fact: "An effort that does not exist is refused",
    expected: "400",
    assumed: true,
    requests: 1,
    calls: 0,
    run: async (live) =>
      await withThought(
        live,
        (row, level) =>
          chatCall({
            row,
            level,
            finish: (body) => ({ ...body, thinking: { type: "enabled", effort: "enormous" } }),
          }),
        (answer) => refused(answer, /effort|thinking/i, [400, 422]),
      ),
  },
  {
    id: "thinking.chat-lost",
    fact: "A call without its reasoning is refused on chat while thinking is on",
    expected: "400",
    requests: 1,
    calls: 0,
    run: async (live) =>
      await withThought(
        live,
        (row, level) =>
          chatCall({ row, level, tools: [PING], messages: CHAT_HISTORY, finish: withoutReasoning }),
        (answer) => refused(answer, ABOUT_REASONING),
      ),
  },
  {
    id: "thinking.chat-empty",
    fact: "An empty `reasoning_content` will do on chat",
    expected: "taken",
    requests: 1,
    calls: 1,
    run: async (live) =>
      await withThought(
        live,
        (row, level) => chatCall({ row, level, tools: [PING], messages: CHAT_HISTORY }),
        taken,
      ),
  },
  {
    id: "thinking.messages-lost",
    fact: "A call without its thought is refused on messages while thinking is on",
    expected: "400",
    requests: 1,
    calls: 0,
    run: async (live) =>
      await withThought(
        live,
        (row, level) =>
          messagesCall({
            row,
            level,
            tools: [PING],
            messages: MESSAGES_HISTORY,
            finish: withoutReasoning,
          }),
        (answer) => refused(answer, ABOUT_REASONING),
        "messages",
      ),
  },
  {
    id: "thinking.messages-sign",
    fact: "A thought of one sign will do on messages",
    expected: "taken",
    assumed: true,
    requests: 1,
    calls: 1,
    run: async (live) =>
      await withThought(
        live,
        (row, level) => messagesCall({ row, level, tools: [PING], messages: MESSAGES_HISTORY }),
        taken,
        "messages",
      ),
  },
  {
    id: "thinking.forced-call",
    fact: "A forced call and thinking exclude each other",
    expected: "400",
    requests: 1,
    calls: 0,
    run: async ({ kimi, rows }) => {
      const row = thinkingModel(rows, "chat");
      return row === undefined
        ? NO_MODEL
        : refused(await kimi.ask(forcedCall(row)), /tool_choice|thinking/i);
    },
  },
  {
    id: "thinking.forced-k3",
    fact: "K3 takes a forced call while it thinks",
    expected: "taken",
    requests: 1,
    calls: 1,
    run: async ({ kimi, rows }) => {
      const row = thinkingModel(rows, "chat", true);
      return row === undefined ? NO_MODEL : taken(await kimi.ask(forcedCall(row)));
    },
  },
];

function forcedCall(row: ModelRow): LiveRequest {
  return chatCall({
    row,
    level: thinkingLevel(row),
    tools: [PING],
    messages: [QUESTION],
    finish: (body) => ({ ...body, tool_choice: "required" }),
  });
}
