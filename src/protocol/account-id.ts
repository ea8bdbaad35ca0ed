/**
 * Reads the account from a token's claims (RFC 7519) where the token is readable. Kimi's tokens may
 * be opaque, so nothing may depend on an answer; signatures are not checked because the value is
 * only ever compared with one from the same source.
 */

import { z } from "zod";
import { parseJson } from "./token-response.ts";

const accountId = z.string().min(1).max(256).optional().catch(undefined);
const claimsSchema = z.object({ user_id: accountId, sub: accountId });

/**
 * Account id of an access token.
 *
 * @returns `undefined` for an opaque token
 */
export function accountIdFromToken(accessToken: string): string | undefined {
  const [, payload, ...signature] = accessToken.split(".");
  if (payload === undefined || signature.length !== 1) {
    return undefined;
  }
  const claims = claimsSchema.safeParse(
    parseJson(Buffer.from(payload, "base64url").toString("utf8")),
  ).data;
  return claims?.user_id ?? claims?.sub;
}
