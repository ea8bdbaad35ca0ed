/** One HTTP exchange with Kimi: bounded in time and size, no redirect followed, failures classified. */

import type { Dispatcher } from "undici";
import { say } from "../messages.ts";
import { keptModule } from "../kept-module.ts";
import { routeTo } from "./connection.ts";
import { decodeBody } from "./decode.ts";
import { KimiError } from "./errors.ts";
import { transportError } from "./transport-error.ts";

/** Longest time for one exchange, body included, in ms (the Kimi Code CLI's limit). */
export const REQUEST_TIMEOUT_MS = 30_000;
/** Largest response read from the token endpoint, in bytes; a real one has about 2 kB. */
const MAX_RESPONSE_BYTES = 256 * 1024;
/** Longest `Retry-After` that is believed, in ms. */
const MAX_RETRY_AFTER_MS = 5 * 60_000;

/** A request to one of Kimi's servers. */
export interface HttpRequest {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | undefined;
  /** Limit for the whole exchange, in ms. */
  readonly timeoutMs?: number | undefined;
  /** Limit for the response's body, in bytes. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal | undefined;
  /**
   * Called in the same turn of the event loop in which the request's bytes are written to a connected
   * socket. When it throws, nothing is sent, and the exchange rejects with that very error.
   */
  readonly beforeSend?: (() => void) | undefined;
  /** True for a caller that makes do with what arrives of a body; see {@link HttpResponse.cut}. */
  readonly acceptCut?: boolean;
  /** False at a sign-in, where there is no login yet that a message could reassure about. */
  readonly signedIn?: boolean;
}

/** A response; the body is text that may hold secrets and must not reach a message. */
export interface HttpResponse {
  readonly status: number;
  readonly text: string;
  /** What `Retry-After` asked for, in ms from now. */
  readonly retryAfterMs?: number | undefined;
  /** Set when the body did not come to its end; the text is what arrived. */
  readonly cut?: KimiError;
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
  if (/^\d+$/.test(text)) {
    return capped(Number(text) * 1000);
  }
  // Each form of an HTTP date starts with a day's name; `Date.parse` finds a date in "1.5" too.
  return /^[A-Z][a-z]{2,8},? /.test(text) ? capped(Date.parse(text) - nowMs) : undefined;
}

function capped(ms: number): number | undefined {
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS) : undefined;
}

/** Calls back when a connection is there and the request is about to be written to it. */
function watchSending(dispatcher: Dispatcher, onSend: () => void): Dispatcher {
  return dispatcher.compose(
    (dispatch) => (options, handler) =>
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

/** A body as far as it came. */
interface Body {
  readonly bytes: Uint8Array;
  /** Why it ended early: the limit, or the error of the connection. */
  readonly end: "complete" | "too large" | { readonly error: unknown };
}

async function readBody(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Body> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  let end: Body["end"] = "complete";
  try {
    for await (const chunk of body) {
      size += chunk.byteLength;
      if (size > maxBytes) {
        end = "too large";
        break;
      }
      chunks.push(chunk);
    }
  } catch (error) {
    end = { error };
  }
  return { bytes: Buffer.concat(chunks), end };
}

/** The HTTP client. */
export const loadUndici = keptModule(async () => await import("undici"));

/**
 * Sends one request and reads its whole response.
 *
 * Redirects are not followed: a form with a token in it must reach the address it was meant for or
 * none.
 *
 * @throws KimiError `network` without a response, `bad_reply` for one that is too large, `aborted`
 *   when the signal fired; what `beforeSend` threw
 */
export async function exchange(request: HttpRequest): Promise<HttpResponse> {
  const undici = await loadUndici();
  const url = new URL(request.url);
  const { dispatcher, proxy } = routeTo(undici, url);
  const timeoutMs = request.timeoutMs ?? REQUEST_TIMEOUT_MS;
  const maxBytes = request.maxBytes ?? MAX_RESPONSE_BYTES;
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = request.signal ? AbortSignal.any([request.signal, timeout]) : timeout;
  const signedIn = request.signedIn ?? true;
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
  const failure = (error: unknown): KimiError => {
    if (request.signal?.aborted === true) {
      return new KimiError("aborted", say.canceled());
    }
    return transportError({ url, proxy, error, timedOut: timeout.aborted, sent, signedIn });
  };
  let response: Dispatcher.ResponseData;
  try {
    response = await undici.request(request.url, {
      dispatcher: watchSending(dispatcher, onSend),
      method: request.method,
      headers: { "Accept-Encoding": "identity", ...request.headers },
      body: request.body ?? null,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      signal,
    });
  } catch (error) {
    throw stopped === undefined ? failure(error) : stopped.reason;
  }
  const { bytes, end } = await readBody(response.body, maxBytes);
  const status = response.statusCode;
  const cut =
    end === "complete"
      ? undefined
      : end === "too large"
        ? tooLarge(url.host, status, signedIn)
        : failure(end.error);
  if (cut !== undefined && (request.acceptCut !== true || cut.code === "aborted")) {
    throw cut;
  }
  return {
    status,
    text: decodeBody(bytes, headerOf(response, "content-encoding") ?? "", maxBytes),
    retryAfterMs: parseRetryAfter(headerOf(response, "retry-after"), Date.now()),
    ...(cut === undefined ? {} : { cut }),
  };
}

function headerOf({ headers }: Dispatcher.ResponseData, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}

function tooLarge(host: string, status: number, signedIn: boolean): KimiError {
  const { what, message } = say.tooLarge(host, signedIn);
  return new KimiError("bad_reply", message, { what, status, mayHaveReachedServer: true });
}
