/** A network on which each response is made up on the spot. */

import { Dispatcher } from "undici";

/** A response, whatever it may be. */
export interface MadeUpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** Answers every request with what a function makes up; `undefined` breaks the connection. */
export class MadeUpNetwork extends Dispatcher {
  requests = 0;
  readonly #response: () => MadeUpResponse | undefined;

  constructor(response: () => MadeUpResponse | undefined) {
    super();
    this.#response = response;
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
    const response = this.#response();
    if (response === undefined) {
      handler.onResponseError?.(
        controller,
        Object.assign(new Error("broken"), { code: "ECONNRESET" }),
      );
    } else {
      handler.onResponseStart?.(controller, response.status, response.headers, "");
      handler.onResponseData?.(controller, Buffer.from(response.body));
      handler.onResponseEnd?.(controller, {});
    }
    return true;
  }
}
