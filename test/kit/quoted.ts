/** What `docs/troubleshooting.md` quotes beside this plugin's messages, and which of these it leaves out. */
import type { answers } from "../../src/messages.ts";
import type { Id } from "./sentences.ts";

/** Sentences of OpenClaw's own that the documents quote; a test of the real host finds each of them there. */
export const OF_THE_HOST: ReadonlySet<string> = new Set([
  "Context overflow",
  "The selected model was not found",
  "is in cooldown",
  "Re-authenticate the provider and try again",
  "internal error",
  "A Gateway is running for this state directory",
  "No API key found for provider",
  "unknown web_search provider",
  "stale web search plugin config ignored",
  "Unknown model",
  "requires capability consent",
  "web_search is enabled but no provider is currently available",
  "prepared model runtime owner was not committed after replacement",
  "or fails alias checks",
  "workspace path alias points to a different current target",
]);

const REPORTS = "says how things stand; nothing is wrong";
const ASKS = "a question or a label on the screen of a sign-in";

/** Messages that need no advice, each with the reason. */
export const WITHOUT_ADVICE: Readonly<Partial<Record<Id | keyof typeof answers, string>>> = {
  canceled: "the user canceled it",
  keptInMemory: "nothing to do: the plugin writes it as soon as that works",
  login: REPORTS,
  fine: REPORTS,
  outOfDate: REPORTS,
  usingOneOfSeveral: REPORTS,
  sharedNow: REPORTS,
  ownLoginNow: REPORTS,
  severalLogins: ASKS,
  oneLogin: ASKS,
  signInInstead: ASKS,
  readingLogin: ASKS,
  usingLogin: ASKS,
  loginUnusable: ASKS,
  whichSite: ASKS,
  askingForCode: ASKS,
  codeSent: ASKS,
  codeSentAgain: ASKS,
  noCode: ASKS,
  codeExpired: ASKS,
  approved: ASKS,
  notSignedIn: ASKS,
  waitingFor: ASKS,
  compareCode: ASKS,
  code: ASKS,
  codeValid: ASKS,
  openElsewhere: ASKS,
  openUnattended: ASKS,
  scan: ASKS,
  openHere: ASKS,
  offerWeb: ASKS,
  webOn: REPORTS,
  webChosen: REPORTS,
  pageCut: REPORTS,
};
