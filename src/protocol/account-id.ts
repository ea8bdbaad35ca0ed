/**
 * Whose login some tokens are: from the access token's claims (RFC 7519) where it is readable, else
 * from `GET /me`. Kimi's tokens may be opaque, so nothing may depend on an answer; signatures are not
 * checked, because the value is only compared with one from the same source.
 */

import { z } from "zod";
import { parseJson } from "../json.ts";
import type { Endpoints } from "./endpoints.ts";
import { exchange } from "./http.ts";

const accountId = z.string().min(1).max(256).optional().catch(undefined);
const claimsSchema = z.object({ user_id: accountId, sub: accountId });

/**
 * Account id of an access token.
 *
 * @returns `undefined` for an opaque token
 */
export function accountIdFromToken(accessToken: string): string | undefined {
  const [, payload, signature, ...more] = accessToken.split(".");
  if (payload === undefined || signature === undefined || more.length > 0) {
    return undefined;
  }
  const claims = claimsSchema.safeParse(
    parseJson(Buffer.from(payload, "base64url").toString("utf8")),
  ).data;
  return claims?.user_id ?? claims?.sub;
}

/** What is used of `GET /me`; a member that is odd costs itself only. */
export const meReplySchema = z.object({
  user_id: accountId,
  user_level_name: z
    .string()
    .trim()
    .min(1)
    .max(64)
    // No control characters: the name is printed on terminals.
    .regex(/^[^\p{Cc}\p{Cf}]+$/u)
    .optional()
    .catch(undefined),
});

/** What asking needs. */
export interface AccountRequest {
  readonly endpoints: Endpoints;
  readonly accessToken: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** Time limit of the Kimi Code CLI for this request, in ms. */
const ME_TIMEOUT_MS = 8_000;

/**
 * Asks for the account id.
 *
 * @returns `undefined` when the server answers but does not tell
 * @throws KimiError `network` or `aborted` when there is no answer
 */
export async function fetchAccountId(request: AccountRequest): Promise<string | undefined> {
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
  return parsed.data?.user_id;
}

/**
 * The account of a login, from its token or from Kimi. Not knowing it must not fail a sign-in.
 *
 * @throws the signal's reason when it fired, and nothing else
 */
export async function accountIdOf(request: AccountRequest): Promise<string | undefined> {
  try {
    return accountIdFromToken(request.accessToken) ?? (await fetchAccountId(request));
  } catch {
    request.signal?.throwIfAborted();
    return undefined;
  }
}
