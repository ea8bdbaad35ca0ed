/** Keeps tokens and everything that names an account, a person or a machine out of what is printed. */

import os from "node:os";
import { isRecord, parseJson } from "../../src/json.ts";

const HIDDEN = "[hidden]";
/** Shorter values are part of ordinary words. */
const LEAST_LENGTH = 4;

/** Members of `GET /me`, and of a token, whose values are the same for many accounts. */
const COMMON = new Set([
  "status",
  "region",
  "user_level_name",
  "domain_name",
  "type",
  "scope",
  "client_id",
  "iss",
  "aud",
]);

/** From this length on, a value is hidden inside a longer word too. */
const LONG = 16;

/** What a secret looks like that nobody told us of. */
const PATTERNS: readonly RegExp[] = [
  /\beyJ[\w-]+\.[\w-]+\.[\w-]*/g,
  /[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g,
  /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi,
  /<?\b(?:org|proj|ak|sk|user|acct|cus|file)-[\w-]*\d[\w-]*>?/g,
  /\+\d[\d -]{8,}\d/g,
  // Long, and with a digit: a word of a sentence or the name of a type has none.
  /(?=[A-Za-z_-]*\d)[\w-]{24,}/g,
];

function textsIn(value: unknown, skip: ReadonlySet<string>): string[] {
  if (typeof value === "string" || typeof value === "number") {
    return [String(value)];
  }
  if (Array.isArray(value)) {
    return value.flatMap((entry) => textsIn(entry, skip));
  }
  return isRecord(value)
    ? Object.entries(value).flatMap(([name, entry]) => (skip.has(name) ? [] : textsIn(entry, skip)))
    : [];
}

/** Paths as the shell has them, without the user's name. */
export function withShortPaths(text: string): string {
  const home = os.homedir();
  return home.length < LEAST_LENGTH ? text : text.replaceAll(home, "~");
}

/** The values that must not be printed, as they become known. */
export class Redactor {
  readonly #secrets = new Set<string>();

  constructor() {
    this.add(os.hostname());
  }

  /** Hides a value from now on. */
  add(value: string | undefined): void {
    if (value !== undefined && value.length >= LEAST_LENGTH) {
      this.#secrets.add(value);
    }
  }

  /** Hides a token and the texts in it, where it is readable (RFC 7519). */
  addToken(token: string): void {
    this.add(token);
    const payload = token.split(".")[1];
    if (payload !== undefined) {
      this.add(payload);
      this.addTexts(parseJson(Buffer.from(payload, "base64url").toString("utf8")));
    }
  }

  /** Hides every text of a response about the account. */
  addTexts(value: unknown): void {
    for (const text of textsIn(value, COMMON)) {
      this.add(text);
    }
  }

  /** The text without secrets. */
  clean(text: string): string {
    let clean = withShortPaths(text);
    // The long ones first: one may be part of another.
    for (const secret of [...this.#secrets].toSorted((a, b) => b.length - a.length)) {
      const plain = secret.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
      const whole = secret.length >= LONG ? plain : `(?<![A-Za-z0-9])${plain}(?![A-Za-z0-9])`;
      clean = clean.replaceAll(new RegExp(whole, "g"), HIDDEN);
    }
    return PATTERNS.reduce((rest, pattern) => rest.replaceAll(pattern, HIDDEN), clean);
  }
}
