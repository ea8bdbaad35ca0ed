/** The rules for a request's tools, which are the same on all three chat protocols. */
import { isRecord } from "../../../src/json.ts";
import { mfjsRefusal } from "../mfjs.ts";
import { badRequest } from "./bodies.ts";
import type { Answer } from "./bodies.ts";

/** A tool, whatever its protocol calls the members. */
export interface WireTool {
  name: string;
  parameters?: unknown;
}

/**
 * A letter first: MoonshotAI/kimi-cli#2531 (2026-07-22, names that start with a digit are refused);
 * the signs and the length: "Tool Use" on platform.kimi.ai.
 */
const NAME = /^[a-zA-Z_][\w-]{0,63}$/;

/** Wording: opencodex#228 and Codewhale#3265; the published validator takes such a root. */
const NO_OBJECT = 'tools.function.parameters.type is required and must be "object"';

function duplicate(names: readonly string[]): string | undefined {
  return names.find((name, index) => names.indexOf(name) !== index);
}

/** What is wrong with the tools; `undefined` when nothing is. */
export function checkTools(tools: readonly WireTool[]): Answer | undefined {
  const odd = tools.find(({ name }) => !NAME.test(name));
  if (odd !== undefined) {
    return badRequest(
      `Invalid request: function name is invalid, must start with a letter and can contain letters, numbers, underscores, and dashes: ${odd.name}`,
    );
  }
  const twice = duplicate(tools.map(({ name }) => name));
  if (twice !== undefined) {
    return badRequest(`Invalid request: function name ${twice} is duplicated`);
  }
  for (const { parameters } of tools) {
    // No parameters at all: the vendor's documentation has such a tool.
    const refusal = parameters === undefined ? undefined : mfjsRefusal(parameters, "lite");
    if (refusal !== undefined) {
      return badRequest(
        `Invalid request: tools.function.parameters is not a valid moonshot flavored json schema, details: <${refusal}>`,
      );
    }
    if (isRecord(parameters) && parameters["type"] !== "object") {
      return badRequest(`Invalid request: ${NO_OBJECT}`);
    }
  }
  return undefined;
}
