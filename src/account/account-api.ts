/** The account's own endpoints: usage and plan. */

import { authorizedExchange } from "../host/authorized.ts";
import type { LoginRef } from "../host/login-ref.ts";
import { sentenceFor } from "../host/sentence.ts";
import { sortAnswer } from "../protocol/api-errors.ts";
import { KimiError } from "../protocol/errors.ts";
import { parseJson } from "../protocol/token-response.ts";
import { parseUsages, type Usages } from "./usage.ts";

/** Time limit of the Kimi Code CLI for these requests, in ms. */
const TIMEOUT_MS = 8_000;

/** How long a caller waits. */
export interface Patience {
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sends a GET and reads its JSON.
 *
 * @throws KimiError in plain words for any answer but 200
 */
export async function getAccountJson(
  login: LoginRef,
  path: "/usages" | "/me",
  { timeoutMs = TIMEOUT_MS, signal }: Patience,
): Promise<unknown> {
  const reply = await authorizedExchange(login, {
    method: "GET",
    path,
    headers: { Accept: "application/json" },
    timeoutMs: Math.min(timeoutMs, TIMEOUT_MS),
    signal,
  });
  if (reply.status === 200) {
    return parseJson(reply.text);
  }
  const { status } = reply;
  const kind = sortAnswer(status, reply.text) ?? "refused";
  throw new KimiError(
    kind === "rejected_bearer" ? "login_ended" : "refused",
    sentenceFor(kind, login, { status }),
    { status },
  );
}

/**
 * Asks how much of the plan is used.
 *
 * @throws KimiError in plain words
 */
export async function fetchUsages(login: LoginRef, patience: Patience = {}): Promise<Usages> {
  const usages = parseUsages(await getAccountJson(login, "/usages", patience), Date.now());
  if (usages === undefined) {
    throw new KimiError(
      "bad_reply",
      "Kimi answered, but not with usage that this plugin can read. Update the plugin, or look at the usage on Kimi's site.",
    );
  }
  return usages;
}
