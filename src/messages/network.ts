/** Sentences about the way to Kimi and its servers, grouped by the error's code. */

import { connectionReason, shortWait } from "../words.ts";
import {
  type ProxyFacts,
  type SignedIn,
  statusInBrackets,
  throughProxy,
  transient,
} from "./transient.ts";

/** By what is wrong with a request. */
export const networkSentences = {
  // network
  proxyNeedsPassword: (proxy: ProxyFacts, signedIn: SignedIn) =>
    transient(
      `The proxy ${proxy.label} asks for a user name and password (HTTP 407).`,
      `Add them to the address in ${proxy.variable} and try again`,
      signedIn,
    ),
  proxyRefused: (proxy: ProxyFacts, host: string, status: number | undefined, signedIn: SignedIn) =>
    transient(
      `The proxy ${proxy.label} refused the connection to ${host}${statusInBrackets(status)}.`,
      `Check the proxy and ${proxy.variable} and try again`,
      signedIn,
    ),
  proxyUnreached: (proxy: ProxyFacts, code: string, signedIn: SignedIn) =>
    transient(
      `The proxy ${proxy.label} could not be reached: ${connectionReason(code)}.`,
      `Check the proxy and ${proxy.variable} and try again`,
      signedIn,
    ),
  certificateNotVerified: (host: string, proxy: ProxyFacts | undefined, signedIn: SignedIn) =>
    transient(
      `Kimi's server ${host} could not be reached${throughProxy(proxy)}: its certificate could not be verified.`,
      "If your network has a certificate of its own, set NODE_EXTRA_CA_CERTS to its file, or NODE_USE_SYSTEM_CA=1, and try again",
      signedIn,
    ),
  serverUnreached: (
    host: string,
    proxy: ProxyFacts | undefined,
    code: string,
    signedIn: SignedIn,
  ) =>
    transient(
      `Kimi's server ${host} could not be reached${throughProxy(proxy)}: ${connectionReason(code)}.`,
      "Check the network or proxy and try again",
      signedIn,
    ),

  // rate_limited, server_unavailable, refused, bad_reply
  serverLimits: (host: string, signedIn: SignedIn) =>
    transient(
      `Kimi's server ${host} is limiting sign-in requests.`,
      signedIn ? "Wait a moment and try again" : "Wait a moment and sign in again",
      signedIn,
    ),
  serverFailed: (host: string, status: number, signedIn: SignedIn) =>
    transient(
      `Kimi's server ${host} returned an error (HTTP ${String(status)}).`,
      signedIn ? "Wait a moment and try again" : "Wait a moment and sign in again",
      signedIn,
    ),
  redirected: (host: string, signedIn: SignedIn) =>
    transient(
      `${host} tried to redirect the sign-in request, so it was blocked.`,
      `Check the network or proxy and ${signedIn ? "try again" : "sign in again"}`,
      signedIn,
    ),
  refreshRefused: (host: string, status: number) =>
    transient(
      `Kimi's server ${host} refused to refresh the login (HTTP ${String(status)}), which says nothing about the login itself.`,
      "Try again in a minute",
    ),
  notTokens: (host: string, signedIn: SignedIn) =>
    transient(
      `${host} answered with something other than Kimi's tokens.`,
      `Check the network or proxy and ${signedIn ? "try again" : "sign in again"}`,
      signedIn,
    ),
  tooLarge: (host: string, signedIn: SignedIn) =>
    transient(
      `${host} sent a response that is too large to be Kimi's.`,
      "Check the network or proxy and try again",
      signedIn,
    ),
  refreshedOften: (times: number) =>
    transient(
      `This login was already renewed ${String(times)} times in the last minute.`,
      "Try again in a minute",
    ),
  nextTry: (what: string, waitMs: number) =>
    `${what} The next try is in ${shortWait(waitMs)}; you are still signed in.`,
  notModels: ({ host }: { readonly host: string }) =>
    `${host} answered with something other than Kimi's list of models. Check the network or proxy and try again; the last list stays in use.`,
  notUsage: () =>
    "Kimi answered, but not with usage that this plugin can read. Update the plugin, or look at the usage on Kimi's site.",
} as const;
