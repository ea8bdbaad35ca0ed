/**
 * The content of a home: parsed, classified, and written back exactly as its owner writes it.
 *
 * Both Kimi CLIs use the same six members in the same order; they differ in white space and in how
 * numbers look. Members that neither knows are kept, numbers in them to the last digit.
 */

import { createHash } from "node:crypto";
import { z } from "zod";
import { fileReasons } from "../words.ts";
import { accountIdFromToken } from "../protocol/account-id.ts";

/** Largest credential file that is read, in bytes; a real one has about 1.6 kB. */
export const MAX_CREDENTIAL_BYTES = 64 * 1024;
/** Deepest nesting of members that is read; reading and writing them back is recursive. */
const MAX_DEPTH = 64;

/** The tokens of a login as read from a home. */
export interface Credential {
  readonly accessToken: string;
  /** Empty when the file has none; the access token serves until it ends. */
  readonly refreshToken: string;
  /** End of the access token's life, ms since the epoch; 0 when the file does not tell. */
  readonly expiresAtMs: number;
  /** Lifetime of the access token in seconds; 0 when the owner did not note it. */
  readonly expiresInS: number;
  /** Account of the access token, where that tells it. */
  readonly accountId: string | undefined;
  /** Every member of the file, for writing it back. */
  readonly members: Readonly<Record<string, unknown>>;
}

/** What a credential file's text turns out to be. */
export type CredentialState =
  | { readonly status: "valid"; readonly credential: Credential }
  /** The Kimi Code CLI's mark for a login that Kimi rejected. */
  | { readonly status: "tombstone" }
  | { readonly status: "corrupt"; readonly reason: string };

const token = z
  .string()
  .max(16_384)
  .regex(/^[\x21-\x7e]+$/);

/** A time, or a time as text; anything else counts as 0, as in both CLIs. */
const seconds = z
  .union([z.number(), z.string().trim().min(1).transform(Number)])
  .pipe(z.number().nonnegative())
  .catch(0);

const fileSchema = z.object({
  access_token: token,
  refresh_token: z.union([token, z.literal(""), z.null().transform(() => "")]).default(""),
  expires_at: seconds,
  expires_in: z.number().nonnegative().catch(0),
});

const tombstoneSchema = z.object({ access_token: z.literal(""), refresh_token: z.literal("") });

const REASONS: Readonly<Record<string, string>> = {
  access_token: fileReasons.damagedAccessToken,
  refresh_token: fileReasons.damagedRefreshToken,
};

/** `JSON.rawJSON` keeps a number's digits (ECMAScript's source text access). */
interface SourceJson {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): unknown;
  isRawJSON(value: unknown): value is { readonly rawJSON: string };
}
const sourceJson = JSON as unknown as SourceJson;

/**
 * Classifies the text of a credential file.
 *
 * @param text - the file's content, or `undefined` when it is not UTF-8 text
 */
export function parseCredential(text: string | undefined): CredentialState {
  if (text === undefined) {
    return { status: "corrupt", reason: fileReasons.notText };
  }
  if (text.trim() === "") {
    return { status: "corrupt", reason: fileReasons.empty };
  }
  let plain: unknown;
  try {
    plain = JSON.parse(text) as unknown;
  } catch {
    return { status: "corrupt", reason: fileReasons.incomplete };
  }
  if (tombstoneSchema.safeParse(plain).success) {
    return { status: "tombstone" };
  }
  const parsed = fileSchema.safeParse(plain);
  if (!parsed.success) {
    const member = String(parsed.error.issues[0]?.path[0] ?? "");
    return { status: "corrupt", reason: REASONS[member] ?? fileReasons.notALogin };
  }
  if (nestsDeeper(plain, MAX_DEPTH)) {
    return { status: "corrupt", reason: fileReasons.tooDeep };
  }
  const members = sourceJson.parse(text, (_key, value, context) =>
    typeof value === "number" && context.source !== undefined
      ? sourceJson.rawJSON(context.source)
      : value,
  ) as Record<string, unknown>;
  return {
    status: "valid",
    credential: {
      accessToken: parsed.data.access_token,
      refreshToken: parsed.data.refresh_token,
      expiresAtMs: Math.round(parsed.data.expires_at * 1000),
      expiresInS: parsed.data.expires_in,
      accountId: accountIdFromToken(parsed.data.access_token),
      members,
    },
  };
}

function nestsDeeper(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) {
    return false;
  }
  return depth === 0 || Object.values(value).some((member) => nestsDeeper(member, depth - 1));
}

/** New tokens for a home, with their lifetime in seconds. */
export interface NewTokens {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly expiresInS: number;
  readonly scope?: string | undefined;
  readonly tokenType?: string | undefined;
}

/** Who writes a home, and so how its file looks. */
export type CredentialStyle = "kimi-cli" | "kimi-code-cli";

/**
 * Puts new tokens into a home's members, the other members as they were.
 *
 * @param nowMs - time of the server's response, ms since the epoch
 */
export function withNewTokens(
  members: Readonly<Record<string, unknown>>,
  tokens: NewTokens,
  style: CredentialStyle,
  nowMs: number,
): Credential {
  // The Kimi Code CLI counts from the whole second, the Python CLI from the exact time.
  const nowS = style === "kimi-cli" ? nowMs / 1000 : Math.floor(nowMs / 1000);
  const expiresAtS = nowS + tokens.expiresInS;
  const own = {
    access_token: tokens.accessToken,
    refresh_token: tokens.refreshToken,
    expires_at: expiresAtS,
    scope: tokens.scope ?? (typeof members.scope === "string" ? members.scope : ""),
    token_type:
      tokens.tokenType ?? (typeof members.token_type === "string" ? members.token_type : "Bearer"),
    expires_in: tokens.expiresInS,
  };
  return {
    accessToken: tokens.accessToken,
    refreshToken: tokens.refreshToken,
    expiresAtMs: Math.round(expiresAtS * 1000),
    expiresInS: tokens.expiresInS,
    accountId: accountIdFromToken(tokens.accessToken),
    members: { ...own, ...members, ...own },
  };
}

/** Members that Python keeps as floats, so that `900` is written as `900.0`. */
const PYTHON_FLOATS = new Set(["expires_at", "expires_in"]);

function pythonJson(value: unknown): string {
  if (Array.isArray(value)) {
    return `[${value.map(pythonJson).join(", ")}]`;
  }
  if (typeof value === "object" && value !== null && !sourceJson.isRawJSON(value)) {
    const members = Object.entries(value).map(
      ([key, member]) => `${JSON.stringify(key)}: ${pythonJson(member)}`,
    );
    return `{${members.join(", ")}}`;
  }
  return JSON.stringify(value);
}

function pythonFloat(value: unknown): string {
  const text = JSON.stringify(value);
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}

/** Writes a credential as its owner does: the Kimi Code CLI indents, Python uses one line. */
export function formatCredential(
  { members }: Pick<Credential, "members">,
  style: CredentialStyle,
): string {
  if (style === "kimi-code-cli") {
    return `${JSON.stringify(members, null, 2)}\n`;
  }
  const texts = Object.entries(members).map(
    ([key, value]) =>
      `${JSON.stringify(key)}: ${PYTHON_FLOATS.has(key) ? pythonFloat(value) : pythonJson(value)}`,
  );
  return `{${texts.join(", ")}}`;
}

/** SHA-256 of a token in hex: the only form in which a token is remembered or named. */
export function fingerprint(value: string): string {
  return createHash("sha256").update(value, "utf8").digest("hex");
}

/** What a login's tokens are known by: its refresh token, or without one its access token. */
export function keyOf({
  refreshToken,
  accessToken,
}: Pick<Credential, "refreshToken" | "accessToken">): string {
  return fingerprint(refreshToken || accessToken);
}

/** Short form of a token's fingerprint, for the name of the file that will replace it. */
export function tagOf(refreshToken: string): string {
  return fingerprint(refreshToken).slice(0, 8);
}
