/**
 * Every sentence that a user reads: what happened, then what to do. Errors come first, by their code.
 *
 * This module imports only words, so that every layer can use it. A caller hands in facts and gets the
 * whole text; a text is never edited afterwards, but for {@link ofProfile}. Tests hold the table against limits of length, its
 * endings and ways out, and against OpenClaw's own readers of these texts.
 */

import { ago, connectionTrouble, counted, longWait, obstacle, shortWait } from "./words.ts";

const SIGN_IN = "openclaw models auth login --provider kimi-code";
const DEVICE_SIGN_IN = `${SIGN_IN} --device-code`;

/** Who keeps a login. */
export type Owner = "kimi-cli" | "kimi-code-cli" | "openclaw";

const OWNERS: Readonly<Record<Owner, string>> = {
  "kimi-cli": "Kimi CLI (Python)",
  "kimi-code-cli": "Kimi Code CLI",
  openclaw: "OpenClaw",
};

/** What a sign-in is called by whom it belongs to. */
export function ownerLabel(owner: Owner): string {
  return OWNERS[owner];
}

/** A profile, as its user knows it. */
export interface ProfileName {
  readonly profileId: string;
  /** True for the profile that a sign-in makes unless told otherwise. */
  readonly isDefault: boolean;
  /** Whose login it is, as the host's lists show it. */
  readonly label: string | undefined;
  /** True where there are other Kimi profiles beside it. */
  readonly isOneOfSeveral: boolean;
}

const SIGN_IN_COMMAND = new RegExp(`${SIGN_IN}(?: --device-code)?`, "g");

/**
 * A sentence about a login as a sentence about a profile: with the account in front where there are
 * several, and with a command that signs in to this profile and not over the default one.
 */
export function ofProfile(
  sentence: string,
  { profileId, isDefault, label, isOneOfSeveral }: ProfileName,
): string {
  const text = isDefault
    ? sentence
    : sentence.replaceAll(SIGN_IN_COMMAND, `$& --profile-id ${profileId}`);
  return isOneOfSeveral ? `Kimi account ${label ?? profileId}: ${text}` : text;
}

/** A login and the file that holds it. */
interface LoginFacts {
  readonly owner: Owner;
  readonly file: string;
  /** A usable login of a Kimi CLI in another place. */
  readonly other?:
    | { readonly owner: Owner; readonly site: string; readonly folder?: string | undefined }
    | undefined;
}

/** A passing failure: what happened, and the whole message. */
export interface Passing {
  readonly what: string;
  readonly message: string;
}

/** True unless the failure belongs to a sign-in, where there is no login yet. */
type SignedIn = boolean;

function passing(what: string, advice: string, signedIn: SignedIn = true): Passing {
  return { what, message: `${what} ${advice}${signedIn ? "; you are still signed in." : "."}` };
}

function subject(owner: Owner): string {
  return owner === "openclaw" ? "OpenClaw's own Kimi login" : `The ${OWNERS[owner]} login`;
}

function signInAgain(owner: Owner): string {
  return owner === "openclaw"
    ? `Sign in again with: ${DEVICE_SIGN_IN}`
    : "Run `kimi login`, then try again.";
}

/**
 * How a user gets a login back. A user who has since switched CLI or region signs in there, so that
 * login is named; the command stands before the name, because OpenClaw's chat windows show 240
 * characters of an error.
 */
function wayBack({ owner, other }: Omit<LoginFacts, "file">, usual = signInAgain(owner)): string {
  if (other === undefined) {
    return usual;
  }
  const folder = other.folder === undefined ? "" : ` in ${other.folder}`;
  return `Sign in there, or run \`${SIGN_IN}\` to use the ${OWNERS[other.owner]} login at ${other.site}${folder}.`;
}

/** How a user gets a login back that Kimi has ended; without a full stop at its end. */
function endedWayBack(owner: Owner, other: LoginFacts["other"]): string {
  if (other !== undefined) {
    const folder = other.folder === undefined ? "" : ` in ${other.folder}`;
    return `Sign in there, or run \`${SIGN_IN}\` (uses the ${OWNERS[other.owner]} login at ${other.site}${folder})`;
  }
  return owner === "openclaw"
    ? signInAgain(owner)
    : "Run `kimi login` (OpenClaw picks it up automatically)";
}

/** A proxy on the way. */
interface ProxyFacts {
  readonly label: string;
  /** The environment variable that names it. */
  readonly variable: string;
}

function through(proxy: ProxyFacts | undefined): string {
  return proxy === undefined ? "" : ` through the proxy ${proxy.label}`;
}

/** What `openclaw doctor` says of a login. */
interface LoginStatus {
  readonly owner: Owner;
  /** What its user is called at Kimi. */
  readonly account?: string | undefined;
  readonly site: string;
  readonly file: string;
  readonly refreshedAgoMs?: number | undefined;
}

/** The usage window that an answer speaks of. */
export type Window = "5h" | "7d" | "month";

const WINDOWS: Readonly<Record<Window, string>> = {
  "5h": "5-hour ",
  "7d": "weekly ",
  month: "monthly ",
};

/** What a sentence about an answer of Kimi's API is filled with. */
export interface AnswerFacts {
  readonly model?: string | undefined;
  /** HTTP status. */
  readonly status?: number | undefined;
  readonly window?: Window | undefined;
  /** When the window ends, in ms from now. */
  readonly resetsInMs?: number | undefined;
  /** Kimi's web site for the login's region, e.g. `https://www.kimi.com`. */
  readonly site: string;
  readonly owner: Owner;
  /** How long Kimi asks to wait, in ms. */
  readonly retryAfterMs?: number | undefined;
  /** Kimi's own words about a fault of the request, shortened and without ids. */
  readonly detail?: string | undefined;
  /** The tools whose parameters may be meant. */
  readonly tools?: readonly string[] | undefined;
  /** Kimi's id of the request, for a report. */
  readonly trace?: string | undefined;
}

/** Said where a plan and not a usage limit is the reason: OpenClaw then shows the sentence itself. */
const NOT_THE_LIMIT = "(this is not about your weekly usage limit)";
/** The same, where the sentence has no other word that makes OpenClaw show it. */
const NOT_THE_PLAN = "(this is not about your plan's weekly usage limit)";

function waitOr(retryAfterMs: number | undefined, otherwise: string): string {
  return retryAfterMs === undefined ? otherwise : `in ${shortWait(retryAfterMs)}`;
}

function quoted(detail: string | undefined): string {
  return detail === undefined ? "" : `: "${detail}"`;
}

function http(status: number | undefined): string {
  return status === undefined ? "" : ` (HTTP ${String(status)})`;
}

/**
 * Answers of Kimi's API, by their kind.
 *
 * OpenClaw (2026.9.6) reads these words too: "expired" or a 4xx status means to it a login that must
 * be renewed. Of what it files under `rate_limit`, it shows a chat channel its own words about waiting
 * a few minutes, unless the sentence names a weekly or monthly limit; then it shows the sentence, of
 * which a chat window has room for 235 characters, and does not send the request again. For the
 * sentence to be shown at all, it must hold the word "plan", "resets" or a time.
 */
export const answers = {
  rejected_bearer: ({ owner }: AnswerFacts) =>
    `Kimi rejected this login's token, even after a refresh. ${signInAgain(owner)}`,
  no_access: ({ model = "this model", site }: AnswerFacts) =>
    `Your Kimi plan does not include ${model} ${NOT_THE_LIMIT}. Switch models with /model, or upgrade at ${site}/code.`,
  no_long_context: ({ model = "this model", site }: AnswerFacts) =>
    `Context length exceeded: this conversation needs more context than your Kimi plan allows for ${model}. Shorten it with /compact, or upgrade at ${site}/code.`,
  unknown_model: ({ model = "this model" }: AnswerFacts) =>
    `Kimi does not offer ${model} to this account. To list the models, run: openclaw models list --provider kimi-code --refresh`,
  no_membership: ({ site }: AnswerFacts) =>
    `This Kimi account has no active Kimi Code plan ${NOT_THE_LIMIT}. Activate a plan at ${site}/code; you are still signed in.`,
  quota: ({ window, resetsInMs, site }: AnswerFacts) => {
    const when =
      resetsInMs === undefined ? "Wait until it resets" : `Try again in ${longWait(resetsInMs)}`;
    return `You have reached your Kimi plan's ${window === undefined ? "" : WINDOWS[window]}usage limit. ${when}, or buy more usage at ${site}/code. To see your weekly and monthly limits: openclaw status --usage`;
  },
  no_credit: ({ site }: AnswerFacts) =>
    `This Kimi account's extra credit is used up. Add credit at ${site}/code, or wait until the plan's weekly usage limit resets.`,
  concurrency: () =>
    "This Kimi account has too many requests running at once, across all devices. Try again in 10 seconds.",
  identity_refused: () =>
    `Kimi does not accept this plugin as a client ${NOT_THE_PLAN}. If Kimi gave you a product name, set it as identity.product of kimi-code-oauth; otherwise, use another provider.`,
  banned: () =>
    `Kimi has suspended this account's access to its plan ${NOT_THE_LIMIT}. Contact Kimi's support; signing in again does not help.`,
  page_refused: () =>
    "Kimi will not fetch this page because it considers it unsafe. Try another page.",
  rate_limited: ({ retryAfterMs }: AnswerFacts) =>
    `Kimi is receiving too many requests right now. Try again ${waitOr(retryAfterMs, "in 5 seconds")}.`,
  overloaded: ({ retryAfterMs }: AnswerFacts) =>
    `Kimi's model servers are overloaded right now. Try again ${waitOr(retryAfterMs, "in a moment")}.`,
  context_overflow: ({ model = "this model" }: AnswerFacts) =>
    `Context length exceeded: this conversation is larger than ${model} takes. Shorten it with /compact, or start a new one with /new.`,
  image_too_large: () =>
    `Kimi did not take the image that you sent ${NOT_THE_PLAN}: it is too large or of a kind that Kimi does not read. Try a smaller one, as PNG or JPEG.`,
  bad_schema: ({ tools = [], detail }: AnswerFacts) =>
    `Kimi does not take the parameters of ${tools.length === 0 ? "a tool" : `the tool ${tools.join(" or ")}`} ${NOT_THE_PLAN}${quoted(detail)}. Turn that tool off, or report this to kimi-code-oauth.`,
  content_policy: () =>
    `Kimi's content policy blocked this request ${NOT_THE_PLAN}. Say it in other words, or switch models with /model.`,
  bad_request: ({ detail, trace }: AnswerFacts) =>
    `Kimi could not read this request ${NOT_THE_PLAN}${quoted(detail)}. Start a new conversation with /new${trace === undefined ? "" : `, or report trace ${trace}`}.`,
  server_error: ({ status, retryAfterMs }: AnswerFacts) =>
    `Kimi's server returned an error${http(status)}. Try again ${waitOr(retryAfterMs, "in a moment")}; you are still signed in.`,
  refused: () =>
    "Kimi's server refused the request for a reason this plugin does not recognize; you are still signed in. Try another model, or check your plan's weekly usage limit with: openclaw status --usage",
} as const;

/** A web tool of OpenClaw's. */
export type WebTool = "search" | "fetch";

const WEB_TOOLS: Readonly<Record<WebTool, string>> = {
  search: "web search",
  fetch: "page fetching",
};

const OTHER_PROVIDER = "choose another provider with: openclaw configure --section web";

/** Facts about an answer to a web tool's request. */
export interface WebAnswerFacts extends AnswerFacts {
  readonly tool: WebTool;
}

function notInPlan({ tool, site }: WebAnswerFacts): string {
  return `Your Kimi plan does not include ${WEB_TOOLS[tool]} ${NOT_THE_LIMIT}. Upgrade at ${site}/code, or ${OTHER_PROVIDER}`;
}

function notTaken({ tool }: WebAnswerFacts): string {
  return tool === "search"
    ? "Kimi did not accept this search. Try it in other words."
    : "Kimi did not accept this page's address. Try another page.";
}

function blocked(what: string, { tool }: WebAnswerFacts): string {
  return tool === "search"
    ? `${what} this search. Try it in other words.`
    : `${what} this page. Try another page.`;
}

/** Answers that mean something else to a web tool than to a model call; {@link answers} has the rest. */
export const webAnswers = {
  no_access: notInPlan,
  no_long_context: notInPlan,
  unknown_model: notInPlan,
  page_refused: (facts: WebAnswerFacts) =>
    facts.tool === "fetch"
      ? answers.page_refused()
      : blocked("Kimi considers the results unsafe and blocked", facts),
  content_policy: (facts: WebAnswerFacts) => blocked("Kimi's content policy blocked", facts),
  overloaded: ({ tool, retryAfterMs }: WebAnswerFacts) =>
    `Kimi's ${WEB_TOOLS[tool]} is overloaded right now. Try again ${waitOr(retryAfterMs, "in a moment")}.`,
  context_overflow: notTaken,
  image_too_large: notTaken,
  bad_schema: notTaken,
  bad_request: notTaken,
  server_error: (facts: WebAnswerFacts) =>
    facts.tool === "search"
      ? answers.server_error(facts)
      : `Kimi could not fetch this page${http(facts.status)}. Try again ${waitOr(facts.retryAfterMs, "in a moment")}, or try another page; you are still signed in.`,
  refused: ({ tool, status }: WebAnswerFacts) =>
    `Kimi's server refused ${WEB_TOOLS[tool]}${http(status)} for a reason this plugin does not recognize; you are still signed in. Check your plan's limits with \`openclaw status --usage\`, or ${OTHER_PROVIDER}`,
} as const satisfies Partial<Record<keyof typeof answers, (facts: WebAnswerFacts) => string>>;

/** Everything else, grouped by the error's code; what is not an error comes last. */
export const say = {
  // login_missing
  signedOut: ({ file, ...facts }: LoginFacts) =>
    facts.owner === "openclaw"
      ? `OpenClaw is signed out: no login at ${file}. ${wayBack(facts)}`
      : `The ${OWNERS[facts.owner]} is signed out: no login at ${file}. ${wayBack(facts)}`,
  danglingLink: ({ file, ...facts }: LoginFacts) =>
    `${subject(facts.owner)} at ${file} is a link to a file that is gone. ${wayBack(facts)}`,
  inKeychain: () =>
    `The Kimi Code CLI keeps its login in the system keychain, where it cannot be shared. Set \`credentials_store = "file"\` in its config.toml and run \`kimi login\`, or sign in separately with: ${DEVICE_SIGN_IN}`,
  noCliLogin: () =>
    `No Kimi CLI login was found on this machine. To share the login of a Kimi CLI, run \`kimi login\` first, then try again. To sign in without a Kimi CLI, run: ${DEVICE_SIGN_IN}`,
  profileWithoutLogin: () =>
    `This profile does not say which Kimi login it belongs to. Sign in again with: ${SIGN_IN}`,
  profileOfOtherAddress: () =>
    `This profile names a login that belongs to another address. Sign in again with: ${DEVICE_SIGN_IN}`,

  // login_revoked, login_unreadable, login_corrupt
  revoked: ({ owner, other }: Omit<LoginFacts, "file">) =>
    owner === "openclaw"
      ? `Kimi rejected OpenClaw's own login. ${wayBack({ owner, other })}`
      : `The ${OWNERS[owner]} has marked its login as rejected by Kimi. ${wayBack({ owner, other })}`,
  unreadable: ({ file, reason, ...facts }: LoginFacts & { readonly reason: string }) =>
    `${subject(facts.owner)} at ${file} cannot be read: ${reason}. Fix that first. ${wayBack(facts)}`,
  corrupt: ({ file, reason, ...facts }: LoginFacts & { readonly reason: string }) =>
    `${subject(facts.owner)} at ${file} is damaged: ${reason}. ${wayBack(facts)}`,

  // login_ended; OpenClaw puts these into a sentence of its own, so none ends with a full stop.
  ended: ({
    owner,
    other,
    replyLost,
  }: Omit<LoginFacts, "file"> & { readonly replyLost: boolean }) => {
    const what = replyLost
      ? "The connection broke while Kimi was renewing this login, and Kimi no longer accepts the old tokens."
      : "Kimi has ended this login.";
    return `${what} ${endedWayBack(owner, other)}`;
  },
  endedByKimi: () => `Kimi has ended this login. Sign in again with: ${SIGN_IN}`,
  notRenewable: ({ file, owner, other }: LoginFacts) =>
    `This Kimi login has ended, and its file ${file} holds no token to renew it with. ${endedWayBack(owner, other)}`,

  // account_changed
  accountChanged: ({ owner }: { readonly owner: Owner }) =>
    owner === "openclaw"
      ? `This OpenClaw profile's login now belongs to another account. ${signInAgain(owner)}`
      : `The ${OWNERS[owner]} is now signed in to another account than this OpenClaw profile. To use that account here, run: ${SIGN_IN}`,

  // home_not_writable
  mountedAlone: ({ file, folder }: { readonly file: string; readonly folder: string }) =>
    `Could not refresh the login: ${file} is mounted as a single file and cannot be replaced. Mount the folder ${folder}, not the file, and make it writable; you are still signed in.`,
  tokensNotSaved: ({
    folder,
    code,
  }: {
    readonly folder: string;
    readonly code: string | undefined;
  }) =>
    `Could not refresh the login, because new tokens cannot be saved in ${folder}: ${obstacle(code)} and try again; you are still signed in.`,
  lockBlocked: ({ file, reason }: { readonly file: string; readonly reason: string }) =>
    `Could not refresh the login: ${file} is in the way of its lock (${reason}). Delete it and try again; you are still signed in.`,
  lockNotWritable: ({ lock }: { readonly lock: string }) =>
    `Could not refresh the login: its lock ${lock} cannot be taken. Make that folder writable and try again; you are still signed in.`,
  newLoginNotSaved: ({ folder }: { readonly folder: string }) =>
    `The new login could not be saved in ${folder}. Make that folder writable and sign in again.`,
  personalNotSaved: ({ folder }: { readonly folder: string }) =>
    `This account's login could not be saved in ${folder}. Make that folder writable and try again; you are still signed in.`,
  profilesNotWritable: () =>
    "OpenClaw's auth profiles could not be written. Check its state folder and try again.",

  // home_unavailable
  unavailable: ({ owner, file, reason }: LoginFacts & { readonly reason: string }) =>
    `${subject(owner)} at ${file} cannot be read right now: ${reason}. Try again in a moment; you are still signed in.`,
  refreshUnavailable: ({ reason }: { readonly reason: string }) =>
    `The login could not be refreshed right now: ${reason}. Try again in a moment; you are still signed in.`,

  // home_busy
  lockHeld: ({ owner, lock }: { readonly owner: Owner; readonly lock: string }) =>
    `Another program has been refreshing the ${OWNERS[owner]} login for over a minute (lock: ${lock}). Try again; you are still signed in.`,
  alwaysOvertaken: () =>
    "Other programs keep renewing this login at the same moment. Try again; you are still signed in.",
  renewedElsewhere: () =>
    "Another program may be renewing this login right now. Try again in a minute; you are still signed in.",
  renewedByCli: () =>
    "The Kimi CLI renewed the login at the same moment. Try again; you are still signed in.",
  renewedWithNextMessage: () =>
    "The Kimi token must be renewed first, which happens with the next message. Try again; you are still signed in.",

  // network
  proxyNeedsPassword: (proxy: ProxyFacts, signedIn: SignedIn) =>
    passing(
      `The proxy ${proxy.label} asks for a user name and password (HTTP 407).`,
      `Add them to the address in ${proxy.variable} and try again`,
      signedIn,
    ),
  proxyRefused: (proxy: ProxyFacts, host: string, status: number | undefined, signedIn: SignedIn) =>
    passing(
      `The proxy ${proxy.label} refused the connection to ${host}${http(status)}.`,
      `Check the proxy and ${proxy.variable} and try again`,
      signedIn,
    ),
  proxyUnreached: (proxy: ProxyFacts, code: string, signedIn: SignedIn) =>
    passing(
      `The proxy ${proxy.label} could not be reached: ${connectionTrouble(code)}.`,
      `Check the proxy and ${proxy.variable} and try again`,
      signedIn,
    ),
  certificateNotVerified: (host: string, proxy: ProxyFacts | undefined, signedIn: SignedIn) =>
    passing(
      `Kimi's server ${host} could not be reached${through(proxy)}: its certificate could not be verified.`,
      "If your network has a certificate of its own, set NODE_EXTRA_CA_CERTS to its file, or NODE_USE_SYSTEM_CA=1, and try again",
      signedIn,
    ),
  serverUnreached: (
    host: string,
    proxy: ProxyFacts | undefined,
    code: string,
    signedIn: SignedIn,
  ) =>
    passing(
      `Kimi's server ${host} could not be reached${through(proxy)}: ${connectionTrouble(code)}.`,
      "Check the network or proxy and try again",
      signedIn,
    ),

  // rate_limited, server_unavailable, refused, bad_reply
  serverLimits: (host: string, signedIn: SignedIn) =>
    passing(
      `Kimi's server ${host} is limiting sign-in requests.`,
      signedIn ? "Wait a moment and try again" : "Wait a moment and sign in again",
      signedIn,
    ),
  serverFailed: (host: string, status: number, signedIn: SignedIn) =>
    passing(
      `Kimi's server ${host} returned an error (HTTP ${String(status)}).`,
      signedIn ? "Wait a moment and try again" : "Wait a moment and sign in again",
      signedIn,
    ),
  redirected: (host: string, signedIn: SignedIn) =>
    passing(
      `${host} tried to redirect the sign-in request, so it was blocked.`,
      `Check the network or proxy and ${signedIn ? "try again" : "sign in again"}`,
      signedIn,
    ),
  refreshRefused: (host: string, status: number) =>
    passing(
      `Kimi's server ${host} refused to refresh the login (HTTP ${String(status)}), which says nothing about the login itself.`,
      "Try again in a minute",
    ),
  notTokens: (host: string, signedIn: SignedIn) =>
    passing(
      `${host} answered with something other than Kimi's tokens.`,
      `Check the network or proxy and ${signedIn ? "try again" : "sign in again"}`,
      signedIn,
    ),
  tooLarge: (host: string, signedIn: SignedIn) =>
    passing(
      `${host} sent a response that is too large to be Kimi's.`,
      "Check the network or proxy and try again",
      signedIn,
    ),
  refreshedOften: (times: number) =>
    passing(
      `This login was already renewed ${String(times)} times in the last minute.`,
      "Try again in a minute",
    ),
  nextTry: (what: string, waitMs: number) =>
    `${what} The next try is in ${shortWait(waitMs)}; you are still signed in.`,
  notModels: ({ host }: { readonly host: string }) =>
    `${host} answered with something other than Kimi's list of models. Check the network or proxy and try again; the last list stays in use.`,
  notUsage: () =>
    "Kimi answered, but not with usage that this plugin can read. Update the plugin, or look at the usage on Kimi's site.",

  // sign-in
  signInRefused: (host: string, status: number) =>
    `Kimi's server ${host} refused the sign-in (HTTP ${String(status)}). Sign in again; if that does not help, update this plugin.`,
  notACode: (host: string) =>
    `${host} answered with something other than a sign-in code. Check the network or proxy and sign in again.`,
  loginNotRenewable: (host: string) =>
    `${host} sent a login that could not be renewed. Check the network or proxy and sign in again.`,
  foreignLink: (host: string) =>
    `${host} sent a sign-in link that does not lead to Kimi's own site, so it is not shown. Check the network or proxy and sign in again.`,
  codeEndsTooSoon: (host: string) =>
    `${host} sent a sign-in code that ends before it may be used. Check the network or proxy and sign in again.`,
  signInDenied: () =>
    "The sign-in was denied on Kimi's page. Nothing was stored; sign in again if that was a mistake.",
  signInExpired: () =>
    "The sign-in was not approved within 15 minutes. Nothing was stored; sign in again when you are ready.",
  handoverLost: () =>
    "The connection broke while Kimi was handing over the login, and Kimi hands it over only once. Sign in again.",
  unknownCode: () => "Kimi no longer knows this sign-in code. Sign in again.",

  codeNotUsed: (left: string) =>
    `Nobody approved the sign-in code within ${left}. Nothing was stored; sign in again when you are ready.`,
  signInCanceled: () =>
    "The sign-in was canceled. Nothing was stored; sign in again when you are ready.",
  siteUnknown: () =>
    `Kimi has two sites, and nothing says which one your account is on. Set region to mainland-cn (kimi.com) or global (kimi.ai), then sign in again: openclaw config set plugins.entries.kimi-code-oauth.config.region global`,
  // Web search and fetch
  webTimeout: ({ tool, seconds }: { readonly tool: WebTool; readonly seconds: number }) =>
    `Kimi's ${WEB_TOOLS[tool]} did not answer within ${counted(seconds, "second")}. Try again; you are still signed in.`,
  notSearchResults: ({ host }: { readonly host: string }) =>
    `${host} answered with something other than search results. Check the network or proxy and try again; you are still signed in.`,
  notPageText: ({ host }: { readonly host: string }) =>
    `${host} answered with something other than a page's text. Check the network or proxy and try again; you are still signed in.`,
  noQuery: () => "This search has no words to search for. Try again with a query.",
  noSuchFilter: ({ filter }: { readonly filter: string }) =>
    `Kimi's web search has no filter for ${filter}. Try again without ${filter}, and put what matters into the query.`,
  nothingFound: () => "Kimi found nothing for this search. Try it in other words.",
  pageEmpty: () => "Kimi found no text on this page. Try another page.",
  pageCut: ({ characters }: { readonly characters: number }) =>
    `The page is longer than what was taken over: its text was cut after ${String(characters)} characters.`,
  notAPage: () =>
    "Kimi fetches only pages with an http or https address. Check the address and try again.",
  pageWithPassword: () =>
    "The address holds a user name or password, so it was not sent to Kimi. Try again without them.",
  privatePage: () =>
    "The address leads to a private or local network, so it was not sent to Kimi. Try a public page.",
  pageUnknown: ({ host }: { readonly host: string }) =>
    `The name ${host} could not be resolved here, so it was not sent to Kimi. Check the address and try again.`,

  // endpoint_invalid, aborted
  invalidEndpoint: (source: string, reason: string) =>
    `The Kimi address in ${source} ${reason}. Correct it, or remove it to use Kimi's own servers.`,
  invalidProxy: (variable: string) =>
    `The proxy address in ${variable} is not valid. Correct it, or remove it to connect without a proxy.`,
  canceled: () => "The request was canceled.",
  unexpected: () =>
    "The request could not be sent because of a fault in kimi-code-oauth. Try again; if it happens again, report it.",

  // Notices
  keptInMemory: (file: string) =>
    `New tokens could not be written to ${file}. They are used from memory and written as soon as that works.`,

  // `openclaw doctor`
  login: (facts: LoginStatus) => {
    const whose =
      facts.owner === "openclaw"
        ? "OpenClaw's own Kimi login"
        : `Kimi login shared with the ${OWNERS[facts.owner]}`;
    const when =
      facts.refreshedAgoMs === undefined ? "" : `, last refreshed ${ago(facts.refreshedAgoMs)}`;
    const where =
      facts.account === undefined ? facts.site : `${facts.site}, account ${facts.account}`;
    return `${whose} (${where}), stored in ${facts.file}${when}.`;
  },
  copyLocked: () =>
    "An interrupted refresh left OpenClaw's copy locked. To restore it, restart: openclaw gateway restart",
  fine: () => "OK. Access tokens last 15 minutes and are renewed automatically.",
  outOfDate: () =>
    "OK. The access token is out of date, which is normal after a break; the next use renews it. To ask Kimi now: openclaw models status",
  noProfile: () => `OpenClaw has no Kimi login yet. Sign in with: ${SIGN_IN}`,
  profileUnusable: () =>
    "OpenClaw cannot use its Kimi login right now. To find out why, run: openclaw doctor",

  // Sign-in, on the screen
  severalLogins: () => "Several Kimi logins are on this machine. Which one should OpenClaw use?",
  usingOneOfSeveral: (why: "latest" | "preferred", login: string) =>
    `Several Kimi logins are on this machine. Using the one ${why === "latest" ? "refreshed last" : "that your settings prefer"}: ${login}.`,
  oneLogin: (owner: Owner, site: string, file: string) => `${OWNERS[owner]}, ${site} (${file})`,
  signInHereInstead: () =>
    "No Kimi CLI login was found on this machine. Sign in with a browser instead?",
  signInInstead: (problem: string) => `${problem} Sign in with a browser instead?`,
  readingLogin: () => "Reading the Kimi CLI login…",
  usingLogin: (login: string) => `Using the login of the ${login}`,
  loginUnusable: () => "The Kimi CLI login could not be used",
  sharedNow: () =>
    "OpenClaw and the Kimi CLI now share one login. When one refreshes it, the other picks up the new tokens.",
  offerWeb: () =>
    "Let agents search the web with this Kimi login too? Their searches, and the addresses of pages that OpenClaw cannot read itself, then go to Kimi.",
  webOn: () =>
    "Agents now search the web with this Kimi login. To end that, which you must do before you remove this plugin: openclaw config unset tools.web.search.provider",
  webChosen: () =>
    "Searches of your agents now go to Kimi. Before you remove this plugin, run: openclaw config unset tools.web.search.provider",
  ownLoginNow: (site: string) =>
    `OpenClaw now has its own Kimi login (${site}). Signing in or out of a Kimi CLI does not affect it.`,
  whichSite: () => "Where is your Kimi account?",
  askingForCode: () => "Asking Kimi for a sign-in code",
  codeSent: () => "Kimi sent a sign-in code",
  codeSentAgain: () => "The code expired; here is a new one",
  noCode: () => "Kimi sent no sign-in code",
  codeExpired: () => "The code expired",
  approved: () => "Approved",
  notSignedIn: () => "Not signed in",
  waitingFor: (site: string, left: string) => `Waiting for your approval at ${site} (${left} left)`,
  compareCode: (site: string) =>
    `Open the link on any device, compare the code and approve the sign-in at ${site}.`,
  code: (code: string) => `Code: ${code}`,
  codeValid: (left: string) =>
    `Valid for ${left}. Approve it only if the page shows this code and you started this sign-in.`,
  openElsewhere: () =>
    "There is no browser on this machine. Open this link on any device and approve the sign-in:",
  openUnattended: (site: string) =>
    `Open this link on any device and approve the sign-in at ${site}:`,
  scan: () => "Or scan this to open the link on a phone:",
  openHere: () =>
    "Approve the sign-in in your browser. If it does not open by itself, open this link on any device:",
} as const;
