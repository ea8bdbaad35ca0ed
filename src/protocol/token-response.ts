/** Shapes of what Kimi's servers send, checked at the edge. */

import { z } from "zod";

const token = z
  .string()
  .min(1)
  .max(16_384)
  // A control character would end the header or the form field that the token is put into.
  .regex(/^[\x21-\x7e]+$/);

/**
 * Successful response of the token endpoint (RFC 6749, section 5.1).
 *
 * Only the tokens are strict. By the time this response is read the old refresh token is spent, so a
 * missing or odd lifetime must not cost the login.
 */
export const tokenResponseSchema = z.object({
  access_token: token,
  // Empty or null: the server keeps the old one. One that cannot be used is no better.
  refresh_token: token.optional().catch(undefined),
  expires_in: z.unknown().optional(),
  scope: z.string().max(1024).optional().catch(undefined),
  token_type: z.string().max(64).optional().catch(undefined),
});

/** Error response of the token endpoint (RFC 6749, section 5.2); the description is never shown. */
export const oauthErrorSchema = z.object({ error: z.string().max(128) });
