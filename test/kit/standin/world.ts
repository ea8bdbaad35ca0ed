/** Everything a route handler may look at or change. */
import type { Account } from "./accounts.ts";
import type { Clock } from "./clock.ts";
import type { DeviceBook, DeviceSettings } from "./devices.ts";
import type { Reply } from "./http.ts";
import type { Script } from "./script.ts";
import type { TokenBook, TokenSettings } from "./tokens.ts";
import type { RecordedRequest, WebContent } from "./types.ts";

/** The state of one stand-in. */
export interface World {
  /** Own origin; set once the port is known. */
  origin: string;
  readonly clock: Clock;
  readonly settings: TokenSettings;
  readonly device: DeviceSettings;
  readonly accounts: Map<string, Account>;
  readonly tokens: TokenBook;
  readonly devices: DeviceBook;
  readonly script: Script;
  readonly web: WebContent;
  readonly violations: string[];
  /** False for a bench, in which another client's calls are timed beside the plugin's. */
  readonly checksCalls: boolean;
}

/** Works out the reply to one request; must not wait, so that a rotation cannot be half done. */
export type Handler = (world: World, request: RecordedRequest) => Reply;

/** Notes a breach of the contract; `what` must not hold a token. */
export function violation(world: World, request: RecordedRequest, what: string): void {
  world.violations.push(`${request.method} ${request.path.split("?", 1)[0] ?? ""}: ${what}`);
}
