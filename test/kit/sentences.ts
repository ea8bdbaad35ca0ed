/** Every sentence of `src/messages.ts`, filled with facts as they come up. */
import { answers, say, type TransientFailure, webAnswers } from "../../src/messages.ts";

type Table = typeof say;
/** Name of a sentence that is not an answer of Kimi's API. */
export type Id = keyof Table;

const FILE = "/home/someone/.kimi-code/credentials/kimi-code.json";
const HOST = "auth.kimi.com";
const PROXY = { label: "proxy.example:3128", variable: "HTTPS_PROXY" } as const;
const LOGIN = { owner: "kimi-code-cli", file: FILE } as const;
const OTHER = {
  owner: "kimi-cli",
  file: FILE,
  other: { owner: "kimi-code-cli", site: "kimi.ai", folder: "/home/someone/.kimi-code" },
} as const;
const OWN = { owner: "openclaw", file: FILE } as const;
const LOGINS = [[LOGIN], [OTHER], [OWN]] as const;
const REASON = "permission denied";

/** At least one set of facts for every sentence: a sentence without one does not compile. */
export const FACTS: { readonly [K in Id]: readonly (readonly [...Parameters<Table[K]>])[] } = {
  signedOut: LOGINS,
  danglingLink: LOGINS,
  inKeychain: [[]],
  noCliLogin: [[]],
  profileWithoutLogin: [[]],
  profileOfOtherEndpoints: [[]],
  revoked: LOGINS,
  unreadable: [[{ ...LOGIN, reason: REASON }], [{ ...OTHER, reason: REASON }]],
  corrupt: [[{ ...LOGIN, reason: "it is empty" }], [{ ...OWN, reason: "it is empty" }]],
  ended: LOGINS.flatMap(([facts]) => [
    [{ ...facts, responseLost: false }] as const,
    [{ ...facts, responseLost: true }] as const,
  ]),
  endedByKimi: [[]],
  notRenewable: LOGINS,
  accountChanged: [[{ owner: "openclaw" }], [{ owner: "kimi-cli" }]],
  mountedAlone: [[{ file: FILE, folder: "/home/someone/.kimi-code" }]],
  tokensNotSaved: ["ENOSPC", "EROFS", "ENOENT", "EPERM", undefined].map((code) => [
    { folder: "/home/someone/.kimi-code/credentials", code },
  ]),
  lockBlocked: [[{ file: `${FILE}.lock`, reason: "it is a link" }]],
  lockNotWritable: [[{ lock: `${FILE}.lock` }]],
  newLoginNotSaved: [[{ folder: "/home/someone/.openclaw/kimi-code-oauth" }]],
  personalNotSaved: [[{ folder: "/home/someone/.openclaw/kimi-code-oauth" }]],
  profilesNotWritable: [[]],
  unavailable: [[{ ...LOGIN, reason: "the disk is busy" }]],
  refreshUnavailable: [[{ reason: "the disk is busy" }]],
  lockHeld: [[{ owner: "kimi-code-cli", lock: `${FILE}.lock` }]],
  alwaysOvertaken: [[]],
  renewedElsewhere: [[]],
  renewedByCli: [[]],
  renewedWithNextMessage: [[]],
  proxyNeedsPassword: [
    [PROXY, true],
    [PROXY, false],
  ],
  proxyRefused: [
    [PROXY, HOST, 403, true],
    [PROXY, HOST, undefined, false],
  ],
  proxyUnreached: [[PROXY, "ECONNREFUSED", true]],
  certificateNotVerified: [
    [HOST, PROXY, true],
    [HOST, undefined, false],
  ],
  serverUnreached: ["ENOTFOUND", "ETIMEDOUT", "ECONNRESET", "EPROTO", "EWHATEVER"].map((code) => [
    HOST,
    PROXY,
    code,
    true,
  ]),
  serverLimits: [
    [HOST, true],
    [HOST, false],
  ],
  serverFailed: [
    [HOST, 502, true],
    [HOST, 502, false],
  ],
  redirected: [
    [HOST, true],
    [HOST, false],
  ],
  refreshRefused: [[HOST, 403]],
  notTokens: [
    [HOST, true],
    [HOST, false],
  ],
  tooLarge: [
    [HOST, true],
    [HOST, false],
  ],
  refreshedOften: [[4]],
  nextTry: [
    ["Kimi's server auth.kimi.com is limiting sign-in requests.", 1_000],
    ["Kimi's server auth.kimi.com is limiting sign-in requests.", 300_000],
  ],
  notModels: [[{ host: "api.kimi.com" }]],
  notUsage: [[]],
  signInRefused: [[HOST, 418]],
  notACode: [[HOST]],
  loginNotRenewable: [[HOST]],
  foreignLink: [[HOST]],
  codeEndsTooSoon: [[HOST]],
  signInDenied: [[]],
  signInExpired: [[]],
  codeNotUsed: [["30 minutes"]],
  signInCanceled: [[]],
  configReadOnly: [[]],
  siteUnknown: [[]],
  handoverLost: [[]],
  unknownCode: [[]],
  invalidEndpoint: [["KIMI_CODE_BASE_URL", "does not use https"]],
  invalidProxy: [["HTTPS_PROXY"]],
  canceled: [[]],
  unexpected: [[]],
  keptInMemory: [[FILE]],
  login: [
    [
      {
        owner: "openclaw",
        account: "Ada",
        site: "kimi.com",
        file: "/home/someone/.openclaw/kimi-code-oauth/credentials/login-1.json",
      },
    ],
    [{ ...LOGIN, site: "kimi.com", refreshedAgoMs: 10_000 }],
    [{ ...OWN, site: "kimi.ai", refreshedAgoMs: 3 * 60_000 }],
    [{ ...OWN, site: "kimi.ai", refreshedAgoMs: 5 * 3_600_000 }],
    [{ ...OWN, site: "kimi.ai", refreshedAgoMs: 50 * 3_600_000 }],
    [{ ...OWN, site: "kimi.ai" }],
  ],
  copyLocked: [[]],
  fine: [[]],
  outOfDate: [[]],
  noProfile: [[]],
  noVideo: [[]],
  videoNotTaken: [[]],
  profileUnusable: [[]],
  severalLogins: [[]],
  usingOneOfSeveral: [
    ["latest", "Kimi Code CLI, kimi.com (/home/someone/.kimi-code)"],
    ["preferred", "Kimi Code CLI, kimi.com (/home/someone/.kimi-code)"],
  ],
  oneLogin: [["kimi-cli", "kimi.com", FILE]],
  signInHereInstead: [[]],
  signInInstead: [["The Kimi CLI is signed out."]],
  readingLogin: [[]],
  usingLogin: [["Kimi Code CLI, kimi.com"]],
  loginUnusable: [[]],
  sharedNow: [[]],
  ownLoginNow: [["kimi.ai"]],
  whichSite: [[]],
  askingForCode: [[]],
  codeSent: [[]],
  codeSentAgain: [[]],
  noCode: [[]],
  codeExpired: [[]],
  approved: [[]],
  notSignedIn: [[]],
  waitingFor: [["kimi.com", "14 minutes"]],
  compareCode: [["kimi.com"]],
  code: [["ABCD-EFGH"]],
  codeValid: [["15 minutes"]],
  openElsewhere: [[]],
  openHere: [[]],
  openUnattended: [["kimi.com"]],
  scan: [[]],
  webTimeout: [[{ tool: "search", seconds: 30 }], [{ tool: "fetch", seconds: 1 }]],
  notSearchResults: [[{ host: "api.kimi.com" }]],
  notPageText: [[{ host: "api.kimi.com" }]],
  noQuery: [[]],
  noSuchFilter: [[{ filter: "dates" }]],
  nothingFound: [[]],
  pageEmpty: [[]],
  pageCut: [[{ characters: 1_000_000 }]],
  notAPage: [[]],
  pageWithPassword: [[]],
  privatePage: [[]],
  pageUnknown: [[{ host: "nowhere.example" }]],
  offerWeb: [[]],
  webOn: [[]],
  webChosen: [[]],
};

/** The sentences with their names. */
export function sentences(): readonly (readonly [Id, string])[] {
  return (Object.keys(FACTS) as Id[]).flatMap((id) =>
    FACTS[id].map((facts) => {
      const sentence = (say[id] as (...args: readonly unknown[]) => string | TransientFailure)(
        ...facts,
      );
      return [id, typeof sentence === "string" ? sentence : sentence.message] as const;
    }),
  );
}

const API_FACTS = {
  model: "kimi-for-coding-highspeed",
  status: 403,
  window: "5h",
  resetsInMs: 47 * 3_600_000,
  site: "https://www.kimi.com",
  owner: "openclaw",
} as const;

/** The same, with everything that an answer may tell beside it. */
const MORE_API_FACTS = {
  ...API_FACTS,
  window: "7d",
  retryAfterMs: 20_000,
  detail: "tools[0].parameters: type is missing",
  tools: ["browser_open", "browser_click"],
  trace: "8f14e45f",
  owner: "kimi-code-cli",
} as const;

/** The answers of Kimi's API with their kinds. */
export function answerSentences(): readonly (readonly [keyof typeof answers, string])[] {
  return (Object.keys(answers) as (keyof typeof answers)[]).flatMap((kind) => [
    [kind, answers[kind](API_FACTS)] as const,
    [kind, answers[kind](MORE_API_FACTS)] as const,
  ]);
}

/** The answers of web search and fetch, with their tool and kind. */
export function webSentences(): readonly (readonly [string, string])[] {
  return (["search", "fetch"] as const).flatMap((tool) =>
    Object.entries(webAnswers).map(
      ([kind, tell]) => [`${tool}: ${kind}`, tell({ ...API_FACTS, tool })] as const,
    ),
  );
}
