/**
 * Reads the account from a token's claims (RFC 7519) where the token is readable. Kimi's tokens may
 * be opaque, so nothing may depend on an answer; signatures are not checked because the value is
 * only ever compared with one from the same source.
 */

const MAX_ACCOUNT_ID_LENGTH = 256;

/**
 * Account id of an access token.
 *
 * @returns `undefined` for an opaque token
 */
export function accountIdFromToken(accessToken: string): string | undefined {
  const payload = accessToken.split(".")[1];
  if (payload === undefined || accessToken.split(".").length !== 3) {
    return undefined;
  }
  let claims: unknown;
  try {
    claims = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
  if (typeof claims !== "object" || claims === null) {
    return undefined;
  }
  for (const name of ["user_id", "sub"]) {
    const value = (claims as Record<string, unknown>)[name];
    if (typeof value === "string" && value !== "" && value.length <= MAX_ACCOUNT_ID_LENGTH) {
      return value;
    }
  }
  return undefined;
}
