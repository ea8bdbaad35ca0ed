/** A network on which each reply is made up on the spot. */

import { Dispatcher } from "undici";

/** A reply, whatever it may be. */
export interface MadeUpReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** Answers every request with what a function makes up; `undefined` breaks the connection. */
export class MadeUpNetwork extends Dispatcher {
  requests = 0;
  readonly #reply: () => MadeUpReply | undefined;

  constructor(reply: () => MadeUpReply | undefined) {
    super();
    this.#reply = reply;
  }

  override dispatch(
    _options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
  ): boolean {
    this.requests += 1;
    const controller: Dispatcher.DispatchController = {
      aborted: false,
      paused: false,
      reason: null,
      abort: () => undefined,
      pause: () => undefined,
      resume: () => undefined,
    };
    handler.onRequestStart?.(controller, undefined);
    const reply = this.#reply();
    if (reply === undefined) {
      handler.onResponseError?.(
        controller,
        Object.assign(new Error("broken"), { code: "ECONNRESET" }),
      );
    } else {
      handler.onResponseStart?.(controller, reply.status, reply.headers, "");
      handler.onResponseData?.(controller, Buffer.from(reply.body));
      handler.onResponseEnd?.(controller, {});
    }
    return true;
  }
}
