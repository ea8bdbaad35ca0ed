/** What a user is told about an answer of Kimi's API, filled in for the login that got it. */

import { signInAgain } from "../logins/homes.ts";
import { type AnswerFacts, type AnswerKind, describeAnswer } from "../protocol/api-errors.ts";
import { siteOf } from "../protocol/site.ts";
import type { LoginRef } from "./login-ref.ts";

/** The sentences for an answer. */
export function sentenceFor(
  kind: AnswerKind,
  { home }: LoginRef,
  facts: Omit<AnswerFacts, "site" | "signIn"> = {},
): string {
  return describeAnswer(kind, {
    ...facts,
    site: siteOf(home.endpoints),
    signIn: signInAgain(home.kind),
  });
}
