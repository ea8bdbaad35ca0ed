/** The vocabulary of the stand-in: what it records, what it can be told, and what a test gets to hold. */
import type { Account, AccountSetup } from "./accounts.ts";
import type { Clock } from "./clock.ts";
import type { DeviceSettings } from "./devices.ts";
import type { Fault, FaultOptions } from "./faults.ts";
import type { Turn } from "./script.ts";
import type { LoginView, TokenReply, TokenSettings } from "./tokens.ts";

/** A JSON object of unknown content. */
export type JsonObject = Record<string, unknown>;

/** Every route the stand-in tells apart; anything else it serves or refuses is `other`. */
export type Route =
  | "device_authorization"
  | "token"
  | "models"
  | "usages"
  | "me"
  | "search"
  | "fetch"
  | "files"
  | "chat"
  | "messages"
  | "responses"
  | "other";

/** The two grants of the token route, `device_code` being short for the RFC 8628 URN. */
export type Grant = "refresh_token" | "device_code";

/** One request as it arrived, and what became of it. */
export interface RecordedRequest {
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  readonly route: Route;
  /** Names in lower case; repeated headers joined by a comma. */
  readonly headers: Readonly<Record<string, string>>;
  /** Raw text of the body. */
  readonly body: string;
  /** Present for `application/x-www-form-urlencoded` bodies; the last one wins where a field is repeated. */
  readonly form?: Readonly<Record<string, string>>;
  /** Present when the content type says JSON and the body parses. */
  readonly json?: unknown;
  /** Present on the token route for a known grant. */
  readonly grantType?: Grant;
  /** The token presented as bearer or `x-api-key`, if any. */
  readonly bearer?: string;
  /** Arrival (body complete), ms by the stand-in's clock. */
  readonly atMs: number;
  /** Status line that was sent; null as long as (or because) none was. */
  readonly status: number | null;
  /** When the last byte was handed to the socket, ms by the stand-in's clock; null if the answer was never finished. */
  answeredAtMs: number | null;
}

/** Picks requests. */
export type RequestFilter = (request: RecordedRequest) => boolean;

/** What `POST /search` and `POST /fetch` answer with. */
export interface WebContent {
  searchResults: JsonObject[];
  /** Markdown of a page. */
  page: (url: string) => string;
}

/** Start options; the token settings can also be changed later through {@link StandIn.settings}. */
export interface StandInOptions extends Partial<TokenSettings> {
  /** TCP port on 127.0.0.1; 0 (the default) picks a free one. */
  port?: number;
  /** Where the stand-in's clock starts, ms since the epoch; default now. */
  startTimeMs?: number;
  /** False: model calls are answered whatever is in them; default true. */
  checksCalls?: boolean;
  /** Called after each answer, for a log on a terminal. */
  onAnswer?: (request: RecordedRequest) => void;
}

/** A running stand-in for the OAuth host and the managed API, both on one loopback origin. */
export interface StandIn extends AsyncDisposable {
  /** `http://127.0.0.1:<port>`. */
  readonly origin: string;
  /** The same as {@link StandIn.origin}. */
  readonly oauthHost: string;
  /** `<origin>/coding/v1`. */
  readonly apiBase: string;
  /** The two variables that point either Kimi CLI and the plugin at this server. */
  readonly env: { readonly KIMI_CODE_OAUTH_HOST: string; readonly KIMI_CODE_BASE_URL: string };
  /** Stem of the credential file that the Kimi Code CLI uses for these endpoints. */
  readonly cliSlot: string;
  /** Token expiry is judged by this clock. */
  readonly clock: Clock;
  /** Strictness and lifetimes of the tokens; changes hold from the next request on. */
  readonly settings: TokenSettings;
  /** How the device grant goes; changes hold from the next request on. */
  readonly device: DeviceSettings;
  readonly web: WebContent;

  /** All requests since the start or the last {@link StandIn.clear}. */
  readonly requests: readonly RecordedRequest[];
  /** Breaches of the contract by the client: wrong forms, unknown paths, message rules. Never holds a token. */
  readonly violations: string[];
  /** How often a spent refresh token was presented again. */
  readonly reusedRefreshTokens: number;
  /** How many polls came before their interval had passed (by the stand-in's clock). */
  readonly pollsTooFast: number;
  count(route: Route, filter?: RequestFilter): number;
  tokenRequests(grant?: Grant): RecordedRequest[];
  /** Forgets the recorded requests (not the violations, which a test should see in any case). */
  clear(): void;
  /** Resolves with the nth (default first) matching request since the last {@link StandIn.clear}, already there or to come. */
  waitFor(
    route: Route,
    options?: { count?: number; filter?: RequestFilter },
  ): Promise<RecordedRequest>;

  /** Adds an account, or replaces the one with this id. */
  createAccount(setup: AccountSetup): Account;
  account(id?: string): Account;
  /** Starts a login without the device grant; the very reply that the token route would have given. */
  issueLogin(accountId?: string): TokenReply;
  /** The login that a token, spent or live, belongs to. */
  login(token: string): LoginView | undefined;
  /** Whether the API would take this access token now. */
  isLiveAccess(token: string): boolean;
  /** Whether this refresh token is its login's current one and would work. */
  isLiveRefresh(token: string): boolean;
  revokeAccess(token: string): void;
  revokeAllAccess(accountId?: string): void;
  /** Kimi ends the account's logins: each refresh answers `invalid_grant`; access tokens live on until they expire. */
  endLogin(accountId?: string): void;
  approveDevice(userCode: string, accountId?: string): void;
  denyDevice(userCode: string): void;

  /** Queues answers for chat, messages and responses; without one the answer is `pong`. */
  script(turns: readonly Turn[]): void;
  /** Applies a fault to the next (or the next `times`) matching requests of a route. */
  failNext(route: Route, fault: Fault, options?: FaultOptions): void;
  /** Applies a fault to all matching requests of a route until {@link StandIn.heal}. */
  failAlways(route: Route, fault: Fault, options?: Pick<FaultOptions, "when">): void;
  /** Removes the faults of one route, or all. */
  heal(route?: Route): void;
  /** Destroys all sockets; pending {@link StandIn.waitFor} promises reject. */
  close(): Promise<void>;
}
