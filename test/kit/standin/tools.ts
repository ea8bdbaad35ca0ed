/** The rules for a request's tools, which are the same on all three chat protocols. */
import { isRecord, listOf } from "../../../src/json.ts";
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

/**
 * earendil-works/pi#5822 (2026-06-16): several conditions in one `allOf` are refused, one passes; the published
 * validator takes both. Made up: the wording.
 */
function hasSeveralConditions(value: unknown): boolean {
  if (typeof value !== "object" || value === null) {
    return false;
  }
  const all = isRecord(value) ? listOf(value["allOf"]) : [];
  return (
    all.filter((part) => isRecord(part) && "if" in part).length > 1 ||
    Object.values(value).some(hasSeveralConditions)
  );
}

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
    if (hasSeveralConditions(parameters)) {
      return badRequest(
        "Invalid request: tools.function.parameters is not a valid moonshot flavored json schema, details: <several conditions in allOf>",
      );
    }
  }
  return undefined;
}
