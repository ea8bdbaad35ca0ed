/**
 * One HTTP exchange with Kimi: bounded in time and size, no redirect followed, failures sorted.
 *
 * The host's proxy settings apply: it puts its proxy into undici's global dispatcher, which all copies
 * of undici share. Where it has not done so, the proxy variables of the environment count.
 */

import type { Dispatcher } from "undici";
import { KimiError, systemErrorCode } from "./errors.ts";

/** Longest time for one exchange, body included, in ms (the Kimi Code CLI's limit). */
export const REQUEST_TIMEOUT_MS = 30_000;
/** Largest reply read from the token endpoint, in bytes; a real one has about 2 kB. */
export const MAX_REPLY_BYTES = 256 * 1024;
/** Longest `Retry-After` that is believed, in ms. */
const MAX_RETRY_AFTER_MS = 24 * 60 * 60 * 1000;

/** A request to one of Kimi's servers. */
export interface HttpRequest {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  /** Limit for the whole exchange, in ms. */
  readonly timeoutMs?: number | undefined;
  /** Limit for the reply's body, in bytes. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal | undefined;
  /**
   * Called in the same turn of the event loop in which the request's bytes are written to a connected
   * socket. When it throws, nothing is sent, and the exchange rejects with that very error.
   */
  readonly beforeSend?: (() => void) | undefined;
}

/** A complete reply; the body is text that may hold secrets and must not reach a message. */
export interface HttpReply {
  readonly status: number;
  readonly text: string;
  /** What `Retry-After` asked for, in ms from now. */
  readonly retryAfterMs?: number | undefined;
}

/** Plain words for the errors that users meet most. */
function describeFailure(code: string | undefined): string {
  switch (code) {
    case "ECONNREFUSED":
      return "the connection was refused";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "its name could not be resolved";
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
      return describeTlsFailure(code ?? "");
  }
}

function describeTlsFailure(code: string): string {
  if (code.includes("CERT") || code.startsWith("UNABLE_TO_")) {
    return "its certificate could not be verified";
  }
  return /TLS|SSL|EPROTO/.test(code)
    ? "no secure connection could be made"
    : "the connection failed";
}

/** The error for an exchange that ended without a reply. */
function transportError(url: string, code: string | undefined, sent: boolean): KimiError {
  const host = new URL(url).host;
  const what = `Kimi's server ${host} could not be reached: ${describeFailure(code)}.`;
  return new KimiError(
    "network",
    `${what} Check the network or proxy and try again; you are still signed in.`,
    { what, retryable: true, mayHaveReachedServer: sent },
  );
}

/**
 * Reads `Retry-After` (RFC 9110, section 10.2.3): seconds or a date.
 *
 * @param nowMs - current time, ms since the epoch
 * @returns ms from now, or `undefined` when it is absent or unusable
 */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) {
    return undefined;
  }
  const text = value.trim();
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS) : undefined;
}

let environmentProxy: Dispatcher | undefined;

/** The host's dispatcher where it set one, else one that goes by the proxy variables. */
function dispatcherFor(undici: typeof import("undici")): Dispatcher {
  const shared = undici.getGlobalDispatcher();
  if (shared.constructor.name !== "Agent") {
    return shared;
  }
  environmentProxy ??= new undici.EnvHttpProxyAgent();
  return environmentProxy;
}

/** Calls back when a connection is there and the request is about to be written to it. */
function watchSending(dispatcher: Dispatcher, onSend: () => void): Dispatcher {
  return dispatcher.compose((dispatch) => (options, handler) =>
    dispatch(options, {
      onRequestStart: (controller, context) => {
        onSend();
        handler.onRequestStart?.(controller, context);
      },
      onResponseStart: (...args) => handler.onResponseStart?.(...args),
      onResponseData: (...args) => handler.onResponseData?.(...args),
      onResponseEnd: (...args) => handler.onResponseEnd?.(...args),
      onResponseError: (...args) => handler.onResponseError?.(...args),
    }),
  );
}

async function readLimited(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > maxBytes) {
      return undefined;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/**
 * Sends one request and reads its whole reply.
 *
 * Redirects are not followed: a form with a token in it must reach the address it was meant for or
 * none.
 *
 * @throws KimiError `network` without a reply, `bad_reply` for one that is too large, `aborted`
 *   when the signal fired
 */
export async function exchange(request: HttpRequest): Promise<HttpReply> {
  const undici = await import("undici");
  const timeoutMs = request.timeoutMs ?? REQUEST_TIMEOUT_MS;
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = request.signal ? AbortSignal.any([request.signal, timeout]) : timeout;
  let sent = false;
  let stopped: { readonly reason: unknown } | undefined;
  const onSend = (): void => {
    try {
      request.beforeSend?.();
    } catch (reason) {
      stopped = { reason };
      throw reason;
    }
    sent = true;
  };
  let status: number;
  let text: string | undefined;
  let retryAfter: string | undefined;
  try {
    const reply = await undici.request(request.url, {
      dispatcher: watchSending(dispatcherFor(undici), onSend),
      method: request.method,
      headers: request.headers,
      body: request.body ?? null,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      signal,
    });
    status = reply.statusCode;
    const header = reply.headers["retry-after"];
    retryAfter = typeof header === "string" ? header : undefined;
    text = await readLimited(reply.body, request.maxBytes ?? MAX_REPLY_BYTES);
  } catch (error) {
    if (request.signal?.aborted === true) {
      throw new KimiError("aborted", "The request was canceled.");
    }
    if (stopped !== undefined) {
      throw stopped.reason;
    }
    throw transportError(request.url, timeout.aborted ? "ABORT_TIMEOUT" : systemErrorCode(error), sent);
  }
  if (text === undefined) {
    throw new KimiError(
      "bad_reply",
      `${new URL(request.url).host} sent a reply that is too large to be Kimi's. Check the network or proxy and try again; you are still signed in.`,
      { status, mayHaveReachedServer: true },
    );
  }
  return { status, text, retryAfterMs: parseRetryAfter(retryAfter, Date.now()) };
}
