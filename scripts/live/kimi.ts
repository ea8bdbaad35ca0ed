/** Requests of the check: the plugin's own exchange, identity, bearer and refresh. */

import { setTimeout as delay } from "node:timers/promises";
import { isRecord, parseJson } from "../../src/json.ts";
import type { Credential } from "../../src/logins/credential.ts";
import type { Home } from "../../src/logins/homes.ts";
import { type Login, openLogin } from "../../src/logins/login.ts";
import type { LoginDeps } from "../../src/logins/login-deps.ts";
import { refreshOnce, type UnsavedTokens } from "../../src/logins/transaction.ts";
import { type AnswerKind, classifyResponse, responseParts } from "../../src/protocol/api-errors.ts";
import { KimiError } from "../../src/protocol/errors.ts";
import { exchange } from "../../src/protocol/http.ts";
import type { Redactor } from "./redact.ts";
import { watchOAuth, type WireResponse } from "./wire.ts";

/** Time limit for an answer of a model, in ms. */
export const MODEL_TIMEOUT_MS = 180_000;
/** Time limit for any other request, in ms. */
const TIMEOUT_MS = 30_000;
/** Largest response that is read, in bytes. */
const MAX_BYTES = 4 * 1024 * 1024;
/** Requests in all when Kimi asks for patience. */
const MAX_ATTEMPTS = 3;
/** First pause before the next of them, in ms; it doubles. */
const FIRST_PAUSE_MS = 5_000;
/** Longest pause that is kept, in ms. */
const MAX_PAUSE_MS = 60_000;
/** How often tokens that could not be saved are tried again, once a second. */
const MAX_SAVES = 30;

/** A request below the login's API base. */
export interface LiveRequest {
  readonly method?: "GET" | "POST";
  readonly path: string;
  /** Sent as JSON, or as it stands when it is text. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** A bearer in place of the login's own. */
  readonly bearer?: string;
  readonly timeoutMs?: number;
}

/** What came back. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  /** `undefined` for a body that is not JSON. */
  readonly json: unknown;
  /** What the plugin takes it for. */
  readonly kind: AnswerKind | undefined;
  /** The error's type and words, with what is secret in them hidden. */
  readonly type: string | undefined;
  readonly message: string;
}

/** A refresh as it went. */
export interface Refreshed {
  readonly before: Credential;
  readonly after: Credential;
  /** The token endpoint's response; `undefined` when a peer refreshed the login at the same moment. */
  readonly response: WireResponse | undefined;
}

/** Kimi or the account keeps a check from being made; it says nothing about the fact. */
export class Unavailable extends Error {
  override readonly name = "Unavailable";
}

/** Answers that are about the account or the moment, and not about what was sent. */
const UNRELATED: ReadonlySet<AnswerKind | undefined> = new Set([
  "banned",
  "concurrency",
  "identity_refused",
  "no_access",
  "no_credit",
  "no_membership",
  "overloaded",
  "quota",
  "rate_limited",
  "server_error",
]);

/** True for an answer that says nothing about what was sent. */
export function isUnrelated({ kind }: Pick<Answer, "kind">): boolean {
  return UNRELATED.has(kind);
}

/** What a client needs. */
export interface KimiDeps {
  readonly home: Home;
  readonly headers: Readonly<Record<string, string>>;
  readonly redactor: Redactor;
  readonly signal: AbortSignal;
  /** Tells the user something. */
  readonly tell: (text: string) => void;
  /** Waits, in ms; rejects when the signal fires. */
  readonly sleep: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
}

/** One login, as this check uses it. */
export class Kimi {
  readonly home: Home;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly #deps: KimiDeps;
  readonly #loginDeps: LoginDeps;
  readonly #login: Login;

  constructor(deps: KimiDeps) {
    this.home = deps.home;
    this.headers = deps.headers;
    this.signal = deps.signal;
    this.#deps = deps;
    this.#loginDeps = {
      headers: async () => deps.headers,
      notice: deps.tell,
      now: Date.now,
      // A refresh that has begun is finished, also after Ctrl-C.
      sleep: async (ms) => {
        await delay(ms);
      },
    };
    this.#login = openLogin(deps.home, this.#loginDeps);
  }

  /**
   * Tokens that are good now.
   *
   * @throws KimiError
   */
  async access(rejectedAccessToken?: string): Promise<Credential> {
    const { signal } = this;
    const credential = await this.#login.access({ signal, rejectedAccessToken });
    this.#learn(credential);
    return credential;
  }

  #learn({ accessToken, refreshToken }: Credential): void {
    this.#deps.redactor.addToken(accessToken);
    this.#deps.redactor.addToken(refreshToken);
  }

  /**
   * Refreshes the login by the plugin's own transaction, under the lock of its owner.
   *
   * @throws KimiError
   */
  async refresh(): Promise<Refreshed> {
    this.signal.throwIfAborted();
    const before = this.#login.current();
    this.#learn(before);
    const { result, responses } = await watchOAuth(this.home.endpoints, async () => {
      const first = await refreshOnce(this.home, this.#loginDeps, {
        rejectedAccessToken: before.accessToken,
        responseLost: false,
      });
      return first.unsaved === undefined ? first : await this.#save(first.unsaved);
    });
    this.#learn(result.credential);
    return { before, after: result.credential, response: responses.at(-1) };
  }

  /** Tries again to save tokens that are in memory only: without them the login would be over. */
  async #save(unsaved: UnsavedTokens) {
    this.#deps.tell(`New tokens could not be saved in ${this.home.dir}; trying again for a while.`);
    for (let attempt = 1; ; attempt += 1) {
      await delay(1_000);
      const result = await refreshOnce(this.home, this.#loginDeps, {
        unsaved,
        responseLost: false,
      });
      if (result.unsaved === undefined) {
        return result;
      }
      if (attempt >= MAX_SAVES) {
        this.#deps.tell(
          "They could not be saved. Sign in again with the program that this login belongs to.",
        );
        return result;
      }
    }
  }

  /**
   * Sends a request as the plugin does: its identity, a fresh bearer, one renewal when Kimi rejects
   * it. Waits when Kimi asks for patience.
   *
   * @throws KimiError when no answer comes
   */
  async send(request: LiveRequest): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      const { answer, retryAfterMs } = await this.#attempt(request);
      const isBusy = answer.kind === "rate_limited" || answer.kind === "overloaded";
      const pauseMs = Math.max(retryAfterMs ?? 0, FIRST_PAUSE_MS * 2 ** (attempt - 1));
      if (!isBusy || attempt >= MAX_ATTEMPTS || pauseMs > MAX_PAUSE_MS) {
        return answer;
      }
      this.#deps.tell(`Kimi asks for patience: ${String(Math.ceil(pauseMs / 1_000))} s`);
      await this.#deps.sleep(pauseMs, this.signal);
    }
  }

  async #attempt(request: LiveRequest) {
    if (request.bearer !== undefined) {
      return await this.#once(request, request.bearer);
    }
    const { accessToken } = await this.access();
    const first = await this.#once(request, accessToken);
    if (first.answer.kind !== "rejected_bearer") {
      return first;
    }
    const renewed = await this.access(accessToken);
    return renewed.accessToken === accessToken
      ? first
      : await this.#once(request, renewed.accessToken);
  }

  async #once(request: LiveRequest, bearer: string) {
    const { body, path } = request;
    const isText = typeof body === "string";
    const response = await exchange({
      method: request.method ?? (body === undefined ? "GET" : "POST"),
      url: `${this.home.endpoints.apiBase}${path}`,
      headers: {
        Accept: "application/json",
        ...(body === undefined || isText ? {} : { "Content-Type": "application/json" }),
        ...this.headers,
        Authorization: `Bearer ${bearer}`,
        // As the host's transport for this protocol sends it.
        ...(path === "/messages" ? { "x-api-key": bearer } : {}),
        ...request.headers,
      },
      body: body === undefined || isText ? body : JSON.stringify(body),
      timeoutMs: request.timeoutMs ?? TIMEOUT_MS,
      maxBytes: MAX_BYTES,
      signal: this.signal,
    });
    const { status, text, retryAfterMs } = response;
    const parts = responseParts(status, text);
    const { redactor } = this.#deps;
    return {
      answer: {
        status,
        text,
        json: parseJson(text),
        kind: classifyResponse(status, text),
        // Before anything is cut short: of half a secret nobody can tell that it is one.
        type: parts.type === undefined ? undefined : redactor.clean(parts.type),
        message: redactor.clean(parts.message),
      },
      retryAfterMs,
    };
  }

  /**
   * Like {@link send}, for a check that is not about the account.
   *
   * @throws Unavailable when the answer says nothing about the request
   */
  async ask(request: LiveRequest): Promise<Answer> {
    const answer = await this.send(request);
    if (isUnrelated(answer)) {
      throw new Unavailable(describe(answer));
    }
    return answer;
  }
}

/** Longest text of the server's that is shown, in characters. */
const MAX_TEXT = 160;

/** The server's words on one line. */
function shorten(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length <= MAX_TEXT ? line : `${line.slice(0, MAX_TEXT)}…`;
}

/** An answer in a few words. */
export function describe({ status, type, message, text }: Answer): string {
  if (status < 400) {
    return String(status);
  }
  const page = /^\s*</.test(text) ? "a web page" : `"${shorten(message)}"`;
  return `${String(status)} ${type ?? "without a type"}: ${text === "" ? "no body" : page}`;
}

/** True for the error body that both OpenAI routes and, with a `type` around it, messages have. */
export function hasErrorShape({ json }: Answer, isMessages = false): boolean {
  return (
    isRecord(json) &&
    isRecord(json.error) &&
    typeof json.error.message === "string" &&
    typeof json.error.type === "string" &&
    (!isMessages || json.type === "error")
  );
}

/** True for an error that only says that Kimi was not to be had. */
export function isPassing(error: unknown): error is KimiError {
  return error instanceof KimiError && error.transient && error.code !== "aborted";
}
