/**
 * Ways in which the real Kimi could differ from what is known of it, each a switch. The check against
 * the real Kimi (`scripts/live/`) must find every one.
 */
import { isRecord, listOf } from "../../../src/json.ts";
import { mfjsRefusal } from "../mfjs.ts";
import { IDENTITY_REFUSED, NOT_FOUND_HTML, anthropicShape, badRequest } from "./bodies.ts";
import type { Fault } from "./faults.ts";
import { sse } from "./http.ts";
import type { JsonObject, RecordedRequest, StandIn } from "./types.ts";

function without(name: string): (reply: JsonObject) => JsonObject {
  return ({ [name]: _gone, ...rest }) => rest;
}

function renamed(from: string, to: string): (reply: JsonObject) => JsonObject {
  return ({ [from]: value, ...rest }) => ({ ...rest, [to]: value });
}

function rowsChanged(change: (row: JsonObject) => JsonObject): Fault {
  const fn = (reply: JsonObject) => ({
    ...reply,
    data: listOf(reply["data"]).filter(isRecord).map(change),
  });
  return { kind: "mutateReply", fn };
}

/** A chat completion in place of a refusal. */
const TAKEN: Fault = {
  kind: "rawBody",
  status: 200,
  contentType: "text/event-stream",
  body: `${sse({ choices: [{ index: 0, delta: { content: "pong" }, finish_reason: "stop" }] })}${sse("[DONE]")}`,
};

function bodyOf({ json }: RecordedRequest): JsonObject {
  return isRecord(json) ? json : {};
}

/** The parameters of a chat completion's tools. */
function parametersOf(request: RecordedRequest): unknown[] {
  return listOf(bodyOf(request)["tools"]).map((tool) =>
    isRecord(tool) && isRecord(tool["function"]) ? tool["function"]["parameters"] : undefined,
  );
}

function isUnknownModel(request: RecordedRequest): boolean {
  return bodyOf(request)["model"] === "no-such-model-here";
}

function hasLostReasoning(request: RecordedRequest): boolean {
  return listOf(bodyOf(request)["messages"]).some(
    (message) => isRecord(message) && "tool_calls" in message && !("reasoning_content" in message),
  );
}

const DEVIATIONS = {
  "no rotation": ({ settings }) => {
    settings.rotatesRefreshToken = false;
  },
  "a used refresh token is taken": ({ settings }) => {
    settings.takesUsedRefreshToken = true;
  },
  "a used refresh token ends the login": ({ settings }) => {
    settings.reuseEndsLogin = true;
  },
  "a refresh ends the old access token": ({ settings }) => {
    settings.revokeOldAccessOnRefresh = true;
  },
  "another lifetime": ({ settings }) => {
    settings.accessTokenLifetimeS = 3_600;
  },
  "no lifetime": (standIn) => {
    standIn.failAlways("token", { kind: "mutateReply", fn: without("expires_in") });
  },
  "another word for invalid_grant": (standIn) => {
    standIn.failAlways(
      "token",
      { kind: "status", status: 400, body: { error: "invalid_token" } },
      { when: ({ form }) => form?.["refresh_token"]?.startsWith("made-up") === true },
    );
  },
  "a member of a model's row is gone": (standIn) => {
    standIn.failAlways("models", rowsChanged(without("supports_image_in")));
  },
  "an unknown protocol": (standIn) => {
    standIn.failAlways(
      "models",
      rowsChanged((row) => ({ ...row, protocol: "grpc" })),
    );
  },
  "efforts moved": (standIn) => {
    standIn.failAlways(
      "models",
      rowsChanged((row) => ({ ...row, think_efforts: { valid: [] } })),
    );
  },
  "a text as the context": (standIn) => {
    standIn.failAlways(
      "models",
      rowsChanged((row) => ({ ...row, context_length: "256k" })),
    );
  },
  "a bad tool schema is taken": (standIn) => {
    standIn.failAlways("chat", TAKEN, {
      when: (request) =>
        parametersOf(request).some((one) => mfjsRefusal(one, "lite") !== undefined),
    });
  },
  "a good tool schema is refused": (standIn) => {
    const refusal = badRequest(
      "Invalid request: tools.function.parameters is not a valid moonshot flavored json schema, details: <$defs>",
    );
    standIn.failAlways(
      "chat",
      { kind: "status", ...refusal },
      {
        when: (request) => parametersOf(request).some((one) => isRecord(one) && "$defs" in one),
      },
    );
  },
  "an error body in another field": (standIn) => {
    standIn.failAlways(
      "chat",
      { kind: "mutateReply", fn: ({ error }) => ({ errors: [error] }) },
      { when: isUnknownModel },
    );
  },
  "another status for a bearer": (standIn) => {
    standIn.failAlways(
      "me",
      { kind: "status", status: 403, body: { error: { type: "forbidden", message: "no" } } },
      { when: ({ bearer }) => bearer?.startsWith("made-up") === true },
    );
  },
  "reasoning is not needed": (standIn) => {
    standIn.failAlways("chat", TAKEN, { when: hasLostReasoning });
  },
  "another usages shape": (standIn) => {
    standIn.failAlways("usages", { kind: "mutateReply", fn: renamed("usages", "quotas") });
  },
  "no user id": (standIn) => {
    standIn.failAlways("me", { kind: "mutateReply", fn: renamed("user_id", "uid") });
  },
  "search results under another name": (standIn) => {
    standIn.failAlways("search", { kind: "mutateReply", fn: renamed("search_results", "results") });
  },
  "a page in JSON": (standIn) => {
    standIn.failAlways("fetch", { kind: "status", status: 200, body: { markdown: "# Page" } });
  },
  "no upload": (standIn) => {
    standIn.failAlways("files", { kind: "status", ...NOT_FOUND_HTML });
  },
  "the identity is refused on chat": (standIn) => {
    standIn.failAlways("chat", { kind: "status", ...IDENTITY_REFUSED });
  },
  "the identity is refused on messages": (standIn) => {
    standIn.failAlways("messages", { kind: "status", ...anthropicShape(IDENTITY_REFUSED) });
  },
} satisfies Record<string, (standIn: StandIn) => void>;

/** The name of a deviation. */
export type Deviation = keyof typeof DEVIATIONS;

/** Every deviation. */
export const ALL_DEVIATIONS = Object.keys(DEVIATIONS) as readonly Deviation[];

/** Makes a stand-in differ from now on. */
export function deviate(standIn: StandIn, deviation: Deviation): void {
  DEVIATIONS[deviation](standIn);
}
