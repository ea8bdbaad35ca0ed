/**
 * Every sentence that a user reads: what happened, then what to do. Errors come first, by their code.
 *
 * The tables are in `messages/`, one file for each part; they import only words, so that every layer
 * can use them. A caller hands in facts and gets the whole text; a text is never edited afterwards, but
 * for {@link ofProfile}. Tests hold the tables against limits of length, endings and ways out, and
 * against OpenClaw's own readers of these texts.
 */

import { loginSentences } from "./messages/logins.ts";
import { networkSentences } from "./messages/network.ts";
import { screenSentences } from "./messages/screens.ts";

export {
  type AnswerFacts,
  answers,
  type WebAnswerFacts,
  webAnswers,
  type WebTool,
  type Window,
} from "./messages/answers.ts";
export { ofProfile, type Owner, ownerLabel, type ProfileName } from "./messages/owner.ts";
export type { TransientFailure } from "./messages/transient.ts";

/** Everything but the answers of Kimi's API, which are a table of their own. */
export const say = { ...loginSentences, ...networkSentences, ...screenSentences } as const;
