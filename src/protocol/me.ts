/** `GET /me`: whose login this is. */

import type { Endpoints } from "./endpoints.ts";
import { exchange } from "./http.ts";
import { meReplySchema, parseJson } from "./token-response.ts";

/** Time limit of the Kimi Code CLI for this request, in ms. */
const ME_TIMEOUT_MS = 8_000;

/**
 * Asks for the account id.
 *
 * @returns `undefined` when the server answers but does not tell
 * @throws KimiError `network` or `aborted` when there is no answer
 */
export async function fetchAccountId(request: {
  readonly endpoints: Endpoints;
  readonly accessToken: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}): Promise<string | undefined> {
  const reply = await exchange({
    method: "GET",
    url: `${request.endpoints.apiBase}/me`,
    headers: {
      ...request.headers,
      Accept: "application/json",
      Authorization: `Bearer ${request.accessToken}`,
    },
    timeoutMs: ME_TIMEOUT_MS,
    signal: request.signal,
  });
  const parsed = meReplySchema.safeParse(reply.status === 200 ? parseJson(reply.text) : undefined);
  return parsed.success ? parsed.data.user_id : undefined;
}
