/** Sentences of sign-ins, web tools and `openclaw doctor`; what is not an error comes last. */

import { ago, counted } from "../words.ts";
import { WEB_TOOLS, type WebTool } from "./answers.ts";
import { type Owner, OWNERS, SIGN_IN } from "./owner.ts";

/** What `openclaw doctor` says of a login. */
interface LoginStatus {
  readonly owner: Owner;
  /** What its user is called at Kimi. */
  readonly account?: string | undefined;
  readonly site: string;
  readonly file: string;
  readonly refreshedAgoMs?: number | undefined;
}

/** By where a user reads them. */
export const screenSentences = {
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
  configReadOnly: () =>
    "This OpenClaw must not change its config, so onboarding cannot finish; nothing was asked or stored. Sign in with this command, in a terminal: openclaw models auth login --provider kimi-code",
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
  noVideo: () =>
    "No model of this Kimi account takes videos. Switch to an account that has one, or send pictures.",
  videoNotTaken: () =>
    "Kimi did not take the upload of the video. Send a smaller one, or try again in five minutes.",
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
    "Agents now search the web with this Kimi login. To end that: openclaw config unset tools.web.search.provider",
  webChosen: () =>
    "Searches of your agents now go to Kimi. To end that: openclaw config unset tools.web.search.provider",
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
