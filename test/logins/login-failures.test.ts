import { chmod } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Credential } from "../../src/logins/credential.ts";
import type { Home } from "../../src/logins/homes.ts";
import { tryHomeLock } from "../../src/logins/locks/home-lock.ts";
import { Login } from "../../src/logins/login.ts";
import { startStandIn } from "../kit/standin/server.ts";
import type { Fault, StandIn, TokenReply } from "../kit/standin/server.ts";
import {
  everythingIn,
  failureOf,
  giveAway,
  leftovers,
  LIFETIME_MS,
  removeScratch,
  signedIn,
  stopWatching,
  stored,
  testDeps,
  unprivileged,
  watchTries,
  writeLogin,
} from "../kit/logins.ts";
import type { TestDeps } from "../kit/logins.ts";

let standIn: StandIn;
let deps: TestDeps;
let passedMs: number;
const realNow = performance.now.bind(performance);

beforeEach(async () => {
  standIn = await startStandIn();
  deps = testDeps(standIn.clock.now);
  passedMs = 0;
  vi.spyOn(performance, "now").mockImplementation(() => realNow() + passedMs);
});

afterEach(async () => {
  vi.restoreAllMocks();
  stopWatching();
  await standIn.close();
  await removeScratch();
});

/** Lets this much time pass, for this process and for the stand-in. */
function pass(ms: number): void {
  standIn.clock.advance(ms);
  passedMs += ms;
}

async function expired(): Promise<{ home: Home; pair: TokenReply; login: Login }> {
  const signed = await signedIn(standIn, "kimi-code-cli", { ageMs: LIFETIME_MS });
  return { ...signed, login: new Login(signed.home, deps) };
}

const TROUBLES: [string, Fault, string, RegExp][] = [
  [
    "a connection that breaks",
    { kind: "reset" },
    "network",
    /could not be reached: the connection broke\. Check the network or proxy/u,
  ],
  [
    "a server in trouble",
    { kind: "status", status: 503 },
    "server_unavailable",
    /returned an error \(HTTP 503\)\. Wait a moment and try again/u,
  ],
  [
    "a proxy's page",
    { kind: "status", status: 403, body: "<html></html>" },
    "refused",
    /refused to refresh the login \(HTTP 403\)/u,
  ],
  [
    "a captive portal",
    { kind: "rawBody", status: 200, contentType: "text/html", body: "<html></html>" },
    "bad_reply",
    /something other than Kimi's tokens/u,
  ],
];

describe.each(TROUBLES)("%s", (_what, fault, code, message) => {
  it("is not even seen while the current token is alive", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-code-cli", {
      ageMs: LIFETIME_MS - 20_000,
    });
    standIn.failAlways("token", fault);
    const login = new Login(home, deps);
    expect(await login.access()).toMatchObject({ accessToken: pair.access_token });
    expect(await login.access({ background: true })).toMatchObject({
      accessToken: pair.access_token,
    });
    expect(standIn.count("token")).toBeGreaterThan(0);
  });

  it("is a plain sentence once the token has expired, and the next access after it works", async () => {
    const { home, pair, login } = await expired();
    standIn.failAlways("token", fault);
    const error = await failureOf(login.access());
    expect(error).toMatchObject({ code, transient: true, message: expect.stringMatching(message) });
    expect(error.message).toMatch(/you are still signed in\.$/u);
    expect(everythingIn(error)).not.toMatch(/standin-(access|refresh)/u);
    expect(await stored(home)).toMatchObject({ refresh_token: pair.refresh_token });
    expect(await leftovers(home)).toEqual([]);
    standIn.heal();
    // A refusal is asked about again after a minute, any other trouble at once.
    pass(code === "refused" ? 61_000 : 2_500);
    expect(await login.access()).toMatchObject({
      accessToken: standIn.login(pair.refresh_token)?.accessToken,
    });
    expect(standIn.reusedRefreshTokens).toBe(0);
  });

  it("is not hidden when Kimi has rejected the current token", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-code-cli", { ageMs: 60_000 });
    standIn.failAlways("token", fault);
    const error = await failureOf(
      new Login(home, deps).access({ rejectedAccessToken: pair.access_token }),
    );
    expect(error.code).toBe(code);
  });

  it("answers for those who ask right after it, without a request of their own", async () => {
    const { login } = await expired();
    standIn.failAlways("token", fault);
    const error = await failureOf(login.access());
    const requests = standIn.count("token");
    expect(await failureOf(login.access())).toMatchObject({
      code: error.code,
      message: error.message,
    });
    expect(await failureOf(login.access({ background: true }))).toMatchObject({
      code: error.code,
      message: error.message,
    });
    expect(standIn.count("token")).toBe(requests);
  });
});

describe("a server in trouble", () => {
  it.each([429, 500, 502, 503, 504])(
    "that answers %i is asked three times, a second and two apart",
    async (status) => {
      const { login } = await expired();
      standIn.failAlways("token", { kind: "status", status });
      await failureOf(login.access());
      expect(standIn.tokenRequests().map((request) => request.status)).toEqual([
        status,
        status,
        status,
      ]);
      expect(deps.pauses).toEqual([1_000, 2_000]);
    },
  );

  it.each([1, 2])("for %i requests only is not noticed by anyone", async (times) => {
    const { pair, login } = await expired();
    standIn.failNext("token", { kind: "status", status: 503 }, { times });
    const { accessToken } = await login.access();
    expect(accessToken).toBe(standIn.login(pair.refresh_token)?.accessToken);
    expect(standIn.count("token")).toBe(times + 1);
  });

  it.each([400, 402, 404, 307])("that answers %i is not asked again", async (status) => {
    const { login } = await expired();
    standIn.failAlways("token", { kind: "status", status });
    await failureOf(login.access());
    expect(standIn.count("token")).toBe(1);
    expect(deps.pauses).toEqual([]);
  });

  it("leaves the lock free while it is given time", async () => {
    const { home, login } = await expired();
    standIn.failNext("token", { kind: "status", status: 503 });
    const other = new Login(home, testDeps(standIn.clock.now));
    const pause = vi.spyOn(deps, "sleep").mockImplementation(async () => {
      await other.access();
    });
    expect(await login.access()).toMatchObject({ accessToken: (await other.access()).accessToken });
    expect(pause).toHaveBeenCalledOnce();
    expect(standIn.tokenRequests().map((request) => request.status)).toEqual([503, 200]);
  });
});

function limited(value: string): Fault {
  return { kind: "status", status: 429, headers: { "retry-after": value } };
}

describe("Retry-After", () => {
  it("of a few seconds is waited for", async () => {
    const { login } = await expired();
    standIn.failNext("token", limited("4"));
    await login.access();
    expect(deps.pauses).toEqual([4_000]);
  });

  it("of a minute is not waited for, and nobody asks before it has passed", async () => {
    const { login } = await expired();
    standIn.failNext("token", limited("60"));
    expect(await failureOf(login.access())).toMatchObject({
      code: "rate_limited",
      details: { retryAfterMs: 60_000 },
    });
    pass(55_000);
    expect(await failureOf(login.access())).toMatchObject({ code: "rate_limited" });
    expect([standIn.count("token"), deps.pauses]).toEqual([1, []]);
    pass(6_000);
    await login.access();
    expect(standIn.count("token")).toBe(2);
  });

  it("does not hold for hours because the clock was put back", async () => {
    const { login } = await expired();
    standIn.failNext("token", limited("60"));
    await failureOf(login.access());
    pass(61_000);
    standIn.clock.advance(-2 * 3_600_000);
    await login.access();
    expect(standIn.count("token")).toBe(2);
  });
});

describe("a response that is lost after Kimi has renewed the login", () => {
  it("ends the login, and the message says that the connection broke", async () => {
    const { home, pair, login } = await expired();
    standIn.failNext("token", { kind: "rotateThenDrop" });
    const error = await failureOf(login.access());
    expect(error).toMatchObject({ code: "login_ended", transient: false });
    expect(error.message).toMatch(
      /^The connection broke while Kimi was renewing this login, and .* Run `kimi login`/u,
    );
    expect(standIn.count("token")).toBe(2);
    expect(await stored(home)).toMatchObject({ refresh_token: pair.refresh_token });
  });

  it("is remembered when the network comes back later", async () => {
    const { login } = await expired();
    standIn.failNext("token", { kind: "rotateThenDrop" });
    standIn.failNext("token", { kind: "reset" }, { times: 2 });
    expect(await failureOf(login.access())).toMatchObject({ code: "network" });
    pass(60_000);
    const error = await failureOf(login.access());
    expect(error).toMatchObject({
      code: "login_ended",
      message: expect.stringMatching(/^The connection broke while/u),
    });
  });
});

describe("a login that Kimi has ended", () => {
  it.each([400, 401] as const)("is asked about once (%i), and never again", async (status) => {
    standIn.settings.deadGrantStatus = status;
    const { home, pair, login } = await expired();
    standIn.endLogin();
    const error = await failureOf(login.access());
    expect(error).toMatchObject({
      code: "login_ended",
      message: expect.stringMatching(/^Kimi has ended this login\. Run `kimi login`/u),
    });
    for (let call = 0; call < 3; call += 1) {
      pass(60_000);
      expect(await failureOf(login.access())).toMatchObject({
        code: error.code,
        message: error.message,
      });
    }
    expect(standIn.count("token")).toBe(1);
    expect(await stored(home)).toMatchObject({
      access_token: pair.access_token,
      refresh_token: pair.refresh_token,
    });
  });

  it("is over for the callers of an aging token only when that has expired", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-code-cli", {
      ageMs: LIFETIME_MS / 2 + 1_000,
    });
    const login = new Login(home, deps);
    standIn.endLogin();
    expect(await login.access({ background: true })).toMatchObject({
      accessToken: pair.access_token,
    });
    await login.settled;
    expect(await login.access({ background: true })).toMatchObject({
      accessToken: pair.access_token,
    });
    expect(standIn.count("token")).toBe(1);
    pass(LIFETIME_MS / 2);
    expect(await failureOf(login.access({ background: true }))).toMatchObject({
      code: "login_ended",
    });
    expect(standIn.count("token")).toBe(1);
  });
});

/** A login whose folder became read-only while Kimi was renewing it. */
async function unsaved(options: {
  ageMs: number;
  rejected: boolean;
}): Promise<{ home: Home; pair: TokenReply; login: Login; renewed: Credential }> {
  const { home, pair } = await signedIn(standIn, "kimi-code-cli", options);
  const login = new Login(home, deps);
  await giveAway(home.dir);
  const gate = Promise.withResolvers<void>();
  standIn.failNext("token", { kind: "gate", gate: gate.promise });
  const renewed = await unprivileged(async () => {
    const work = login.access(options.rejected ? { rejectedAccessToken: pair.access_token } : {});
    await standIn.waitFor("token");
    await chmod(home.file, 0o400);
    await chmod(path.dirname(home.file), 0o500);
    gate.resolve();
    return await work;
  });
  return { home, pair, login, renewed };
}

describe.skipIf(process.platform === "win32")("new tokens that cannot be written", () => {
  it("are served from memory and written as soon as that works", async () => {
    const { home, pair, login, renewed } = await unsaved({ ageMs: LIFETIME_MS, rejected: false });
    expect(renewed.accessToken).toBe(standIn.login(pair.refresh_token)?.accessToken);
    expect(await stored(home)).toMatchObject({ refresh_token: pair.refresh_token });
    expect(deps.notices).toEqual([
      expect.stringMatching(/^New tokens could not be written to .* as soon as that works\.$/u),
    ]);
    expect(await unprivileged(() => login.access())).toMatchObject({
      accessToken: renewed.accessToken,
    });
    await unprivileged(() => login.settled);
    expect(await stored(home)).toMatchObject({ refresh_token: pair.refresh_token });
    await chmod(path.dirname(home.file), 0o700);
    pass(6_000);
    expect(await login.access()).toMatchObject({ accessToken: renewed.accessToken });
    await login.settled;
    expect(await stored(home)).toMatchObject({
      access_token: renewed.accessToken,
      refresh_token: renewed.refreshToken,
    });
    expect(await leftovers(home)).toEqual([]);
    expect(standIn.count("token")).toBe(1);
  });

  it("are not dropped for the older ones in the home, although those have not expired", async () => {
    const { home, pair, login, renewed } = await unsaved({ ageMs: 60_000, rejected: true });
    const rejectedAccessToken = renewed.accessToken;
    pass(31_000);
    const error = await unprivileged(() => failureOf(login.access({ rejectedAccessToken })));
    expect(error.code).toBe("home_not_writable");
    await chmod(path.dirname(home.file), 0o700);
    pass(3_000);
    const lock = await tryHomeLock(home);
    const tried = watchTries(home);
    const work = login.access({ rejectedAccessToken });
    await tried(3);
    await lock?.release();
    const third = await work;
    expect(standIn.login(pair.refresh_token)).toMatchObject({
      refreshCount: 2,
      accessToken: third.accessToken,
    });
    expect(await stored(home)).toMatchObject({
      access_token: third.accessToken,
      refresh_token: third.refreshToken,
    });
    expect(standIn.reusedRefreshTokens).toBe(0);
  });

  it("are written in the background where nobody has to wait for the disk", async () => {
    const { home, login, renewed } = await unsaved({ ageMs: LIFETIME_MS, rejected: false });
    await chmod(path.dirname(home.file), 0o700);
    expect(await login.access({ background: true })).toMatchObject({
      accessToken: renewed.accessToken,
    });
    expect(login.isBusy).toBe(true);
    await login.settled;
    expect(await stored(home)).toMatchObject({ refresh_token: renewed.refreshToken });
    expect(login.isBusy).toBe(false);
  });

  it("are forgotten when the owner signs in again", async () => {
    const { home, login } = await unsaved({ ageMs: LIFETIME_MS, rejected: false });
    await chmod(path.dirname(home.file), 0o700);
    const newLogin = standIn.issueLogin();
    await writeLogin(home, newLogin, { issuedAtMs: standIn.clock.now() });
    expect(await login.access()).toMatchObject({ accessToken: newLogin.access_token });
    expect(standIn.count("token")).toBe(1);
  });
});
