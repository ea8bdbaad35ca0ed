/**
 * Whose login some tokens are: from the access token's claims (RFC 7519) where it is readable, else
 * from `GET /me`. Kimi's tokens may be opaque, so nothing may depend on a response; signatures are not
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

const name = z
  .string()
  .trim()
  .min(1)
  .max(64)
  // No control characters: a name is printed on terminals.
  .regex(/^[^\p{Cc}\p{Cf}]+$/u)
  .optional()
  .catch(undefined);

/** What is used of `GET /me`; a member that is odd costs itself only. */
export const meResponseSchema = z.object({
  user_id: accountId,
  nickname: name,
  user_level_name: name,
});

/** Whose login it is. */
export interface Account {
  readonly id: string | undefined;
  /** What the user is called at Kimi. */
  readonly name: string | undefined;
}

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
 * Asks whose login it is.
 *
 * @returns nothing known when the server answers but does not tell
 * @throws KimiError `network` or `aborted` when there is no response
 */
async function fetchAccount(request: AccountRequest): Promise<Account> {
  const response = await exchange({
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
  const me = meResponseSchema.safeParse(
    response.status === 200 ? parseJson(response.text) : undefined,
  ).data;
  return { id: me?.user_id, name: me?.nickname };
}

/**
 * Asks for the account id.
 *
 * @returns `undefined` when the server answers but does not tell
 * @throws KimiError `network` or `aborted` when there is no response
 */
export async function fetchAccountId(request: AccountRequest): Promise<string | undefined> {
  return (await fetchAccount(request)).id;
}

/**
 * The account of a new login: its id from the token or from Kimi, its name from Kimi. Not knowing them
 * must not fail a sign-in.
 *
 * @throws the signal's reason when it fired, and nothing else
 */
export async function accountOf(request: AccountRequest): Promise<Account> {
  const id = accountIdFromToken(request.accessToken);
  try {
    const account = await fetchAccount(request);
    return { id: id ?? account.id, name: account.name };
  } catch {
    request.signal?.throwIfAborted();
    return { id, name: undefined };
  }
}
