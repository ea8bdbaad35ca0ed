/** From a failed model call to what a user is told. */

import { quotaResetsInMs } from "../account/quota-reset.ts";
import { isRecord } from "../json.ts";
import { say } from "../messages.ts";
import type { BoundLogin } from "../profiles/bound-login.ts";
import { quotaWindow } from "../protocol/api-errors.ts";
import { isKimiError } from "../protocol/errors.ts";
import { emptyMessage, type Message, type StreamEvent, type StreamFn } from "./event-stream.ts";
import { classifyReport, failureCode, type FailureKind, type FailureReport } from "./failures.ts";

/** A failure in plain words. */
export interface Explained {
  readonly kind: FailureKind;
  readonly sentence: string;
  /** When a used-up window starts again, in ms from now. */
  readonly resetsInMs?: number | undefined;
}

/** What is known of a call beside its report. */
export interface CallFacts {
  readonly modelId: string;
  readonly login: BoundLogin;
  /** The parameters that went out, by the tool's name. */
  readonly schemas: ReadonlyMap<string, object>;
  /** Of the response's headers, as far as there were any. */
  readonly retryAfterMs?: number | undefined;
  readonly trace?: string | undefined;
}

/**
 * The host's transports hide a text with brackets in it, such as the 401 for an id like `k3[1m]`. A
 * rejected bearer comes in plain words.
 */
const HIDDEN_TEXT = /diagnostic JSON redacted/i;

/** Most of the server's own words in a sentence, in characters: a chat window shows 235 in all. */
const MAX_DETAIL = 70;
/** Most tools that are named. */
const MAX_TOOLS = 2;

/** The server's words, without ids, addresses and whatever else may be of a person or an account. */
function shortened(text: string): string {
  const clean = text
    .replace(/; Retry-After: .*$/s, "")
    .replace(/^.*details: <(.*)>$/s, "$1")
    .replace(/^(?:invalid request|error):\s*/i, "")
    .replaceAll(/[\w.+-]+@[\w.-]+/g, "…")
    .replaceAll(/https?:\/\/\S+/g, "…")
    .replaceAll(/<?\b(?:org|proj|ak|sk|user|acct|cus)-[\w-]+>?/g, "…")
    .replaceAll(/[\w-]{24,}/g, "…")
    .replaceAll(/\s+/g, " ")
    .replaceAll('"', "'")
    .replace(/[.。]+$/, "")
    .trim();
  return clean.length <= MAX_DETAIL ? clean : `${clean.slice(0, MAX_DETAIL - 1).trimEnd()}…`;
}

/** Follows a path of Moonshot's validator, such as `properties.a.items.anyOf{0}`. */
function leadsSomewhere(schema: unknown, path: string): boolean {
  let current: unknown = schema;
  for (const part of path === "root" ? [] : path.split(".")) {
    const [, name = part, index] = /^(\w+)\{(\d+)\}$/.exec(part) ?? [];
    current = isRecord(current) ? current[name] : undefined;
    if (index !== undefined) {
      current = Array.isArray(current) ? (current as unknown[])[Number(index)] : undefined;
    }
  }
  return current !== undefined;
}

/** The tools that a refusal of parameters may be about. */
function toolsMeant(text: string, schemas: ReadonlyMap<string, object>): readonly string[] {
  const path = /At path '([^']+)'/.exec(text)?.[1];
  const meant = [...schemas].filter(
    ([, schema]) => path === undefined || path === "root" || leadsSomewhere(schema, path),
  );
  return meant.length > MAX_TOOLS ? [] : meant.map(([name]) => name);
}

/** Explains what the host's transport reported; `undefined` for what the host reads itself. */
export async function explainReport(
  report: FailureReport,
  { modelId, login, schemas, retryAfterMs, trace }: CallFacts,
): Promise<Explained | undefined> {
  const failure = classifyReport(report);
  if (failure === undefined) {
    return undefined;
  }
  const { status, text } = failure;
  const kind = status === 401 && HIDDEN_TEXT.test(text) ? "unknown_model" : failure.kind;
  const window = kind === "quota" ? quotaWindow(text) : undefined;
  const resetsInMs = kind === "quota" ? await quotaResetsInMs(login, window) : undefined;
  const isFault = kind === "bad_schema" || kind === "bad_request";
  return {
    kind,
    resetsInMs,
    sentence: login.explain(kind, {
      model: modelId,
      status,
      window,
      resetsInMs,
      retryAfterMs: retryAfterMs ?? failure.retryAfterMs,
      ...(isFault ? { detail: shortened(text), trace } : {}),
      ...(kind === "bad_schema" ? { tools: toolsMeant(text, schemas) } : {}),
    }),
  };
}

/** A failed message in plain words and with a code of ours; the server's own text goes. */
export function inPlainWords(
  message: Message,
  { kind, sentence }: Explained,
  login: BoundLogin,
): Message {
  const { errorBody: _body, errorType: _type, ...rest } = message;
  return { ...rest, errorMessage: login.named(sentence), errorCode: failureCode(kind) };
}

/** What the event of a failed call depends on beside the error. */
interface FailedCall {
  readonly model: Parameters<StreamFn>[0];
  readonly login: BoundLogin;
  readonly isAborted: boolean;
}

/** The event for a call that was never made, or broke without an event of its own. */
export function failureEvent(error: unknown, { model, login, isAborted }: FailedCall): StreamEvent {
  const explained = isKimiError(error) ? { kind: error.code, sentence: error.message } : undefined;
  const message = emptyMessage(model);
  if (isAborted || explained?.kind === "aborted") {
    return {
      type: "error",
      reason: "aborted",
      error: { ...message, stopReason: "aborted", errorMessage: say.canceled() },
    };
  }
  return {
    type: "error",
    reason: "error",
    error: inPlainWords(
      { ...message, stopReason: "error" },
      explained ?? { kind: "bad_reply", sentence: say.unexpected() },
      login,
    ),
  };
}
