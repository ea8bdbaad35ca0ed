/** A strict stand-in for Kimi's OAuth host and managed API, both on one loopback origin. */
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { DEFAULT_ACCOUNT, makeAccount } from "./accounts.ts";
import type { Account } from "./accounts.ts";
import { configs, defaultWebContent, fetchPage, me, models, search, tools, usages } from "./api.ts";
import { METHOD_NOT_ALLOWED_HTML, NOT_FOUND_HTML } from "./bodies.ts";
import { chat } from "./chat.ts";
import { createClock } from "./clock.ts";
import { DeviceBook } from "./devices.ts";
import type { DeviceSettings } from "./devices.ts";
import { files } from "./files.ts";
import { FaultPlan, answerWithFault } from "./faults.ts";
import { answerReply, readBody, sendReply } from "./http.ts";
import type { Reply } from "./http.ts";
import { messages } from "./messages.ts";
import { VERIFICATION_PATH, deviceAuthorization, token, verificationPage } from "./oauth.ts";
import { Recorder, pathnameOf, routeOf } from "./recorder.ts";
import { responses } from "./responses.ts";
import { Script } from "./script.ts";
import { TokenBook } from "./tokens.ts";
import type { TokenSettings } from "./tokens.ts";
import type { RecordedRequest, Route, StandIn, StandInOptions } from "./types.ts";
import { violation } from "./world.ts";
import type { Handler, World } from "./world.ts";

export type { Account, AccountSetup, ModelRow } from "./accounts.ts";
export type { Fault, FaultOptions } from "./faults.ts";
export type { Turn } from "./script.ts";
export type { LoginView, TokenReply, TokenSettings } from "./tokens.ts";
export type {
  Grant,
  RecordedRequest,
  RequestFilter,
  Route,
  StandIn,
  StandInOptions,
} from "./types.ts";

const HOST = "127.0.0.1";
const KEEP_ALIVE_MS = 60_000;
/** Every port that `fetch` refuses to talk to is at or below this one. */
const LAST_BLOCKED_PORT = 10_080;

const HANDLERS: Readonly<Record<Exclude<Route, "other">, Handler>> = {
  device_authorization: deviceAuthorization,
  token,
  models,
  usages,
  me,
  search,
  fetch: fetchPage,
  files,
  chat,
  messages,
  responses,
};

const OTHERS: ReadonlyMap<string, Handler> = new Map([
  [`GET ${VERIFICATION_PATH}`, verificationPage],
  [`POST ${VERIFICATION_PATH}`, verificationPage],
  ["POST /coding/v1/client_configs", configs],
  ["POST /coding/v1/resource_configs", configs],
  ["POST /coding/v1/tools", tools],
  // A browser asks for it on its own account.
  ["GET /favicon.ico", () => answerReply(NOT_FOUND_HTML)],
]);

function handlerOf(world: World, request: RecordedRequest): Handler {
  const pathname = pathnameOf(request.path);
  const { route, method } = routeOf(pathname);
  if (route !== "other" && request.method === method) {
    return HANDLERS[route];
  }
  const other = OTHERS.get(`${request.method} ${pathname}`);
  if (other !== undefined) {
    return other;
  }
  violation(world, request, route === "other" ? "no such path" : "no such method on this path");
  return () => answerReply(route === "other" ? NOT_FOUND_HTML : METHOD_NOT_ALLOWED_HTML);
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, HOST, () => {
      server.off("error", reject);
      resolve();
    });
  });
  const address = server.address();
  if (typeof address !== "object" || address === null) {
    throw new Error("the stand-in has no port");
  }
  if (port === 0 && address.port <= LAST_BLOCKED_PORT) {
    await new Promise((resolve) => {
      server.close(resolve);
    });
    return listen(server, 0);
  }
  return address.port;
}

function createWorld(options: StandInOptions): World {
  const clock = createClock(options.startTimeMs);
  const settings: TokenSettings = {
    accessTokenLifetimeS: options.accessTokenLifetimeS ?? 900,
    refreshTokenLifetimeS: options.refreshTokenLifetimeS ?? 30 * 24 * 3600,
    deadGrantStatus: options.deadGrantStatus ?? 400,
    revokeOldAccessOnRefresh: options.revokeOldAccessOnRefresh ?? false,
    reuseEndsLogin: options.reuseEndsLogin ?? false,
    rotatesRefreshToken: options.rotatesRefreshToken ?? true,
    takesUsedRefreshToken: options.takesUsedRefreshToken ?? false,
  };
  const device: DeviceSettings = {
    pendingPolls: 1,
    pendingStatus: 400,
    intervalS: 1,
    expiresInS: 1800,
    outcome: "approve",
    accountId: DEFAULT_ACCOUNT,
    slowDownAt: [],
    replyOverride: undefined,
  };
  const accounts = new Map([[DEFAULT_ACCOUNT, makeAccount({ id: DEFAULT_ACCOUNT })]]);
  return {
    origin: "",
    clock,
    settings,
    device,
    accounts,
    tokens: new TokenBook(clock, settings, (id) => accountIn(accounts, id)),
    devices: new DeviceBook(clock, device),
    script: new Script(),
    web: defaultWebContent(),
    violations: [],
    checksCalls: options.checksCalls ?? true,
  };
}

function accountIn(accounts: ReadonlyMap<string, Account>, id: string): Account {
  const account = accounts.get(id);
  if (account === undefined) {
    throw new Error(`the stand-in has no account ${id}`);
  }
  return account;
}

/** Serves requests: record first, then the fault if one is due, else the route. */
function createListener(
  world: World,
  recorder: Recorder,
  faults: FaultPlan,
  onAnswer: StandInOptions["onAnswer"],
) {
  let traces = 0;
  const serve = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const body = await readBody(req);
    const request = recorder.record({
      method: req.method ?? "",
      path: req.url ?? "",
      headers: req.headers,
      body,
      atMs: world.clock.now(),
      status: () => (res.headersSent ? res.statusCode : null),
    });
    res.once("finish", () => {
      request.answeredAtMs = world.clock.now();
    });
    res.once("close", () => {
      onAnswer?.(request);
    });
    const handle = (): Reply => {
      const reply = handlerOf(world, request)(world, request);
      traces += 1;
      return { ...reply, headers: { "x-trace-id": `standin-trace-${traces}`, ...reply.headers } };
    };
    const fault = faults.take(request);
    await (fault === undefined ? sendReply(res, handle()) : answerWithFault(fault, handle, res));
  };
  return (req: IncomingMessage, res: ServerResponse): void => {
    serve(req, res).catch((error: unknown) => {
      // A client that left in the middle of its request is no news; a bug in here must be seen by the test.
      if (!req.destroyed || req.complete) {
        world.violations.push(
          `the stand-in itself failed: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
      res.destroy();
    });
  };
}

/** Starts a stand-in on 127.0.0.1; close it with `close()` or `await using`. */
export async function startStandIn(options: StandInOptions = {}): Promise<StandIn> {
  const world = createWorld(options);
  const recorder = new Recorder();
  const faults = new FaultPlan();
  const server = createServer(createListener(world, recorder, faults, options.onAnswer));
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  const origin = `http://${HOST}:${await listen(server, options.port ?? 0)}`;
  world.origin = origin;
  const apiBase = `${origin}/coding/v1`;
  const slotInput = JSON.stringify({ oauthHost: origin, baseUrl: apiBase });
  const close = async (): Promise<void> => {
    recorder.rejectWaiters();
    if (!server.listening) {
      return;
    }
    await new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  };
  return {
    origin,
    oauthHost: origin,
    apiBase,
    env: { KIMI_CODE_OAUTH_HOST: origin, KIMI_CODE_BASE_URL: apiBase },
    cliSlot: `kimi-code-env-${createHash("sha256").update(slotInput).digest("hex").slice(0, 16)}`,
    clock: world.clock,
    settings: world.settings,
    device: world.device,
    web: world.web,
    requests: recorder.requests,
    violations: world.violations,
    get reusedRefreshTokens() {
      return world.tokens.reused;
    },
    get pollsTooFast() {
      return world.devices.tooFast;
    },
    count: (route, filter) => recorder.find(route, filter).length,
    tokenRequests: (grant) =>
      recorder.find("token", (request) => grant === undefined || request.grantType === grant),
    clear: () => {
      recorder.requests.length = 0;
    },
    waitFor: (route, wanted = {}) => recorder.waitFor(route, wanted.count ?? 1, wanted.filter),
    createAccount: (setup) => {
      const account = makeAccount(setup);
      world.accounts.set(account.id, account);
      return account;
    },
    account: (id = DEFAULT_ACCOUNT) => accountIn(world.accounts, id),
    issueLogin: (accountId = DEFAULT_ACCOUNT) => world.tokens.start(accountId),
    login: (value) => world.tokens.login(value),
    isLiveAccess: (accessToken) => world.tokens.check(accessToken).ok,
    isLiveRefresh: (refreshToken) => world.tokens.isLiveRefresh(refreshToken),
    revokeAccess: (accessToken) => world.tokens.revoke(accessToken),
    revokeAllAccess: (accountId = DEFAULT_ACCOUNT) => world.tokens.revokeAll(accountId),
    endLogin: (accountId = DEFAULT_ACCOUNT) => world.tokens.end(accountId),
    approveDevice: (userCode, approvedBy = DEFAULT_ACCOUNT) =>
      world.devices.settle(userCode, { approvedBy }),
    denyDevice: (userCode) => world.devices.settle(userCode, "denied"),
    script: (turns) => world.script.push(turns),
    failNext: (route, fault, { times = 1, when } = {}) => faults.add(route, fault, times, when),
    failAlways: (route, fault, { when } = {}) =>
      faults.add(route, fault, Number.POSITIVE_INFINITY, when),
    heal: (route) => faults.heal(route),
    close,
    [Symbol.asyncDispose]: close,
  };
}
