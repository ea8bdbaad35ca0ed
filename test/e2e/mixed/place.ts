/** One gateway with everything in it that stands beside Kimi's models in real installations. */
import type { Gateway } from "../../kit/openclaw/gateway.ts";
import type { Host } from "../../kit/openclaw/host.ts";
import type { OtherVendor } from "../../kit/openclaw/other-vendor.ts";
import type { RefusingProxy } from "../../kit/openclaw/refusing-proxy.ts";
import type { StandIn } from "../../kit/standin/server.ts";

/** The gateway and what belongs to it. */
export interface Place {
  readonly standIn: StandIn;
  readonly host: Host;
  readonly gateway: Gateway;
  /** The profile on the Kimi Code CLI's login. */
  readonly profileId: string;
  readonly other: OtherVendor;
  readonly proxy: RefusingProxy;
}

export const CHAT = "kimi-code/kimi-for-coding";
export const MESSAGES = "kimi-code/k3-256k";
export const RESPONSES = "kimi-code/kimi-responses";
/** Another vendor's. */
export const OTHER = "other/m";
