/** What a user is told when an exchange ends without a reply: what failed, where, and what to check. */

import { KimiError, systemErrorCode } from "./errors.ts";
import type { Proxy } from "./proxy-env.ts";

/** What is known of a failed exchange. */
export interface TransportFailure {
  readonly url: URL;
  /** The proxy on the way, where it is known. */
  readonly proxy: Proxy | undefined;
  readonly error: unknown;
  readonly timedOut: boolean;
  /** True when the request's bytes may have left. */
  readonly sent: boolean;
}

/** Errors of reaching a machine at all. */
const UNREACHED = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "EHOSTDOWN",
  "ENETUNREACH",
  "ENETDOWN",
  "EADDRNOTAVAIL",
  "ETIMEDOUT",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/** Plain words for the errors that users meet most. */
function describe(code: string): string {
  switch (code) {
    case "ECONNREFUSED":
      return "the connection was refused";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "its name could not be resolved";
    case "ETIMEDOUT":
    case "UND_ERR_CONNECT_TIMEOUT":
    case "UND_ERR_HEADERS_TIMEOUT":
    case "UND_ERR_BODY_TIMEOUT":
    case "ABORT_TIMEOUT":
      return "it did not answer in time";
    case "ECONNRESET":
    case "UND_ERR_SOCKET":
    case "EPIPE":
      return "the connection broke";
    default:
      return /TLS|SSL|EPROTO/.test(code)
        ? "no secure connection could be made"
        : "the connection failed";
  }
}

function isCertificateError(code: string): boolean {
  return code.includes("CERT") || code.startsWith("UNABLE_TO_");
}

/** The SOCKS client keeps the code of a failed connection in its message only. */
function codeInWords(error: unknown): string {
  const message = error instanceof Error ? error.message : "";
  return message === "Proxy connection timed out"
    ? "ETIMEDOUT"
    : (/\b(E[A-Z]{4,})\b/.exec(message)?.[1] ?? "");
}

/** What a proxy answered to the wish for a connection; undici and the SOCKS client say it in words only. */
function proxyAnswer(error: unknown): number | "refused" | undefined {
  for (let current = error; current instanceof Error; current = current.cause) {
    const status = /Proxy response \((\d{3})\)/.exec(current.message)?.[1];
    if (status !== undefined) {
      return Number(status);
    }
    if (/Socks[45]/i.test(current.message)) {
      return "refused";
    }
  }
  return undefined;
}

/** What failed at the proxy, and what to check; `undefined` when it is not at fault. */
function proxyTrouble(
  { proxy, error, sent, url }: TransportFailure,
  code: string,
): [string, string] | undefined {
  if (proxy === undefined || sent) {
    return undefined;
  }
  const { label, variable } = proxy;
  const answer = proxyAnswer(error);
  if (answer === 407) {
    return [
      `The proxy ${label} asks for a user name and password (HTTP 407).`,
      `Add them to the address in ${variable}`,
    ];
  }
  if (answer !== undefined) {
    const status = answer === "refused" ? "" : ` (HTTP ${String(answer)})`;
    return [
      `The proxy ${label} refused the connection to ${url.host}${status}.`,
      `Check the proxy and ${variable}`,
    ];
  }
  return UNREACHED.has(code)
    ? [
        `The proxy ${label} could not be reached: ${describe(code)}.`,
        `Check the proxy and ${variable}`,
      ]
    : undefined;
}

/** The error for an exchange that ended without a reply. */
export function transportError(failure: TransportFailure): KimiError {
  const { url, proxy, error, timedOut, sent } = failure;
  const code = timedOut ? "ABORT_TIMEOUT" : (systemErrorCode(error) ?? codeInWords(error));
  const through = proxy === undefined || sent ? "" : ` through the proxy ${proxy.label}`;
  const [what, advice] =
    proxyTrouble(failure, code) ??
    (isCertificateError(code)
      ? [
          `Kimi's server ${url.host} could not be reached${through}: its certificate could not be verified.`,
          "If your network has a certificate of its own, set NODE_EXTRA_CA_CERTS to its file, or NODE_USE_SYSTEM_CA=1,",
        ]
      : [
          `Kimi's server ${url.host} could not be reached${through}: ${describe(code)}.`,
          "Check the network or proxy",
        ]);
  return new KimiError("network", `${what} ${advice} and try again; you are still signed in.`, {
    what,
    retryable: true,
    mayHaveReachedServer: sent,
  });
}
