import { describe, expect, it } from "vitest";
import { answers, ofProfile, ownerLabel, type Passing, say, webAnswers } from "../src/messages.ts";

type Table = typeof say;
type Id = keyof Table;

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
const FACTS: { readonly [K in Id]: readonly (readonly [...Parameters<Table[K]>])[] } = {
  signedOut: LOGINS,
  danglingLink: LOGINS,
  inKeychain: [[]],
  noCliLogin: [[]],
  profileWithoutLogin: [[]],
  profileOfOtherAddress: [[]],
  revoked: LOGINS,
  unreadable: [[{ ...LOGIN, reason: REASON }], [{ ...OTHER, reason: REASON }]],
  corrupt: [[{ ...LOGIN, reason: "it is empty" }], [{ ...OWN, reason: "it is empty" }]],
  ended: LOGINS.flatMap(([facts]) => [
    [{ ...facts, replyLost: false }] as const,
    [{ ...facts, replyLost: true }] as const,
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
  siteUnknown: [[]],
  handoverLost: [[]],
  unknownCode: [[]],
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
  offerWeb: [[]],
  webOn: [[]],
  webChosen: [[]],
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
};

/** What says where things stand on a screen, and asks or offers nothing. */
const LABELS: ReadonlySet<Id> = new Set([
  "oneLogin",
  "readingLogin",
  "usingLogin",
  "loginUnusable",
  "askingForCode",
  "codeSent",
  "codeSentAgain",
  "noCode",
  "codeExpired",
  "approved",
  "notSignedIn",
  "waitingFor",
  "code",
]);
/** Sentences after which a user has nothing to do. */
const COMPLETE: ReadonlySet<Id> = new Set([
  "canceled",
  "keptInMemory",
  "login",
  "fine",
  "usingOneOfSeveral",
  "sharedNow",
  "ownLoginNow",
  "offerWeb",
  "pageCut",
]);
/** What a user can do: a command, a file to change, a wait, another try, an answer to give. */
const WAY_OUT =
  /openclaw |kimi login|try again|sign in again|Sign in |next try|Fix |Correct it|Delete it|Check |Add |Mount |Make |Free |Bring |Update |[Oo]pen this link|Approve it|approve the sign-in|Switch |upgrade|Activate|Contact|Wait |Shorten|Try |report it|use another provider|Turn |Say it |Start a |scan |Run `|\?$/u;

function sentences(): readonly (readonly [Id, string])[] {
  return (Object.keys(FACTS) as Id[]).flatMap((id) =>
    FACTS[id].map((facts) => {
      const told = (say[id] as (...args: readonly unknown[]) => string | Passing)(...facts);
      return [id, typeof told === "string" ? told : told.message] as const;
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

describe("a sentence about one of several profiles", () => {
  const work = {
    profileId: "kimi-code:work",
    isDefault: false,
    label: "Ada",
    isOneOfSeveral: true,
  };

  it("names the account in front, and signs in to that profile", () => {
    expect(
      ofProfile(say.ended({ owner: "openclaw", other: undefined, replyLost: false }), work),
    ).toBe(
      "Kimi account Ada: Kimi has ended this login. Sign in again with: openclaw models auth login --provider kimi-code --device-code --profile-id kimi-code:work",
    );
    expect(ofProfile(say.endedByKimi(), work)).toMatch(
      / --provider kimi-code --profile-id kimi-code:work$/u,
    );
  });

  it("names the profile where Kimi told no name", () => {
    expect(ofProfile(say.canceled(), { ...work, label: undefined })).toBe(
      "Kimi account kimi-code:work: The request was canceled.",
    );
  });

  it("is the same for the only profile", () => {
    const only = {
      ...work,
      profileId: "kimi-code:default",
      isDefault: true,
      isOneOfSeveral: false,
    };
    expect(ofProfile(say.endedByKimi(), only)).toBe(say.endedByKimi());
  });
});

describe("every sentence for users", () => {
  const all = [
    ...sentences(),
    ...Object.entries(answers).map(([kind, tell]) => [kind, tell(API_FACTS)] as const),
    ...(["search", "fetch"] as const).flatMap((tool) =>
      Object.entries(webAnswers).map(
        ([kind, tell]) => [`${tool}: ${kind}`, tell({ ...API_FACTS, tool })] as const,
      ),
    ),
  ];
  const told = all.filter(([id]) => !LABELS.has(id as Id));

  it.each(told)("%s is at most 400 characters without its paths: %s", (_id, text) => {
    const shortened = text.replaceAll(/\/home\/\S+/gu, "/path");
    expect(shortened.length).toBeLessThanOrEqual(400);
  });

  it.each(told)("%s begins with a capital and has an ending: %s", (_id, text) => {
    expect(text).toMatch(/^(?:[A-Z]|auth\.|api\.)/u);
    // A full stop, a question, or a command that can be copied; a way in brackets.
    expect(text).toMatch(
      /(?:[.?:)]|kimi-code|region global|--device-code|--refresh|--usage|restart|doctor|status|--section web|search\.provider)$/u,
    );
    expect(text).not.toMatch(/\.\.|\s\s|undefined|;\s*$|\s$/u);
  });

  it.each(told.filter(([id]) => !COMPLETE.has(id as Id)))("%s names a way out: %s", (_id, text) => {
    expect(text).toMatch(WAY_OUT);
  });

  it.each(all)("%s uses words that users know: %s", (_id, text) => {
    const words = text.replaceAll(/\/home\/\S+/gu, "");
    expect(words).not.toMatch(/\b(?:home|slot|chain|fence|bearer|tombstone|credential)\b/iu);
    expect(words).not.toMatch(/whoever|in vain|anew|meanwhile|for good|all the same|is kept/iu);
  });

  it.each(told.filter(([, text]) => text.includes("still signed in")))(
    "%s reassures at the end of a sentence: %s",
    (_id, text) => {
      expect(text).toMatch(/; you are still signed in\./u);
    },
  );
});

describe("a sentence about a login that has ended", () => {
  it.each(FACTS.ended)("has no full stop, because OpenClaw goes on after it: %o", (facts) => {
    expect(say.ended(facts)).not.toMatch(/\.$/u);
  });
});

describe("a sentence at a sign-in", () => {
  it.each(sentences().filter(([id]) => FACTS[id].some((facts) => facts.includes(false as never))))(
    "%s says nothing about being signed in when there is no login yet",
    (id) => {
      const atSignIn = FACTS[id].filter((facts) => facts.includes(false as never));
      for (const facts of atSignIn) {
        const told = (say[id] as (...args: readonly unknown[]) => Passing)(...facts);
        expect(told.message).not.toContain("still signed in");
        expect(told.message.startsWith(told.what)).toBe(true);
      }
    },
  );
});

describe("an owner", () => {
  it("has a name that users know", () => {
    expect(ownerLabel("kimi-cli")).toBe("Kimi CLI (Python)");
    expect(ownerLabel("kimi-code-cli")).toBe("Kimi Code CLI");
    expect(ownerLabel("openclaw")).toBe("OpenClaw");
  });
});
