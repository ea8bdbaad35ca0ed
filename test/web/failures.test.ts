import { rm } from "node:fs/promises";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { AgentRuns } from "../kit/openclaw/agent-run.ts";
import { resolveAs, resolveForReal, webFetch, webSearch } from "../kit/openclaw/web-tools.ts";
import * as bodies from "../kit/standin/bodies.ts";
import { type Fault, type StandIn, startStandIn } from "../kit/standin/server.ts";
import { startOver } from "../kit/start-over.ts";

let standIn: StandIn;
let runs: AgentRuns;

beforeAll(async () => {
  resolveAs({ "page.example": ["93.184.216.34"] });
  runs = await AgentRuns.create();
});

afterAll(async () => {
  resolveForReal();
  await runs[Symbol.asyncDispose]();
});

async function signIn(): Promise<void> {
  standIn = await startStandIn();
  // Old enough that a rejected bearer is a reason to renew it.
  await startOver(runs, standIn, 120_000);
}

async function remove(): Promise<void> {
  await standIn.close();
}

/** One login for a whole group, whose tests leave it as it is. */
function shareLogin(): void {
  beforeAll(signIn);
  beforeEach(() => {
    standIn.clear();
    standIn.heal();
  });
  afterAll(remove);
}

type Route = "search" | "fetch";

/** What a failed call says; a search says it in its result, and a fetch by an error. */
async function messageOf(route: Route, settings: Record<string, unknown> = {}): Promise<string> {
  if (route === "search") {
    const payload = await webSearch({ query: crypto.randomUUID() }, settings);
    return `${String(payload["error"])}: ${String(payload["message"])}`;
  }
  return await webFetch(`https://page.example/${crypto.randomUUID()}`, settings).then(
    (page) => `a page of ${String(String(page["text"]).length)} characters`,
    (error: unknown) =>
      error instanceof Error && "code" in error ? `${String(error.code)}: ${error.message}` : "?",
  );
}

const ROUTES: readonly Route[] = ["search", "fetch"];
const both = <T>(rows: readonly T[]): (readonly [Route, T])[] =>
  ROUTES.flatMap((route) => rows.map((row) => [route, row] as const));

describe("an answer of Kimi's", () => {
  shareLogin();

  it.each(
    both([
      [bodies.QUOTA_WEEKLY, /^quota: .*weekly usage limit/],
      [bodies.QUOTA_5_HOURS, /^quota: .*5-hour usage limit/],
      [bodies.QUOTA_429, /^quota: .*usage limit/],
      [bodies.NO_CREDIT, /^no_credit: .*credit is used up/],
      [bodies.NO_MEMBERSHIP, /^billing_no_membership: .*no active Kimi Code plan/],
      [bodies.NO_ACCESS_TO_K3, /^no_access: Your Kimi plan does not include (?:web|page)/],
      [bodies.TOO_MANY_CONCURRENT, /^rate_limit_concurrency: .*at once/],
      [bodies.IDENTITY_REFUSED, /^identity_refused: .*as a client/],
      [bodies.BANNED, /^banned: .*suspended/],
      [bodies.PAGE_REFUSED, /^page_refused: .*unsafe/],
      [bodies.RATE_LIMITED, /^rate_limited: .*too many requests/],
      [bodies.OVERLOADED, /^overloaded: Kimi's (?:web|page).*overloaded/],
      [bodies.SERVER_ERROR, /^server_error: Kimi.*HTTP 500/],
      [bodies.GATEWAY_HTML, /^server_error: Kimi.*HTTP 502/],
      [bodies.NOT_FOUND_HTML, /^refused: .*HTTP 404/],
      [bodies.badRequest("Invalid request: function name"), /^bad_request: Kimi did not accept/],
    ] as const),
  )("%s: %j is told in plain words", async (route, [answer, wanted]) => {
    standIn.failAlways(route, { kind: "status", ...answer });
    const words = await messageOf(route);
    expect(words).toMatch(wanted);
    expect(words).not.toMatch(/[<>{}]|\n|undefined/);
    expect(standIn.count(route)).toBe(1);
    expect(standIn.tokenRequests()).toEqual([]);
  });
});

const NOT_OURS = /^bad_reply: 127\.0\.0\.1:\d+ answered with something other/;

function raw(body: string, contentType = "application/json", status = 200): Fault {
  return { kind: "rawBody", status, contentType, body };
}

describe("a bad reply", () => {
  shareLogin();

  const html = "<!DOCTYPE html><html><body>Sign in to the hotel's network</body></html>";
  it.each<[string, Fault, RegExp]>([
    ["HTML", raw(html, "text/html"), NOT_OURS],
    ["nothing", raw(""), NOT_OURS],
    ["half a JSON", raw('{"search_results":[{"ti'), NOT_OURS],
    ["no fields", raw("{}"), NOT_OURS],
    ["an error with status 200", raw('{"error":{"message":"no"}}'), NOT_OURS],
    ["a list", raw("[]"), NOT_OURS],
    ["a text", raw('"results"'), NOT_OURS],
    ["null", raw("null"), NOT_OURS],
    ["results that are a text", raw('{"search_results":"many"}'), NOT_OURS],
    ["results that are an object", raw('{"search_results":{"0":{}}}'), NOT_OURS],
    ["results of which none is one", raw('{"search_results":[1,null,{}]}'), NOT_OURS],
    ["status 204", raw("", "text/plain", 204), NOT_OURS],
    ["a redirect", { kind: "redirect", location: "http://127.0.0.1:1/" }, NOT_OURS],
    ["5 MB", { kind: "huge", bytes: 5_000_000 }, /^bad_reply: .*too large to be Kimi's/],
    ["a cut connection", { kind: "resetMidBody" }, /^network: .*could not be reached/],
    ["a reset", { kind: "reset" }, /^network: .*the connection broke/],
  ])("to a search: %s", async (_what, fault, wanted) => {
    standIn.failAlways("search", fault);
    expect(await messageOf("search")).toMatch(wanted);
  });

  it.each<[string, Fault, RegExp]>([
    ["HTML", raw(html, "text/html"), NOT_OURS],
    ["HTML that says it is text", raw(`\n ${html}`, "text/markdown"), NOT_OURS],
    ["nothing", raw("", "text/markdown"), /^empty_page: /],
    ["an error with status 200", raw('{"error":{"message":"no"}}'), NOT_OURS],
    ["status 204", raw("", "text/plain", 204), NOT_OURS],
    ["a redirect", { kind: "redirect", location: "http://127.0.0.1:1/" }, NOT_OURS],
    ["5 MB, of which a part is taken", { kind: "huge", bytes: 5_000_000 }, /^a page of 1000000 /],
    ["a cut connection", { kind: "resetMidBody" }, /^network: .*could not be reached/],
    ["a reset", { kind: "reset" }, /^network: .*the connection broke/],
  ])("to a fetch: %s", async (_what, fault, wanted) => {
    standIn.failAlways("fetch", fault);
    expect(await messageOf("fetch")).toMatch(wanted);
  });

  it.each(
    both<readonly [string, Fault]>([
      ["nothing comes", { kind: "hang" }],
      ["it comes drop by drop", { kind: "drip", everyMs: 20 }],
    ]),
  )("%s: %j ends the call at the host's limit", async (route, [, fault]) => {
    standIn.failAlways(route, fault);
    expect(await messageOf(route, { timeoutSeconds: 0.3 })).toMatch(
      /^timeout: Kimi's (?:web search|page fetching) did not answer within 1 second\./,
    );
  });
});

describe("the login of a web tool", () => {
  beforeEach(signIn);
  afterEach(remove);

  it.each(ROUTES)("is renewed once when Kimi rejects its bearer, and %s goes on", async (route) => {
    standIn.revokeAllAccess();
    const words = await messageOf(route);
    expect(words).toMatch(route === "search" ? /^undefined/ : /^a page/);
    expect(standIn.tokenRequests("refresh_token")).toHaveLength(1);
    expect(standIn.count(route)).toBe(2);
    const bearers = standIn.requests.filter((one) => one.route === route).map((one) => one.bearer);
    expect(new Set(bearers).size).toBe(2);
    expect(standIn.violations).toEqual([]);
  });

  it.each(ROUTES)("is renewed no second time when Kimi rejects the new one: %s", async (route) => {
    standIn.failAlways(route, { kind: "status", ...bodies.INVALID_BEARER });
    expect(await messageOf(route)).toMatch(/^auth_rejected: .*even after a refresh/);
    expect(standIn.tokenRequests("refresh_token")).toHaveLength(1);
    expect(standIn.count(route)).toBe(2);
  });

  it("is renewed once for many calls at the same time", async () => {
    standIn.revokeAllAccess();
    await Promise.all(
      [...ROUTES, ...ROUTES, ...ROUTES].map(async (route) => await messageOf(route)),
    );
    expect(standIn.tokenRequests("refresh_token")).toHaveLength(1);
    expect(standIn.reusedRefreshTokens).toBe(0);
  });

  it.each(ROUTES)("may be missing, which is told with the way to sign in: %s", async (route) => {
    await runs.signOut();
    expect(await messageOf(route)).toMatch(
      /^auth_missing: OpenClaw has no Kimi login yet\. .*models auth login --provider kimi-code$/,
    );
    expect(standIn.requests).toEqual([]);
  });

  it.each(ROUTES)("may have been ended by Kimi: %s", async (route) => {
    standIn.endLogin();
    standIn.revokeAllAccess();
    expect(await messageOf(route)).toMatch(
      /^auth_login_ended: Kimi has ended this login\. Run `kimi login`/,
    );
    expect(standIn.count(route)).toBe(1);
  });

  it.each(ROUTES)("may be signed out of: %s", async (route) => {
    const state = process.env["OPENCLAW_STATE_DIR"] ?? "";
    await rm(path.join(path.dirname(state), "kimi-code:default"), { recursive: true });
    expect(await messageOf(route)).toMatch(/^auth_login_missing: .*signed out/);
    expect(standIn.requests).toEqual([]);
  });
});

describe("a caller who leaves", () => {
  shareLogin();

  it.each(ROUTES)("before %s: nothing is sent", async (route) => {
    const signal = AbortSignal.abort(new Error("the user has left"));
    const work =
      route === "search"
        ? webSearch({ query: "x" }, {}, { signal })
        : webFetch("https://page.example/", {}, signal);
    await expect(work).rejects.toBe(signal.reason);
    expect(standIn.requests).toEqual([]);
  });

  it.each(ROUTES)("during %s: the request ends, and the reason is the caller's", async (route) => {
    standIn.failAlways(route, { kind: "hang" });
    const leave = new AbortController();
    const reason = new Error("the user has left");
    const work =
      route === "search"
        ? webSearch({ query: "x" }, {}, { signal: leave.signal })
        : webFetch("https://page.example/", {}, leave.signal);
    await standIn.waitFor(route);
    leave.abort(reason);
    await expect(work).rejects.toBe(reason);
  });

  it("and may no longer ask: nothing leaves this machine", async () => {
    const reason = new Error("settings changed");
    const work = webSearch(
      { query: "x" },
      {},
      {
        assertCurrent: () => {
          throw reason;
        },
      },
    );
    await expect(work).rejects.toBe(reason);
    expect(standIn.count("search")).toBe(0);
  });
});
