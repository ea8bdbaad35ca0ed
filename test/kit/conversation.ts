/** Conversations: what a model says in one, and what of it a recorded model call holds. */
import type { RecordedRequest, Turn } from "./standin/server.ts";
import type { JsonObject } from "./openclaw/layout.ts";

/** A message of any of the chat protocols. */
export interface Message {
  readonly role: string;
  readonly content?: string | readonly JsonObject[];
}

/** Text without the time before it and the facts about the session behind it. */
function said(text: string): string {
  return text.replace(/^\[[^\]]*\] /u, "").replace(/\n\nRuntime: .*$/su, "");
}

/** True for a part that is the host's own word to the model. */
function isNote({ text }: JsonObject): boolean {
  return typeof text === "string" && /^(Runtime: |<<<BEGIN_OPENCLAW)/u.test(text);
}

function plainPart({ cache_control: _cache, ...part }: JsonObject): JsonObject {
  return typeof part.text === "string" ? { ...part, text: said(part.text) } : part;
}

function plainMessage({ content, ...message }: Message): JsonObject {
  if (content === undefined) {
    return { ...message };
  }
  const plain =
    typeof content === "string"
      ? said(content)
      : content.filter((part) => !isNote(part)).map(plainPart);
  return { ...message, content: plain };
}

/** The messages of a request, without instructions and the host's notes. */
export function conversation(request: RecordedRequest | undefined): JsonObject[] {
  const body = request?.json as { messages: Message[] } | undefined;
  return (body?.messages ?? [])
    .filter(({ role }) => role !== "system")
    .map(plainMessage)
    .filter(({ content }) => !Array.isArray(content) || content.length > 0);
}

/** The turns of a model that uses tools: once alone, then twice at once beside a text. */
export const TOOL_TURNS: readonly Turn[] = [
  {
    reasoning: "first thought",
    toolCalls: [{ name: "exec", arguments: { command: "echo one" }, id: "call1" }],
  },
  {
    reasoning: "second thought",
    text: "two more",
    toolCalls: [
      { name: "exec", arguments: { command: "true" }, id: "call2" },
      { name: "exec", arguments: { command: "echo three" }, id: "functions.exec:3" },
    ],
  },
  { reasoning: "third thought", text: "finished" },
];

/** A call of the tool and its result in chat completions. */
export const chatCall = (id: string, command: string): JsonObject => ({
  id,
  type: "function",
  function: { name: "exec", arguments: JSON.stringify({ command }) },
});
export const chatResult = (id: string, content: string): JsonObject => ({
  role: "tool",
  tool_call_id: id,
  content,
});

/** The same in Anthropic messages, and thinking, which Kimi does not sign. */
export const toolUse = (id: string, command: string): JsonObject => ({
  type: "tool_use",
  id,
  name: "exec",
  input: { command },
});
export const toolResult = (id: string, content: string): JsonObject => ({
  type: "tool_result",
  tool_use_id: id,
  content,
  is_error: false,
});
export const thought = (thinking: string): JsonObject => ({
  type: "thinking",
  thinking,
  signature: "",
});
