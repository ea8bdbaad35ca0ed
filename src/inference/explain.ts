/** From a failed model call to what a user is told. */

import { quotaResetsInMs } from "../account/quota-reset.ts";
import type { BoundLogin } from "../profiles/bound-login.ts";
import { quotaWindow } from "../protocol/api-errors.ts";
import { isKimiError } from "../protocol/errors.ts";
import { type FailureKind, classifyReport } from "./failures.ts";

/** A failure in plain words. */
export interface Explained {
  readonly kind: FailureKind;
  readonly sentence: string;
}

/**
 * The host's transports hide a text with brackets in it, such as the 401 for an id like `k3[1m]`. A
 * rejected bearer comes in plain words. The call was repeated with a renewed one in either case.
 */
const HIDDEN = /diagnostic JSON redacted/i;

/** Explains what the host's transport reported; `undefined` for what is not an answer of Kimi's. */
export async function explainReport(
  errorMessage: string | undefined,
  modelId: string,
  login: BoundLogin,
): Promise<Explained | undefined> {
  const failure = classifyReport(errorMessage);
  if (failure === undefined) {
    return undefined;
  }
  const { status, text } = failure;
  const kind =
    failure.kind === "rejected_bearer" && HIDDEN.test(text) ? "unknown_model" : failure.kind;
  const window = kind === "quota" ? quotaWindow(text) : undefined;
  const resetsInMs = kind === "quota" ? await quotaResetsInMs(login, window) : undefined;
  return {
    kind,
    sentence: login.explain(kind, { model: modelId, status, window, resetsInMs }),
  };
}

/** Explains why a call could not be made; `undefined` for an error that is not ours. */
export function explainError(error: unknown): Explained | undefined {
  return isKimiError(error) ? { kind: error.code, sentence: error.message } : undefined;
}
