/** Calls of models, finished by the plugin's own last hand on a body. */

import type { PayloadFacts } from "../../src/inference/body.ts";
import { kimiBody, MESSAGES_BETA } from "../../src/inference/payload.ts";
import { isRecord, parseJson } from "../../src/json.ts";
import { isK3, type ModelRow } from "../../src/models/models.ts";
import { type Answer, type LiveRequest, MODEL_TIMEOUT_MS } from "./kimi.ts";

/** The least that a model can be asked. */
const PROMPT = "Reply with the one word: pong";
/** Longest answer of a call that is not about its length, in tokens; thinking gets more (see the plugin). */
const SHORT = 64;

/** A tool as the host describes it. */
export interface Tool {
  readonly name: string;
  readonly parameters: object;
}

/** What a call is made of. */
export interface Call {
  readonly row: ModelRow;
  /** The host's thinking level; default off, as far as the model can. */
  readonly level?: string;
  /** Messages of the protocol; default one short question. */
  readonly messages?: readonly unknown[];
  readonly tools?: readonly Tool[];
  readonly toolChoice?: unknown;
  /** True: the tools go out as they are. */
  readonly raw?: boolean;
  /** Output limit, in tokens; `null` asks for what is left of the context. */
  readonly maxTokens?: number | null;
  /** The last change, after the plugin's. */
  readonly finish?: (body: Readonly<Record<string, unknown>>) => unknown;
}

/** A name for this run's calls, which is no account's. */
const SESSION = `kimi-code-oauth-live-${String(process.pid)}`;

function finished(api: string, call: Call, body: Readonly<Record<string, unknown>>): unknown {
  const facts: PayloadFacts = {
    row: call.row,
    level: call.level ?? "off",
    sessionId: SESSION,
    maxTokens: call.maxTokens === null ? undefined : (call.maxTokens ?? SHORT),
    usedTokens: 1_000,
    schemas: new Map(
      call.raw === true ? call.tools?.map(({ name, parameters }) => [name, parameters]) : [],
    ),
  };
  const made = kimiBody(api, body, facts);
  return call.finish !== undefined && isRecord(made) ? call.finish(made) : made;
}

/** `POST /chat/completions`, as the host's transport begins it. */
export function chatCall(call: Call): LiveRequest {
  const { row, tools, toolChoice } = call;
  const body = finished("openai-completions", call, {
    model: row.id,
    messages: call.messages ?? [{ role: "user", content: PROMPT }],
    stream: true,
    stream_options: { include_usage: true },
    prompt_cache_key: SESSION,
    ...(tools === undefined
      ? {}
      : {
          tools: tools.map(({ name, parameters }) => ({
            type: "function",
            function: { name, description: "Does nothing.", parameters },
          })),
        }),
    ...(toolChoice === undefined ? {} : { tool_choice: toolChoice }),
  });
  return { path: "/chat/completions", body, timeoutMs: MODEL_TIMEOUT_MS };
}

/** `POST /messages`. */
export function messagesCall(call: Call): LiveRequest {
  const { row, tools } = call;
  const body = finished("anthropic-messages", call, {
    model: row.id,
    messages: call.messages ?? [{ role: "user", content: PROMPT }],
    stream: true,
    max_tokens: SHORT,
    ...(tools === undefined
      ? {}
      : {
          tools: tools.map(({ name, parameters }) => ({
            name,
            description: "Does nothing.",
            input_schema: parameters,
          })),
        }),
  });
  return {
    path: "/messages",
    body,
    headers: { "anthropic-version": "2023-06-01", "anthropic-beta": MESSAGES_BETA },
    timeoutMs: MODEL_TIMEOUT_MS,
  };
}

/** `POST /responses`. */
export function responsesCall(call: Call): LiveRequest {
  const body = finished("openai-responses", call, {
    model: call.row.id,
    input: [{ role: "user", content: [{ type: "input_text", text: PROMPT }] }],
    stream: true,
  });
  return { path: "/responses", body, timeoutMs: MODEL_TIMEOUT_MS };
}

/** The events of a stream. */
export function eventsOf({ text }: Pick<Answer, "text">): readonly unknown[] {
  return text.split("\n").flatMap((line) => {
    const data = line.startsWith("data:") ? parseJson(line.slice(5)) : undefined;
    return data === undefined ? [] : [data];
  });
}

/** A stream that came to its events, and has no error in it. */
export function isStream(answer: Answer): boolean {
  const events = eventsOf(answer);
  return (
    answer.status === 200 &&
    events.length > 0 &&
    !events.some(
      (event) =>
        isRecord(event) && (event.type === "error" || ("error" in event && event.error !== null)),
    )
  );
}

/** The model for calls of a protocol: one that is spoken to on it, with tools, and a cheap one first. */
export function modelFor(
  rows: readonly ModelRow[],
  protocol: ModelRow["protocol"],
): ModelRow | undefined {
  const rank = (row: ModelRow): number =>
    (row.protocol === protocol ? 0 : 8) +
    (row.tools ? 0 : 4) +
    (row.id === "kimi-for-coding" ? 0 : 2) +
    (row.thinking.mode === "toggle" ? 0 : 1);
  return rows.toSorted((left, right) => rank(left) - rank(right))[0];
}

/** A model that thinks, spoken to on this protocol where there is one. */
export function thinkingModel(
  rows: readonly ModelRow[],
  protocol: ModelRow["protocol"],
  k3 = false,
): ModelRow | undefined {
  return modelFor(
    rows.filter((row) => row.thinking.mode !== "none" && isK3(row) === k3),
    protocol,
  );
}

/** The host's level that turns a model's thinking on, as little as it can. */
export function thinkingLevel({ thinking }: ModelRow): string {
  return thinking.efforts[0] ?? "low";
}
