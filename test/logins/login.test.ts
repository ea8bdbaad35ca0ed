import fs, { existsSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import path from "node:path";
import workers from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Home } from "../../src/logins/homes.ts";
import { tryHomeLock } from "../../src/logins/locks/home-lock.ts";
import { Login } from "../../src/logins/login.ts";
import { startStandIn } from "../kit/standin/server.ts";
import type { StandIn } from "../kit/standin/server.ts";
import { systemError, withFs } from "../kit/fs-faults.ts";
import {
  failureOf,
  KINDS,
  leftovers,
  LIFETIME_MS,
  modeOf,
  removeScratch,
  signedIn,
  stored,
  testDeps,
  writeLogin,
} from "../kit/logins.ts";

let standIn: StandIn;

beforeEach(async () => {
  standIn = await startStandIn();
});

afterEach(async () => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
  await standIn.close();
  await removeScratch();
});

function open(home: Home): Login {
  return new Login(home, testDeps(standIn.clock.now));
}

function lockFiles(home: Home): boolean {
  return existsSync(home.lock.kind === "flock" ? home.lock.path : path.dirname(home.lock.target));
}

describe.each(KINDS)("access to a login in the %s home", (kind) => {
  it("with a fresh token needs no network and no lock", async () => {
    const { home, pair } = await signedIn(standIn, kind);
    const login = open(home);
    expect(await login.access()).toMatchObject({
      accessToken: pair.access_token,
      refreshToken: pair.refresh_token,
    });
    standIn.clock.advance(LIFETIME_MS / 2 - 5_000);
    expect(await login.access({ background: true })).toMatchObject({
      accessToken: pair.access_token,
    });
    expect(standIn.requests).toEqual([]);
    expect(lockFiles(home)).toBe(false);
  });

  it("with an expired token makes exactly one refresh, and keeps it before anyone gets it", async () => {
    const { home, pair } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS });
    const login = open(home);
    const [first, ...others] = await Promise.all(Array.from({ length: 20 }, () => login.access()));
    const renewed = standIn.login(pair.refresh_token);
    expect(first).toMatchObject({
      accessToken: renewed?.accessToken,
      refreshToken: renewed?.refreshToken,
    });
    expect(new Set(others.map((other) => other.accessToken))).toEqual(
      new Set([first?.accessToken]),
    );
    expect(standIn.tokenRequests()).toHaveLength(1);
    expect(await stored(home)).toMatchObject({
      access_token: renewed?.accessToken,
      refresh_token: renewed?.refreshToken,
    });
    expect(await modeOf(home.file)).toBe(0o600);
    expect(await leftovers(home)).toEqual([]);
    expect(await login.access()).toMatchObject({ accessToken: renewed?.accessToken });
    expect(standIn.tokenRequests()).toHaveLength(1);
    expect([standIn.reusedRefreshTokens, standIn.violations]).toEqual([0, []]);
  });

  it("gives the lock back", async () => {
    const { home } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS });
    await open(home).access();
    const lock = await tryHomeLock(home);
    expect(lock).toBeDefined();
    await lock?.release();
  });

  it("adopts what a peer has put there while it waited for the lock", async () => {
    const { home } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS });
    const lock = await tryHomeLock(home);
    const work = open(home).access();
    const peer = standIn.issueLogin();
    await writeLogin(home, peer, { issuedAtMs: standIn.clock.now() });
    expect(await work).toMatchObject({ accessToken: peer.access_token });
    expect(standIn.requests).toEqual([]);
    await lock?.release();
  });

  it("adopts what a peer has put there since it last looked", async () => {
    const { home, pair } = await signedIn(standIn, kind);
    const login = open(home);
    expect(await login.access()).toMatchObject({ accessToken: pair.access_token });
    const peer = standIn.issueLogin();
    await writeLogin(home, peer, { issuedAtMs: standIn.clock.now() });
    expect(await login.access()).toMatchObject({ accessToken: peer.access_token });
    expect(standIn.requests).toEqual([]);
  });
});

describe("a fresh token", () => {
  it("costs one look at the file's dates, and the file is read once", async () => {
    const { home } = await signedIn(standIn, "kimi-code-cli");
    const login = open(home);
    await login.access();
    const stat = vi.spyOn(fs, "statSync");
    const opened = vi.spyOn(fs, "openSync");
    syncBuiltinESMExports();
    await login.access();
    await login.access();
    expect(stat.mock.calls.map(([file]) => file)).toEqual([home.file, home.file]);
    expect(opened).not.toHaveBeenCalled();
  });
});

describe("a file whose dates cannot be seen", () => {
  it("is read each time, and served", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-code-cli");
    const login = open(home);
    using _fault = withFs({
      statSync: () => {
        throw systemError("ESTALE");
      },
    });
    expect((await login.access()).accessToken).toBe(pair.access_token);
    const peer = standIn.issueLogin();
    await writeLogin(home, peer, { issuedAtMs: standIn.clock.now() });
    expect((await login.access()).accessToken).toBe(peer.access_token);
  });
});

/** What the main thread of a process looks like to code in one of its workers. */
function asWorker(): Disposable {
  Object.assign(workers, { isMainThread: false });
  syncBuiltinESMExports();
  return {
    [Symbol.dispose]: () => {
      Object.assign(workers, { isMainThread: true });
      syncBuiltinESMExports();
    },
  };
}

describe("a thread that is not the main one (threads.test.ts has real ones)", () => {
  it("takes what lives, and spends nothing", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-code-cli", { ageMs: LIFETIME_MS / 2 });
    using _worker = asWorker();
    const login = open(home);
    expect((await login.access()).accessToken).toBe(pair.access_token);
    const error = await failureOf(login.access({ rejectedAccessToken: pair.access_token }));
    expect(error).toMatchObject({ code: "home_busy", transient: true });
    standIn.clock.advance(LIFETIME_MS);
    expect(await failureOf(login.access())).toMatchObject({ code: "home_busy" });
    expect(standIn.requests).toEqual([]);
  });
});

describe("an aging token", () => {
  it("is refreshed first in a process that may end soon", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-code-cli", {
      ageMs: LIFETIME_MS / 2 + 1_000,
    });
    const { accessToken } = await open(home).access();
    expect(accessToken).not.toBe(pair.access_token);
    expect(standIn.tokenRequests()).toHaveLength(1);
  });

  it("is served at once in a process that lives on, and refreshed once in the background", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-code-cli", {
      ageMs: LIFETIME_MS / 2 + 1_000,
    });
    const gate = Promise.withResolvers<void>();
    standIn.failNext("token", { kind: "gate", gate: gate.promise });
    const login = open(home);
    for (let call = 0; call < 5; call += 1) {
      expect(await login.access({ background: true })).toMatchObject({
        accessToken: pair.access_token,
      });
    }
    await standIn.waitFor("token");
    expect(await login.access({ background: true })).toMatchObject({
      accessToken: pair.access_token,
    });
    gate.resolve();
    await login.settled;
    const { accessToken } = await login.access({ background: true });
    expect(accessToken).toBe(standIn.login(pair.refresh_token)?.accessToken);
    expect(standIn.tokenRequests()).toHaveLength(1);
  });

  it("is waited for in the last minute, also in a process that lives on", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-code-cli", {
      ageMs: LIFETIME_MS - 59_000,
    });
    const { accessToken } = await open(home).access({ background: true });
    expect(accessToken).toBe(standIn.login(pair.refresh_token)?.accessToken);
    expect(accessToken).not.toBe(pair.access_token);
  });
});

describe("a token that Kimi has just rejected", () => {
  it("is refreshed exactly once, however many callers report it", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-code-cli", { ageMs: 60_000 });
    const login = open(home);
    const rejectedAccessToken = pair.access_token;
    const results = await Promise.all(
      Array.from({ length: 20 }, () => login.access({ rejectedAccessToken, background: true })),
    );
    results.push(await login.access({ rejectedAccessToken }), await login.access());
    expect(new Set(results.map((result) => result.accessToken))).toEqual(
      new Set([standIn.login(pair.refresh_token)?.accessToken]),
    );
    expect(standIn.tokenRequests()).toHaveLength(1);
  });

  it("is not refreshed while it is younger than half a minute, because another one would not help", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-code-cli", { ageMs: 29_000 });
    expect(await open(home).access({ rejectedAccessToken: pair.access_token })).toMatchObject({
      accessToken: pair.access_token,
    });
    expect(standIn.requests).toEqual([]);
  });

  it("is not refreshed more than four times a minute, whatever Kimi says", async () => {
    standIn.settings.accessTokenLifetimeS = 10;
    const { home, pair } = await signedIn(standIn, "kimi-code-cli", { ageMs: 60_000 });
    const login = open(home);
    for (let call = 0; call < 4; call += 1) {
      await login.access();
      standIn.clock.advance(9_000);
    }
    const error = await failureOf(login.access());
    expect(error).toMatchObject({ code: "rate_limited", transient: true });
    expect(error.message).toBe(
      "This login was already renewed 4 times in the last minute. The next try is in 24 seconds; you are still signed in.",
    );
    expect(standIn.login(pair.refresh_token)?.refreshCount).toBe(4);
    standIn.clock.advance(25_000);
    await login.access();
    expect(standIn.login(pair.refresh_token)?.refreshCount).toBe(5);
  });

  it("of a login that was renewed too often serves while it lives", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-code-cli", { ageMs: 60_000 });
    const lifetimeS = standIn.settings.accessTokenLifetimeS;
    standIn.settings.accessTokenLifetimeS = 10;
    const login = open(home);
    await login.access({ rejectedAccessToken: pair.access_token });
    for (const seconds of [10, 10, lifetimeS]) {
      standIn.settings.accessTokenLifetimeS = seconds;
      standIn.clock.advance(9_000);
      await login.access();
    }
    const { accessToken } = login.current();
    standIn.clock.advance(31_000);
    const rejected = await login.access({ rejectedAccessToken: accessToken });
    expect(rejected.accessToken).toBe(accessToken);
    expect(standIn.login(pair.refresh_token)?.refreshCount).toBe(4);
    standIn.clock.advance(3_000);
    const next = await login.access({ rejectedAccessToken: accessToken });
    expect(next.accessToken).not.toBe(accessToken);
  });

  it("is refreshed again when the next one is rejected too", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-code-cli", { ageMs: 60_000 });
    const login = open(home);
    const second = await login.access({ rejectedAccessToken: pair.access_token });
    standIn.clock.advance(31_000);
    const third = await login.access({ rejectedAccessToken: second.accessToken });
    expect(new Set([pair.access_token, second.accessToken, third.accessToken]).size).toBe(3);
    expect(standIn.tokenRequests()).toHaveLength(2);
  });

  it("is refreshed again when a refresh under way ends with that same token", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-code-cli", { ageMs: LIFETIME_MS });
    const lock = await tryHomeLock(home);
    const login = open(home);
    const plain = login.access();
    // A peer's token arrives, which somebody else has just seen rejected.
    const peer = standIn.issueLogin();
    const forced = login.access({ rejectedAccessToken: peer.access_token });
    await writeLogin(home, peer, { issuedAtMs: standIn.clock.now() });
    expect(await plain).toMatchObject({ accessToken: peer.access_token });
    await lock?.release();
    const { accessToken } = await forced;
    expect(accessToken).toBe(standIn.login(peer.refresh_token)?.accessToken);
    expect(accessToken).not.toBe(peer.access_token);
    expect(standIn.tokenRequests().map((request) => request.form?.["refresh_token"])).toEqual([
      peer.refresh_token,
    ]);
    expect(standIn.isLiveRefresh(pair.refresh_token)).toBe(true);
  });
});

describe("a caller who gives up", () => {
  it("gets the reason, and the refresh is finished and kept anyway", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-code-cli", { ageMs: LIFETIME_MS });
    const gate = Promise.withResolvers<void>();
    standIn.failNext("token", { kind: "gate", gate: gate.promise, at: "after" });
    const login = open(home);
    const leaving = new AbortController();
    const work = login.access({ signal: leaving.signal });
    const other = login.access();
    await standIn.waitFor("token");
    leaving.abort(new Error("the user pressed Escape"));
    await expect(work).rejects.toThrow("the user pressed Escape");
    gate.resolve();
    await login.settled;
    const renewed = standIn.login(pair.refresh_token);
    expect(await stored(home)).toMatchObject({
      access_token: renewed?.accessToken,
      refresh_token: renewed?.refreshToken,
    });
    expect(await other).toMatchObject({ accessToken: renewed?.accessToken });
    expect(standIn.tokenRequests()).toHaveLength(1);
  });

  it("leaves no listener on a signal that outlives the call", async () => {
    const { home } = await signedIn(standIn, "kimi-code-cli", { ageMs: LIFETIME_MS });
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, "addEventListener");
    const removed = vi.spyOn(signal, "removeEventListener");
    await open(home).access({ signal });
    await vi.waitFor(() => {
      expect(removed.mock.calls.map(([, listener]) => listener)).toEqual(
        added.mock.calls.map(([, listener]) => listener),
      );
    });
    expect(added).toHaveBeenCalledOnce();
  });
});

describe("a clock that jumps", () => {
  it.each([
    ["ahead by an hour, as after a sleep, costs one refresh", 3_600_000, 1],
    [
      "back by two hours, so that the token seems to outlive itself, costs one refresh",
      -7_200_000,
      1,
    ],
    ["back by half a minute costs nothing", -30_000, 0],
  ])("%s", async (_what, jumpMs, requests) => {
    const { home, pair } = await signedIn(standIn, "kimi-code-cli");
    let offsetMs = 0;
    const login = new Login(
      home,
      testDeps(() => standIn.clock.now() + offsetMs),
    );
    await login.access();
    offsetMs = jumpMs;
    const after = await login.access();
    expect(await login.access()).toMatchObject({
      accessToken: after.accessToken,
      expiresAtMs: after.expiresAtMs,
    });
    expect(after.accessToken).toBe(standIn.login(pair.refresh_token)?.accessToken);
    expect(standIn.tokenRequests()).toHaveLength(requests);
    expect(await stored(home)).toMatchObject({ access_token: after.accessToken });
  });
});
