/** The rules for a request's tools, which are the same on all three chat protocols. */
import { isRecord } from "../../../src/json.ts";
import { mfjsRefusal } from "../mfjs.ts";
import { badRequest } from "./bodies.ts";
import type { Answer } from "./bodies.ts";
import { toolNameFault } from "./rules.ts";

/** A tool, whatever its protocol calls the members. */
export interface WireTool {
  name: string;
  parameters?: unknown;
}

/** Wording: opencodex#228 and Codewhale#3265; the published validator takes such a root. */
const NO_OBJECT = 'tools.function.parameters.type is required and must be "object"';

/** What is wrong with the tools; `undefined` when nothing is. */
export function checkTools(tools: readonly WireTool[]): Answer | undefined {
  const named = toolNameFault(tools.map(({ name }) => name));
  if (named !== undefined) {
    return named;
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
