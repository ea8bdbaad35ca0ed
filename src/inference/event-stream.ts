/**
 * The stream of events that the host's agent loop reads: events may be pushed at any time, are read
 * once and in order, and the last one carries the message that `result` gives. It never throws; a
 * failure is an event (the host's contract for `StreamFn`).
 */

import type { ProviderWrapStreamFnContext } from "openclaw/plugin-sdk/plugin-entry";

/** A stream function of the host. */
export type StreamFn = NonNullable<ProviderWrapStreamFnContext["streamFn"]>;
/** What such a function gives. */
export type Stream = Awaited<ReturnType<StreamFn>>;
/** An event of it. */
export type StreamEvent = Stream extends AsyncIterable<infer Event> ? Event : never;
/** The message at the end. */
export type Message = Extract<StreamEvent, { type: "error" }>["error"];

/** The host's record of a call that brought nothing. */
export function emptyMessage(model: Parameters<StreamFn>[0]): Omit<Message, "stopReason"> {
  const none = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, total: 0 };
  return {
    role: "assistant",
    content: [],
    api: model.api,
    provider: model.provider,
    model: model.id,
    usage: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, totalTokens: 0, cost: none },
    timestamp: Date.now(),
  };
}

/** A stream that is filled as it is read. */
export class EventStream implements AsyncIterable<StreamEvent> {
  readonly #events: StreamEvent[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #result = Promise.withResolvers<Message>();
  #isEnded = false;

  /** Adds an event; the one that ends the message is the last that counts. */
  push(event: StreamEvent): void {
    if (this.#isEnded) {
      return;
    }
    this.#events.push(event);
    if (event.type === "done" || event.type === "error") {
      this.end(event.type === "done" ? event.message : event.error);
    }
    this.#wake();
  }

  /** Ends the stream, with a message where no event has brought it. */
  end(message?: Message): void {
    this.#isEnded = true;
    if (message !== undefined) {
      this.#result.resolve(message);
    }
    this.#wake();
  }

  /** The message at the end. */
  async result(): Promise<Message> {
    return await this.#result.promise;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<StreamEvent> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) {
        yield event;
      } else if (this.#isEnded) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#waiting.push(resolve);
        });
      }
    }
  }

  #wake(): void {
    for (const resume of this.#waiting.splice(0)) {
      resume();
    }
  }
}
