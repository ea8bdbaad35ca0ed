/**
 * `wrapStreamFn`: each model call carries a bearer that is fresh at that moment and a body as Kimi
 * takes it; a call whose bearer is rejected before its first event is sent once more with a
 * refreshed one, where the host itself would end the turn, and one that is refused for an image, once
 * more with none but the user's last; and a failure is told in plain words.
 */

import type { ProviderWrapStreamFnContext } from "openclaw/plugin-sdk/plugin-entry";
import { knownModel } from "../models/known.ts";
import type { BoundLogin } from "../profiles/bound-login.ts";
import { type CallSite, correctNextCooldown, keepNextCooldown } from "../profiles/cooldown.ts";
import { EventStream, type Message, type StreamEvent, type StreamFn } from "./event-stream.ts";
import { explainReport, failureEvent, inPlainWords } from "./explain.ts";
import { asksForFewerRequests, isRejectedBearer } from "./failures.ts";
import { tokensOf, withOwnHistory } from "./history.ts";
import {
  type Fitted,
  fitMedia,
  isRefusedImage,
  refusedFiles,
  withFileIds,
  withoutOtherMedia,
} from "./media.ts";
import { ToolNames } from "./names.ts";
import { kimiBody, MESSAGES_BETA } from "./payload.ts";
import { loginOfRun, withoutRunHeaders } from "./run-login.ts";
import { TextCalls } from "./text-calls.ts";
import { schemasByName } from "./tool-schemas.ts";
import { Uploads } from "./uploads.ts";

type StreamOptions = Parameters<StreamFn>[2];
type Model = Parameters<StreamFn>[0];
type Context = Parameters<StreamFn>[1];
type Response = Parameters<NonNullable<NonNullable<StreamOptions>["onResponse"]>>[0];

/** The members of the host's context that are used. */
type StreamContext = CallSite & Pick<ProviderWrapStreamFnContext, "thinkingLevel">;

/** Longest id of a request that is shown. */
const MAX_TRACE = 40;
/** How often a call is sent with other files than those that were refused. */
const MAX_FILE_TRIES = 2;

/** One model call of a run, which may take more than one request. */
class ModelCall {
  readonly #inner: StreamFn;
  readonly #login: BoundLogin;
  readonly #model: Model;
  readonly #fullContext: Context;
  /** What goes out: what of the whole fits; a refused image makes it shorter. */
  #context: Context;
  #files: Fitted["files"] = new Map();
  readonly #uploads: Uploads;
  readonly #options: StreamOptions;
  readonly #site: StreamContext;
  readonly #schemas: ReadonlyMap<string, object>;
  readonly #names: ToolNames;
  /** Headers of the last response. */
  #headers: Response["headers"] = {};

  constructor(
    inner: StreamFn,
    login: BoundLogin,
    [model, context, options]: Parameters<StreamFn>,
    site: StreamContext,
  ) {
    this.#inner = inner;
    this.#login = login;
    this.#uploads = new Uploads(login);
    this.#model = model;
    this.#names = new ToolNames((context.tools ?? []).map(({ name }) => name));
    this.#fullContext = this.#names.outward(withOwnHistory(context, model));
    this.#context = this.#fullContext;
    this.#options = options;
    this.#site = site;
    this.#schemas = schemasByName(this.#context.tools);
  }

  /** Makes the call; what becomes of it is in the stream, whatever it is. */
  async run(stream: EventStream): Promise<void> {
    try {
      await this.#makeCall(stream);
    } catch (error) {
      const isAborted = this.#options?.signal?.aborted === true;
      stream.push(failureEvent(error, { model: this.#model, login: this.#login, isAborted }));
    }
    stream.end();
  }

  async #makeCall(stream: EventStream): Promise<void> {
    const signal = this.#options?.signal;
    signal?.throwIfAborted();
    await this.#fitMedia();
    let { accessToken } = await this.#login.access({ signal });
    let call = await this.#sendAndReadAhead(accessToken);
    if (isRejectedBearer(reportOf(call.ahead))) {
      const renewed = await this.#login.access({ signal, rejectedAccessToken: accessToken });
      if (renewed.accessToken !== accessToken) {
        ({ accessToken } = renewed);
        call = await this.#sendAndReadAhead(accessToken);
      }
    }
    for (let tries = 0; tries < MAX_FILE_TRIES; tries += 1) {
      const refused = refusedFiles(reportOf(call.ahead), this.#files);
      if (refused.length === 0) {
        break;
      }
      await this.#uploads.forget(refused);
      await this.#fitMedia();
      call = await this.#sendAndReadAhead(accessToken);
    }
    if (isRefusedImage(reportOf(call.ahead))) {
      const bare = withoutOtherMedia(this.#context);
      if (bare !== this.#context) {
        this.#context = bare;
        call = await this.#sendAndReadAhead(accessToken);
      }
    }
    const written = new TextCalls();
    const pass = async (event: StreamEvent): Promise<void> => {
      for (const one of written.rewrite(event)) {
        stream.push(await this.#explained(one));
      }
    };
    for (const event of call.ahead) {
      await pass(event);
    }
    for (;;) {
      const next = await call.events.next();
      if (next.done === true) {
        break;
      }
      await pass(next.value);
    }
    // A transport may end without an event that says so.
    const last = await call.result();
    if (last.stopReason === "error" || last.stopReason === "aborted") {
      stream.push(await this.#explained({ type: "error", reason: last.stopReason, error: last }));
    } else {
      stream.end(last);
    }
  }

  /** Finds room for the images and videos of the conversation. */
  async #fitMedia(): Promise<void> {
    const taken: readonly string[] = this.#model.input;
    const { context, files } = await fitMedia(this.#fullContext, async (parts) =>
      this.#uploads.idsOf(
        parts.filter(({ type }) => taken.includes(type)),
        this.#options?.signal,
      ),
    );
    this.#context = context;
    this.#files = files;
  }

  /** Sends the call and reads ahead to the first event that says whether it was accepted. */
  async #sendAndReadAhead(token: string) {
    const inner = await this.#inner(this.#callModel(), this.#context, this.#callOptions(token));
    const events = inner[Symbol.asyncIterator]();
    const ahead: StreamEvent[] = [];
    for (;;) {
      const next = await events.next();
      if (next.done !== true) {
        ahead.push(next.value);
      }
      if (next.done === true || next.value.type !== "start") {
        return { ahead, events, result: async () => await inner.result() };
      }
    }
  }

  /**
   * The call's model: without the headers that name a login; and with a flag where Kimi does not sign
   * its thinking, which the host would otherwise send back as text.
   */
  #callModel(): Model {
    const model = { ...this.#model, headers: withoutRunHeaders(this.#model.headers) };
    return model.api === "anthropic-messages"
      ? {
          ...model,
          compat: { ...model.compat, allowEmptySignature: true },
        }
      : model;
  }

  /** The call's options: this bearer in the headers of the transport, and the hand on the body. */
  #callOptions(token: string): StreamOptions {
    const options = this.#options;
    const { api, id } = this.#model;
    const facts = {
      row: knownModel(id, this.#login),
      // The host lowers `max` in its own option; a simple completion has that option only.
      level: this.#site.thinkingLevel ?? options?.reasoning,
      sessionId: options?.sessionId,
      maxTokens: options?.maxTokens,
      usedTokens: tokensOf(this.#context),
      schemas: this.#schemas,
    };
    return {
      ...options,
      ...(options !== undefined && "toolChoice" in options
        ? { toolChoice: this.#names.choice(options.toolChoice) }
        : {}),
      headers: {
        ...options?.headers,
        Authorization: `Bearer ${token}`,
        // This transport sends the run's first key here, which may be stale by now.
        ...(api === "anthropic-messages"
          ? { "x-api-key": token, "anthropic-beta": MESSAGES_BETA }
          : {}),
      },
      onPayload: async (payload, model) =>
        withFileIds(
          kimiBody(api, (await options?.onPayload?.(payload, model)) ?? payload, facts),
          this.#files,
        ),
      onResponse: async (response, model) => {
        this.#headers = response.headers;
        await options?.onResponse?.(response, model);
      },
    };
  }

  async #explained(wire: StreamEvent): Promise<StreamEvent> {
    const event = this.#names.inward(wire);
    if (event.type !== "error" || event.error.stopReason !== "error") {
      return event;
    }
    const retryAfter = Number(this.#headers["retry-after"]);
    const known = await explainReport(event.error, {
      modelId: this.#model.id,
      login: this.#login,
      schemas: new Map(
        [...this.#schemas].map(([name, schema]) => [this.#names.originalOf(name), schema]),
      ),
      retryAfterMs: retryAfter > 0 ? retryAfter * 1_000 : undefined,
      trace: this.#headers["x-trace-id"]?.slice(0, MAX_TRACE),
    });
    if (known !== undefined && asksForFewerRequests(known.kind)) {
      keepNextCooldown(this.#login);
    } else {
      correctNextCooldown(this.#login, this.#site, known?.resetsInMs);
    }
    return known === undefined
      ? event
      : { ...event, error: inPlainWords(event.error, known, this.#login) };
  }
}

/** The report of a call that failed before its first event. */
function reportOf(ahead: readonly StreamEvent[]): Message | undefined {
  const last = ahead.at(-1);
  return last?.type === "error" ? last.error : undefined;
}

/**
 * Wraps a stream function of the host.
 *
 * @param inner - the host's own transport
 * @param site - the host's context of the run
 */
export function wrapStream(inner: StreamFn, site: StreamContext): StreamFn {
  return (...call) => {
    const [model] = call;
    const login = loginOfRun(model.headers);
    if (login === undefined) {
      return inner(...call);
    }
    const stream = new EventStream();
    void new ModelCall(inner, login, call, site).run(stream);
    return stream;
  };
}
