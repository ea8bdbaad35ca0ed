/**
 * `wrapStreamFn`: each model call carries a bearer that is fresh at that moment and a body as Kimi
 * takes it; a call that is refused for its bearer before its first event is sent once more with a
 * refreshed one, where the host itself would end the turn; and a failure is told in plain words.
 */

import type { ProviderWrapStreamFnContext } from "openclaw/plugin-sdk/plugin-entry";
import { clearComingCooldown, type CallSite } from "../profiles/cooldown.ts";
import { type Explained, explainError, explainReport } from "./explain.ts";
import { asksForPatience, failureCode, isRejectedBearer } from "./failures.ts";
import { knownModel } from "../models/known.ts";
import { kimiBody, MESSAGES_BETA } from "./payload.ts";
import { loginOfRun, type RunLogin } from "./run-login.ts";
import { schemasByName } from "./tool-schemas.ts";

type StreamFn = NonNullable<ProviderWrapStreamFnContext["streamFn"]>;
type Stream = Awaited<ReturnType<StreamFn>>;
type StreamEvent = Stream extends AsyncIterable<infer Event> ? Event : never;
type StreamOptions = Parameters<StreamFn>[2];
type Model = Parameters<StreamFn>[0];
type Message = Extract<StreamEvent, { type: "error" }>["error"];

/** A stream whose first telling event has arrived. */
interface OpenStream {
  readonly stream: Stream;
  readonly iterator: AsyncIterator<StreamEvent>;
  /** Events that were read ahead. */
  readonly ahead: readonly IteratorResult<StreamEvent>[];
}

/** The members of the host's context that are used. */
type StreamContext = CallSite & Pick<ProviderWrapStreamFnContext, "thinkingLevel">;

/** Reads ahead to the first event that says whether the call was accepted. */
async function openStream(started: ReturnType<StreamFn>): Promise<OpenStream> {
  const stream = await started;
  const iterator = stream[Symbol.asyncIterator]();
  const ahead: IteratorResult<StreamEvent>[] = [];
  for (;;) {
    const next = await iterator.next();
    ahead.push(next);
    if (next.done === true || next.value.type !== "start") {
      return { stream, iterator, ahead };
    }
  }
}

/** The report of a call that failed before its first event. */
function earlyReport({ ahead }: OpenStream): string | undefined {
  const last = ahead.at(-1);
  return last?.done !== true && last?.value.type === "error"
    ? last.value.error.errorMessage
    : undefined;
}

/** The call's options: this bearer in the headers of the transport, and the hand on the body. */
function callOptions(
  options: StreamOptions,
  model: Model,
  token: string,
  run: RunLogin,
  level: string | undefined,
  schemas: ReadonlyMap<string, object>,
): StreamOptions {
  const messages = model.api === "anthropic-messages";
  const facts = {
    row: knownModel(model.id, run.login),
    // The host lowers `max` in its own option; a simple completion has that option only.
    level: level ?? options?.reasoning,
    sessionId: options?.sessionId,
    maxTokens: options?.maxTokens,
    schemas,
  };
  const headers: Record<string, string> = {
    ...options?.headers,
    Authorization: `Bearer ${token}`,
    // This transport sends the run's first key here, which may be stale by now.
    ...(messages ? { "x-api-key": token, "anthropic-beta": MESSAGES_BETA } : {}),
  };
  return {
    ...options,
    headers,
    onPayload: async (payload, payloadModel) =>
      kimiBody(model.api, (await options?.onPayload?.(payload, payloadModel)) ?? payload, facts),
  };
}

/**
 * The call's model: without the header that names the login, which is not for the server; and with a
 * flag where Kimi does not sign its thinking, which the host would otherwise send back as text.
 */
function callModel(model: Model, run: RunLogin): Model {
  const { [run.header]: _login, ...headers } = model.headers ?? {};
  if (model.api !== "anthropic-messages") {
    return { ...model, headers };
  }
  const compat = { ...model.compat, allowEmptySignature: true } as NonNullable<Model["compat"]>;
  return { ...model, headers, compat };
}

/** The host's record of a call that was never made. */
function failedMessage(model: Model, aborted: boolean): Message {
  const none = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, total: 0 };
  return {
    role: "assistant",
    content: [],
    api: model.api,
    provider: model.provider,
    model: model.id,
    usage: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, totalTokens: 0, cost: none },
    stopReason: aborted ? "aborted" : "error",
    timestamp: Date.now(),
  };
}

/** A failed message in plain words and with a code of ours; the server's own text goes. */
function told(message: Message, { kind, sentence }: Explained): Message {
  const { errorBody: _body, errorType: _type, ...rest } = message;
  return { ...rest, errorMessage: sentence, errorCode: failureCode(kind) };
}

/** A running call: its events and its end, as the host gets them. */
interface Call {
  readonly events: () => AsyncGenerator<StreamEvent, void>;
  readonly result: () => Promise<Message>;
}

/** A call whose failures are retold. */
function retold(
  { stream, iterator, ahead }: OpenStream,
  explain: (message: Message) => Promise<Message>,
): Call {
  const convert = async (event: StreamEvent): Promise<StreamEvent> =>
    event.type === "error" ? { ...event, error: await explain(event.error) } : event;
  return {
    async *events() {
      try {
        for (let index = 0; ; index += 1) {
          const next = ahead[index] ?? (await iterator.next());
          if (next.done === true) {
            return;
          }
          yield await convert(next.value);
        }
      } finally {
        await iterator.return?.();
      }
    },
    result: async () => await explain(await stream.result()),
  };
}

/** A call that failed before it was made. */
function unmade(message: Message): Call {
  return {
    async *events() {
      yield {
        type: "error",
        reason: message.stopReason === "aborted" ? "aborted" : "error",
        error: message,
      };
    },
    result: async () => message,
  };
}

/**
 * Wraps a stream function of the host.
 *
 * @param inner - the host's own transport
 * @param ctx - the host's context of the run
 */
export function wrapStream(inner: StreamFn, ctx: StreamContext): StreamFn {
  const level = ctx.thinkingLevel;
  return (model, context, options) => {
    const started = (async (): Promise<Call> => {
      const run = loginOfRun(model.headers);
      if (run === undefined) {
        return retold(await openStream(inner(model, context, options)), async (same) => same);
      }
      const schemas = schemasByName(context.tools);
      const call = async (token: string): Promise<OpenStream> =>
        await openStream(
          inner(
            callModel(model, run),
            context,
            callOptions(options, model, token, run, level, schemas),
          ),
        );
      // The event and the result are the same failure; it is explained once.
      let explained: ReturnType<typeof explainReport> | undefined;
      const explain = async (message: Message): Promise<Message> => {
        if (message.stopReason !== "error") {
          return message;
        }
        explained ??= explainReport(message.errorMessage, model.id, run.login);
        const known = await explained;
        if (known === undefined || !asksForPatience(known.kind)) {
          clearComingCooldown(run.login, ctx);
        }
        return known === undefined ? message : told(message, known);
      };
      try {
        const signal = options?.signal;
        const { accessToken } = await run.login.access({ signal });
        const first = await call(accessToken);
        if (!isRejectedBearer(earlyReport(first))) {
          return retold(first, explain);
        }
        const renewed = await run.login.access({ signal, rejectedAccessToken: accessToken });
        return retold(
          renewed.accessToken === accessToken ? first : await call(renewed.accessToken),
          explain,
        );
      } catch (error) {
        const known = explainError(error);
        if (known === undefined) {
          throw error;
        }
        return unmade(told(failedMessage(model, known.kind === "aborted"), known));
      }
    })();
    // The reader gets the error; this catch is for a stream that is never read.
    started.catch(() => undefined);
    return {
      async *[Symbol.asyncIterator]() {
        yield* (await started).events();
      },
      async result() {
        return await (await started).result();
      },
    };
  };
}
