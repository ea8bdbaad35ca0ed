/** Rules of the live API for tools and their calls, the same on all three chat protocols; each names its source. */
import { badRequest } from "./bodies.ts";
import type { Answer } from "./bodies.ts";

/**
 * Vendor's page platform.kimi.ai/docs/api/tool-use: `^[a-zA-Z_][a-zA-Z0-9-_]{2,63}$`. The live refusal asks for a
 * letter at the start (MoonshotAI/kimi-cli#1773, 2026-04-07, on the coding plan; digits: #1806, #2531). Where the two
 * differ the narrower one holds here.
 */
const TOOL_NAME = /^[a-zA-Z][\w-]{2,63}$/;

/** Longest id of a tool call that the Kimi Code CLI sends (its `sanitizeToolCallId`); beyond that nothing is known. */
const MAX_CALL_ID = 64;

/** The first name that occurs twice. */
export function duplicate(names: readonly string[]): string | undefined {
  return names.find((name, index) => names.indexOf(name) !== index);
}

/** What the API refuses in the names of a request's tools. */
export function toolNameFault(names: readonly string[]): Answer | undefined {
  // Vendor's error reference lists the duplicate as a 400. Made up: its wording.
  const twice = duplicate(names);
  if (twice !== undefined) {
    return badRequest(`Invalid request: function name ${twice} is duplicated`);
  }
  return names.every((name) => TOOL_NAME.test(name))
    ? undefined
    : badRequest(
        "function name is invalid, must start with a letter and can contain letters, numbers, underscores, and dashes",
      );
}

/** One message of a history, as far as tool calls go. */
export interface CallTurn {
  readonly calls: readonly string[];
  readonly results: readonly string[];
}

function idFault(ids: readonly string[]): Answer | undefined {
  // openclaw/openclaw#51155 (2026-03-20) and #51593: an id may occur once in a whole conversation.
  const twice = duplicate(ids);
  if (twice !== undefined) {
    return badRequest(`Invalid request: tool call id ${twice} is duplicated`);
  }
  // Made up: the wording.
  return ids.some((id) => id === "" || id.length > MAX_CALL_ID)
    ? badRequest("Invalid request: tool call id is invalid")
    : undefined;
}

function unanswered(ids: readonly string[]): Answer {
  return badRequest(
    `an assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: ${ids.join(", ")}`,
  );
}

/** What the API refuses in the tool calls of a history and in their results. */
export function callFault(turns: readonly CallTurn[]): Answer | undefined {
  const bad = idFault(turns.flatMap(({ calls }) => calls));
  if (bad !== undefined) {
    return bad;
  }
  let open: readonly string[] = [];
  for (const { calls, results } of turns) {
    // yaogang1991/harness#392 (2026-05-15), on api.kimi.com/coding; the two spaces are the server's.
    if (results.some((id) => !open.includes(id))) {
      return badRequest("tool_call_id  is not found");
    }
    open = open.filter((id) => !results.includes(id));
    // MoonshotAI/kimi-cli#1977 and #2405 (2026-05-31).
    if (results.length === 0 && open.length > 0) {
      return unanswered(open);
    }
    open = [...open, ...calls];
  }
  return open.length > 0 ? unanswered(open) : undefined;
}

/**
 * can1357/oh-my-pi#827 (2026-04-27) and #1077 (2026-05-14): a forced call and thinking exclude each other. K3 takes
 * both (OpenClaw's page on Moonshot, after the vendor's K3 quickstart).
 */
export function forcedChoiceFault(
  choice: "required" | "specified" | undefined,
  modelId: string,
): Answer | undefined {
  return choice === undefined || /^k3\b/u.test(modelId)
    ? undefined
    : badRequest(`tool_choice '${choice}' is incompatible with thinking enabled`);
}
