/**
 * One call of `POST /search` or `POST /fetch`: within one time limit, with the login's bearer and one
 * refresh of it, and with each failure told apart.
 */

import type { OpenClawConfig } from "openclaw/plugin-sdk/provider-auth";
import { answers, say, type WebAnswerFacts, webAnswers, type WebTool } from "../messages.ts";
import { bindLogin, type BoundLogin } from "../profiles/bound-login.ts";
import { type AnswerKind, classifyResponse, quotaWindow } from "../protocol/api-errors.ts";
import { siteOf } from "../protocol/endpoints.ts";
import { isKimiError } from "../protocol/errors.ts";
import type { HttpResponse } from "../protocol/http.ts";

/** How much longer an exchange may last than the whole call, in ms, so that the call's limit comes first. */
const SLACK_MS = 5_000;
/** Longest time of a call that a setting can ask for, in ms (the Python CLI's limit for a search). */
const MAX_TIMEOUT_MS = 180_000;
/** OpenClaw's own limit where none is set, in ms. */
const TIMEOUT_MS = 30_000;

/** Why a web tool has no result; the message is complete for a user. */
export class WebToolError extends Error {
  override readonly name = "WebToolError";
  /** What happened, in a word; OpenClaw's Settings sort by such words (`auth`, `quota`, `timeout`). */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** What OpenClaw hands to a tool's call. */
export interface CallContext {
  readonly signal?: AbortSignal | undefined;
  /** Throws when the caller may no longer ask; checked right before bytes leave. */
  readonly assertCurrent?: (() => void) | undefined;
}

/** A call. */
export interface WebRequest extends CallContext {
  readonly tool: WebTool;
  readonly body: object;
  /** `Accept`. */
  readonly accept: string;
  readonly timeoutMs: number;
  /** Most bytes read of the response. */
  readonly maxBytes: number;
  /** True when the first part of a longer response serves, too. */
  readonly acceptCut?: boolean;
}

/** OpenClaw's setting `timeoutSeconds`, in ms. */
export function timeoutOf(seconds: unknown): number {
  return typeof seconds === "number" && Number.isFinite(seconds) && seconds > 0
    ? Math.min(seconds * 1_000, MAX_TIMEOUT_MS)
    : TIMEOUT_MS;
}

/**
 * The login that a web tool uses: that of the agent's first profile.
 *
 * @throws WebToolError without one
 */
export function loginForWeb(
  agentDir: string | undefined,
  config: OpenClawConfig | undefined,
): BoundLogin {
  const login = bindLogin(agentDir, undefined, config);
  if (login === undefined) {
    throw new WebToolError("auth_missing", say.noProfile());
  }
  return login;
}

/** The words that OpenClaw's Settings look for, where a kind's own name has none of them. */
const SETTINGS_CODES: Readonly<Partial<Record<AnswerKind, string>>> = {
  rejected_bearer: "auth_rejected",
  no_membership: "billing_no_membership",
  concurrency: "rate_limit_concurrency",
};

function responseError(
  login: BoundLogin,
  tool: WebTool,
  response: HttpResponse,
  kind: AnswerKind,
): Error {
  const facts: WebAnswerFacts = {
    tool,
    status: response.status,
    retryAfterMs: response.retryAfterMs,
    site: siteOf(login.home.endpoints),
    owner: login.home.kind,
    window: kind === "quota" ? quotaWindow(response.text) : undefined,
  };
  const table: Readonly<Partial<Record<AnswerKind, (facts: WebAnswerFacts) => string>>> =
    webAnswers;
  const sentence = (table[kind] ?? answers[kind])(facts);
  return new WebToolError(SETTINGS_CODES[kind] ?? kind, login.named(sentence));
}

/** The error of a call, in words; an error that is not ours stays as it is. */
function webErrorOf(error: unknown, login: BoundLogin): unknown {
  if (!isKimiError(error)) {
    return error;
  }
  const isLogin = error.code.startsWith("login_") || error.code === "account_changed";
  return new WebToolError(isLogin ? `auth_${error.code}` : error.code, login.named(error.message));
}

/**
 * Sends a call.
 *
 * @returns a response with status 200
 * @throws WebToolError in plain words; the caller's own reason after a cancellation
 */
export async function askKimi(login: BoundLogin, request: WebRequest): Promise<HttpResponse> {
  const { tool, body, accept, timeoutMs, maxBytes, acceptCut = false } = request;
  request.signal?.throwIfAborted();
  const deadline = AbortSignal.timeout(timeoutMs);
  const signal = request.signal ? AbortSignal.any([request.signal, deadline]) : deadline;
  let response: HttpResponse;
  try {
    response = await login.request({
      method: "POST",
      path: tool === "search" ? "/search" : "/fetch",
      headers: { Accept: accept, "Content-Type": "application/json" },
      body: JSON.stringify(body),
      timeoutMs: timeoutMs + SLACK_MS,
      maxBytes,
      acceptCut,
      signal,
      beforeSend: request.assertCurrent,
    });
  } catch (error) {
    request.signal?.throwIfAborted();
    if (deadline.aborted) {
      const seconds = Math.ceil(timeoutMs / 1_000);
      throw new WebToolError("timeout", say.webTimeout({ tool, seconds }));
    }
    throw webErrorOf(error, login);
  }
  request.signal?.throwIfAborted();
  const kind = classifyResponse(response.status, response.text);
  if (kind !== undefined) {
    throw responseError(login, tool, response, kind);
  }
  if (
    response.status !== 200 ||
    (response.cut !== undefined && response.cut.code !== "bad_reply")
  ) {
    throw response.status === 200
      ? webErrorOf(response.cut, login)
      : unexpectedResponse(login, tool);
  }
  return response;
}

/** The error for a response that is not one of this endpoint. */
export function unexpectedResponse(login: BoundLogin, tool: WebTool): WebToolError {
  const { host } = new URL(login.home.endpoints.apiBase);
  return new WebToolError(
    "bad_reply",
    tool === "search" ? say.notSearchResults({ host }) : say.notPageText({ host }),
  );
}
