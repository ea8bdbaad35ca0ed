/** A sign-in against the stand-in, on a clock that only waiting moves. */
import type { DeviceRequest } from "../../src/protocol/device-authorization.ts";
import type { WaitDeps } from "../../src/protocol/device-token.ts";
import { endpointsOf } from "../../src/protocol/endpoints.ts";
import type { StandIn } from "./standin/server.ts";

/** Waits that took no time. */
export interface FakeWaits extends WaitDeps {
  /** Each pause so far, in seconds. */
  readonly pauses: number[];
}

/** Moves the stand-in's clock instead of waiting; `onPause` runs in each pause. */
export function fakeWaits(standIn: StandIn, onPause?: (count: number) => void): FakeWaits {
  const pauses: number[] = [];
  return {
    pauses,
    now: () => standIn.clock.now(),
    sleep: async (ms, signal) => {
      pauses.push(Math.round(ms / 1_000));
      standIn.clock.advance(ms);
      onPause?.(pauses.length);
      signal?.throwIfAborted();
    },
  };
}

/** What the requests of a sign-in against this stand-in need. */
export function deviceRequest(standIn: StandIn, more: Partial<DeviceRequest> = {}): DeviceRequest {
  return {
    endpoints: endpointsOf(standIn.oauthHost, standIn.apiBase),
    headers: { "User-Agent": "test" },
    ...more,
  };
}
