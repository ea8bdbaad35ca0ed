/** Ways in which the real Kimi could treat a model call differently from what is known; see `deviations.ts`. */
import { isRecord, listOf } from "../../../src/json.ts";
import { mfjsRefusal } from "../mfjs.ts";
import {
  IDENTITY_REFUSED,
  NOT_FOUND_HTML,
  anthropicShape,
  badRequest,
  reasoningMissing,
} from "./bodies.ts";
import type { Answer } from "./bodies.ts";
import type { Fault } from "./faults.ts";
import { sse } from "./http.ts";
import type { JsonObject, RecordedRequest, RequestFilter, StandIn } from "./types.ts";

type Change = (standIn: StandIn) => void;
type CallRoute = "chat" | "messages" | "responses";

function stream(usage: JsonObject): Fault {
  const choices = [{ index: 0, delta: { content: "pong" }, finish_reason: "stop" }];
  const body = `${sse({ choices, usage })}${sse("[DONE]")}`;
  return { kind: "rawBody", status: 200, contentType: "text/event-stream", body };
}

function takes(route: CallRoute, when: RequestFilter): Change {
  return (standIn) => {
    standIn.failAlways(route, stream({}), { when });
  };
}

function refuses(route: CallRoute, answer: Answer, when: RequestFilter = () => true): Change {
  return (standIn) => {
    standIn.failAlways(route, { kind: "status", ...answer }, { when });
  };
}

function bodyOf({ json }: RecordedRequest): JsonObject {
  return isRecord(json) ? json : {};
}

function messagesOf(request: RecordedRequest): readonly JsonObject[] {
  return listOf(bodyOf(request)["messages"]).filter(isRecord);
}

/** The tools of a call on chat. */
function toolsOf(request: RecordedRequest): readonly JsonObject[] {
  return listOf(bodyOf(request)["tools"])
    .filter(isRecord)
    .map((tool) => tool["function"])
    .filter(isRecord);
}

function parametersOf(request: RecordedRequest): readonly unknown[] {
  const onMessages = listOf(bodyOf(request)["tools"])
    .filter(isRecord)
    .map((tool) => tool["input_schema"]);
  return [...toolsOf(request).map(({ parameters }) => parameters), ...onMessages].filter(isRecord);
}

function hasTool(...names: readonly string[]): RequestFilter {
  return (request) => toolsOf(request).some(({ name }) => names.includes(String(name)));
}

function calls({ tool_calls: own }: JsonObject): boolean {
  return listOf(own).length > 0;
}

/** Parts of answers with a call, on messages. */
function partsOf(request: RecordedRequest): readonly JsonObject[] {
  return messagesOf(request)
    .flatMap(({ content }) => listOf(content))
    .filter(isRecord);
}

function hasThought(request: RecordedRequest): boolean {
  return partsOf(request).some(({ type }) => type === "thinking");
}

function isForced(request: RecordedRequest): boolean {
  return bodyOf(request)["tool_choice"] === "required";
}

function isK3(request: RecordedRequest): boolean {
  return bodyOf(request)["model"] === "k3";
}

function effortOf(request: RecordedRequest): unknown {
  const { thinking } = bodyOf(request);
  return isRecord(thinking) ? thinking["effort"] : undefined;
}

const hasMadeUpBearer: RequestFilter = ({ bearer }) => bearer?.startsWith("made-up") === true;
const isWithoutMessages: RequestFilter = (request) =>
  isRecord(request.json) && messagesOf(request).length === 0;
const hasDefinitions: RequestFilter = (request) =>
  parametersOf(request).some((one) => isRecord(one) && "$defs" in one);

const namesFile: RequestFilter = ({ body }) => body.includes("ms://");
const namesUnknownFile: RequestFilter = ({ body }) => body.includes("ms://made-up");

const SCHEMA_REFUSED = badRequest(
  "Invalid request: tools.function.parameters is not a valid moonshot flavored json schema, details: <$defs>",
);
const FORBIDDEN: Answer = { status: 403, body: { error: { type: "forbidden", message: "no" } } };

export const CALL_DEVIATIONS = {
  "the identity is refused on chat": refuses("chat", IDENTITY_REFUSED),
  "the identity is refused on messages": refuses("messages", anthropicShape(IDENTITY_REFUSED)),
  "responses are not served": refuses("responses", NOT_FOUND_HTML),
  "cached tokens in another place": (standIn) => {
    standIn.failNext("chat", stream({ prompt_tokens_details: { cached_tokens: 8 } }));
  },
  "the whole context is too much output": refuses(
    "chat",
    badRequest("Invalid request: max_completion_tokens is too large"),
    (request) => Number(bodyOf(request)["max_completion_tokens"]) > 200_000,
  ),
  "thinking does not count as output": takes(
    "chat",
    (request) => bodyOf(request)["max_completion_tokens"] === 8,
  ),
  "an effort of the list is refused": refuses(
    "chat",
    badRequest("Invalid request: unsupported thinking effort max"),
    (request) => effortOf(request) === "max",
  ),
  "any effort is taken": takes("chat", (request) => effortOf(request) === "enormous"),
  "reasoning is not needed on chat": takes("chat", (request) =>
    messagesOf(request).some((one) => calls(one) && !("reasoning_content" in one)),
  ),
  "empty reasoning is refused on chat": refuses("chat", reasoningMissing(1), (request) =>
    messagesOf(request).some((one) => calls(one) && one["reasoning_content"] === ""),
  ),
  "a thought is not needed on messages": takes(
    "messages",
    (request) => partsOf(request).some(({ type }) => type === "tool_use") && !hasThought(request),
  ),
  "a thought of one sign is refused on messages": refuses(
    "messages",
    anthropicShape(reasoningMissing(1)),
    hasThought,
  ),
  "a forced call is taken while thinking": takes(
    "chat",
    (request) => isForced(request) && !isK3(request),
  ),
  "K3 refuses a forced call": refuses(
    "chat",
    badRequest("tool_choice 'required' is incompatible with thinking enabled"),
    (request) => isForced(request) && isK3(request),
  ),
  "a bad tool schema is taken": takes("chat", (request) =>
    parametersOf(request).some((one) => mfjsRefusal(one, "lite") !== undefined),
  ),
  "a bad tool schema is refused in other words": refuses(
    "chat",
    badRequest("Invalid request: the request is invalid"),
    hasTool("case_raw"),
  ),
  "a good tool schema is refused on chat": refuses("chat", SCHEMA_REFUSED, hasDefinitions),
  "a good tool schema is refused on messages": refuses(
    "messages",
    anthropicShape(SCHEMA_REFUSED),
    hasDefinitions,
  ),
  "a root without a type is taken": takes("chat", hasTool("no_type")),
  "several conditions are taken": takes("chat", hasTool("two_ifs")),
  "a short name of a tool is taken": takes("chat", hasTool("ab")),
  "a call without a result is taken": takes("chat", (request) => {
    const messages = messagesOf(request);
    return messages.some(calls) && !messages.some(({ role }) => role === "tool");
  }),
  "a large image is taken": takes("chat", ({ body }) => body.length > 6_000_000),
  "a long text is taken": takes(
    "chat",
    ({ body }) => body.length > 2_000_000 && body.length < 3_000_000,
  ),
  "no messages are taken": takes("chat", isWithoutMessages),
  "any content type is taken": takes(
    "chat",
    ({ headers }) => headers["content-type"] === "text/plain",
  ),
  "an error body in another field": (standIn) => {
    standIn.failAlways(
      "chat",
      { kind: "mutateReply", fn: ({ error }) => ({ errors: [error] }) },
      { when: (request) => bodyOf(request)["model"] === "no-such-model-here" },
    );
  },
  "an error on messages as on chat": (standIn) => {
    standIn.failAlways(
      "messages",
      { kind: "mutateReply", fn: ({ error }) => ({ error }) },
      { when: isWithoutMessages },
    );
  },
  "another status for a bearer on chat": refuses("chat", FORBIDDEN, hasMadeUpBearer),
  "another status for a bearer on messages": refuses("messages", FORBIDDEN, hasMadeUpBearer),
  "an uploaded file is refused on chat": refuses(
    "chat",
    badRequest("Invalid request: unsupported image url: ms://file"),
    (request) => namesFile(request) && !namesUnknownFile(request),
  ),
  "an uploaded file is refused on messages": refuses(
    "messages",
    anthropicShape(badRequest("Invalid request: unsupported image url: ms://file")),
    namesFile,
  ),
  "an unknown file is refused in words about nothing": refuses(
    "chat",
    badRequest("Invalid request Error"),
    namesUnknownFile,
  ),
} satisfies Record<string, Change>;
