/** What a user is told when an exchange ends without a response: what failed, where, and what to check. */

import { say, type TransientFailure } from "../messages.ts";
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
  /** False at a sign-in, where there is no login yet. */
  readonly signedIn: boolean;
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

function isCertificateError(code: string): boolean {
  return code.includes("CERT") || code.startsWith("UNABLE_TO_");
}

/** The SOCKS client keeps the code of a failed connection in its message only. */
function codeInMessage(error: unknown): string {
  const message = error instanceof Error ? error.message : "";
  return message === "Proxy connection timed out"
    ? "ETIMEDOUT"
    : (/\b(E[A-Z]{4,})\b/.exec(message)?.[1] ?? "");
}

/** A proxy's response to the request for a connection; undici and the SOCKS client say it in words only. */
function proxyResponse(error: unknown): number | "refused" | undefined {
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

/** What is said when the proxy is at fault; `undefined` when it is not. */
function proxyFailure(
  { proxy, error, sent, url, signedIn }: TransportFailure,
  code: string,
): TransientFailure | undefined {
  if (proxy === undefined || sent) {
    return undefined;
  }
  const response = proxyResponse(error);
  if (response === 407) {
    return say.proxyNeedsPassword(proxy, signedIn);
  }
  if (response !== undefined) {
    return say.proxyRefused(
      proxy,
      url.host,
      response === "refused" ? undefined : response,
      signedIn,
    );
  }
  return UNREACHED.has(code) ? say.proxyUnreached(proxy, code, signedIn) : undefined;
}

/** The error for an exchange that ended without a response. */
export function transportError(failure: TransportFailure): KimiError {
  const { url, proxy, error, timedOut, sent, signedIn } = failure;
  const code = timedOut ? "ABORT_TIMEOUT" : (systemErrorCode(error) ?? codeInMessage(error));
  const onTheWay = sent ? undefined : proxy;
  const { what, message } =
    proxyFailure(failure, code) ??
    (isCertificateError(code)
      ? say.certificateNotVerified(url.host, onTheWay, signedIn)
      : say.serverUnreached(url.host, onTheWay, code, signedIn));
  return new KimiError("network", message, { what, retryable: true, mayHaveReachedServer: sent });
}
