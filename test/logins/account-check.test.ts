/** Whose login it is, where the access token does not tell. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Home } from "../../src/logins/homes.ts";
import { Login } from "../../src/logins/login.ts";
import type { AccountMemory, LoginDeps } from "../../src/logins/login-deps.ts";
import { startStandIn } from "../kit/standin/server.ts";
import type { StandIn } from "../kit/standin/server.ts";
import {
  failureOf,
  KINDS,
  LIFETIME_MS,
  removeScratch,
  signedIn,
  stored,
  testDeps,
  writeLogin,
} from "../kit/logins.ts";
import type { TestDeps } from "../kit/logins.ts";

let standIn: StandIn;
let deps: TestDeps;

beforeEach(async () => {
  standIn = await startStandIn();
  standIn.createAccount({ id: "mine" });
  standIn.createAccount({ id: "other" });
  deps = testDeps(standIn.clock.now);
});

afterEach(async () => {
  await standIn.close();
  await removeScratch();
});

async function mine(kind: (typeof KINDS)[number] = "kimi-code-cli", ageMs = 0): Promise<Home> {
  return (await signedIn(standIn, kind, { ageMs, accountId: "mine" })).home;
}

async function otherSignsIn(home: Home, ageMs = 0): Promise<void> {
  await writeLogin(home, standIn.issueLogin("other"), { issuedAtMs: standIn.clock.now() - ageMs });
}

function memory(): AccountMemory & { readonly notes: Map<string, string> } {
  const notes = new Map<string, string>();
  return {
    notes,
    recall: async (of) => notes.get(of),
    remember: async (of, accountId) => void notes.set(of, accountId),
  };
}

describe.each(KINDS)("an opaque login in the %s home", (kind) => {
  it("is asked about once, and used", async () => {
    const login = new Login(await mine(kind), deps);
    for (let call = 0; call < 5; call += 1) {
      await login.access({ accountId: "mine" });
    }
    expect(standIn.requests.map(({ route }) => route)).toEqual(["me"]);
  });

  it("is refused when it is another account's, and nothing is spent", async () => {
    const home = await mine(kind);
    const login = new Login(home, deps);
    await login.access({ accountId: "mine" });
    await otherSignsIn(home);
    expect(await failureOf(login.access({ accountId: "mine" }))).toMatchObject({
      code: "account_changed",
      transient: false,
    });
    expect(await failureOf(login.access({ accountId: "mine" }))).toMatchObject({
      code: "account_changed",
    });
    expect(standIn.count("token")).toBe(0);
    expect(standIn.count("me")).toBe(2);
  });

  it("is refused when another account's expired login is renewed, and the home keeps that login", async () => {
    const home = await mine(kind);
    await otherSignsIn(home, LIFETIME_MS);
    expect(await failureOf(new Login(home, deps).access({ accountId: "mine" }))).toMatchObject({
      code: "account_changed",
    });
    const file = await stored(home);
    expect(standIn.login(String(file["refresh_token"]))).toMatchObject({ accountId: "other" });
    expect(standIn.isLiveRefresh(String(file["refresh_token"]))).toBe(true);
  });
});

describe("tokens that this plugin has renewed", () => {
  it("belong to the account of the ones before them, and nothing is asked", async () => {
    const login = new Login(await mine("openclaw"), deps);
    await login.access({ accountId: "mine" });
    for (let round = 0; round < 3; round += 1) {
      standIn.clock.advance(LIFETIME_MS);
      await login.access({ accountId: "mine" });
    }
    expect(standIn.count("me")).toBe(1);
    expect(standIn.count("token")).toBe(3);
  });

  it("stay known however often that happens", async () => {
    const login = new Login(await mine("openclaw"), deps);
    for (let round = 0; round < 20; round += 1) {
      await login.access({ accountId: "mine" });
      standIn.clock.advance(LIFETIME_MS);
    }
    expect(standIn.count("me")).toBe(1);
    expect(standIn.count("token")).toBe(19);
  });

  it("are known to the next process too", async () => {
    const home = await mine();
    const accounts = memory();
    await new Login(home, { ...deps, accounts }).access({ accountId: "mine" });
    standIn.clock.advance(LIFETIME_MS);
    await new Login(home, { ...deps, accounts }).access({ accountId: "mine" });
    await new Login(home, { ...deps, accounts }).access({ accountId: "mine" });
    expect(standIn.count("me")).toBe(1);
    expect(JSON.stringify([...accounts.notes])).not.toContain("standin-");
  });
});

describe("an account that is known already", () => {
  it("is not asked about where the token itself tells it", async () => {
    standIn.createAccount({ id: "mine", jwtAccessTokens: true });
    standIn.createAccount({ id: "other", jwtAccessTokens: true });
    const home = await mine();
    const accounts = memory();
    const login = new Login(home, { ...deps, accounts });
    await login.access({ accountId: "mine" });
    await login.access();
    await login.noteAccount(login.current(), "other");
    standIn.clock.advance(LIFETIME_MS);
    await login.access({ accountId: "mine" });
    await otherSignsIn(home);
    expect(await failureOf(login.access({ accountId: "mine" }))).toMatchObject({
      code: "account_changed",
    });
    expect(standIn.requests.map(({ route }) => route)).toEqual(["token"]);
    expect(accounts.notes.size).toBe(0);
  });

  it("is not asked about where the caller has just asked", async () => {
    const login = new Login(await mine(), deps);
    await login.noteAccount(login.current(), undefined);
    await login.noteAccount(login.current(), "mine");
    await login.access({ accountId: "mine" });
    expect(standIn.requests).toEqual([]);
  });

  it("counts for each profile that uses the login, one after the other", async () => {
    const login = new Login(await mine(), deps);
    for (let round = 0; round < 2; round += 1) {
      await login.access({ accountId: "mine" });
      expect(await failureOf(login.access({ accountId: "other" }))).toMatchObject({
        code: "account_changed",
      });
    }
    expect(standIn.count("me")).toBe(1);
  });

  it("is looked up once, however often the login is used and renewed", async () => {
    const home = await mine();
    const notes = memory();
    await new Login(home, { ...deps, accounts: notes }).access({ accountId: "mine" });
    const recall = vi.fn<AccountMemory["recall"]>(notes.recall);
    const login = new Login(home, { ...deps, accounts: { ...notes, recall } });
    for (let round = 0; round < 3; round += 1) {
      await login.access({ accountId: "mine" });
      await login.access({ accountId: "mine" });
      standIn.clock.advance(LIFETIME_MS);
    }
    expect(recall).toHaveBeenCalledOnce();
    expect(standIn.count("me")).toBe(1);
  });

  it("is not asked for with a token that Kimi has just rejected", async () => {
    const { home, pair } = await signedIn(standIn, "openclaw", {
      accountId: "mine",
      ageMs: LIFETIME_MS / 3,
    });
    const login = new Login(home, deps);
    const renewed = await login.access({
      accountId: "mine",
      rejectedAccessToken: pair.access_token,
    });
    expect(standIn.requests.map(({ route, bearer }) => [route, bearer])).toEqual([
      ["token", undefined],
      ["me", renewed.accessToken],
    ]);
  });
});

describe("while Kimi does not tell whose login it is", () => {
  it.each([
    ["answers 503", { kind: "status", status: 503 }],
    ["breaks the connection", { kind: "reset" }],
    [
      "answers something else",
      { kind: "rawBody", status: 200, contentType: "application/json", body: "{}" },
    ],
  ] as const)(
    "because it %s, the login is used and asked about a minute later",
    async (_what, fault) => {
      const home = await mine();
      await otherSignsIn(home);
      standIn.failAlways("me", fault);
      const login = new Login(home, deps);
      await login.access({ accountId: "mine" });
      await login.access({ accountId: "mine" });
      expect(standIn.count("me")).toBe(1);
      standIn.heal();
      standIn.clock.advance(61_000);
      expect(await failureOf(login.access({ accountId: "mine" }))).toMatchObject({
        code: "account_changed",
      });
    },
  );

  it.each([
    [59_999, 1],
    [60_000, 2],
    [-1, 2],
  ])(
    "the next question comes after a minute, or when the clock was set back: %i ms, %i requests",
    async (ms, requests) => {
      let nowMs = standIn.clock.now();
      const login = new Login(await mine(), { ...deps, now: () => nowMs });
      standIn.failAlways("me", { kind: "status", status: 503 });
      await login.access({ accountId: "mine" });
      nowMs += ms;
      await login.access({ accountId: "mine" });
      expect(standIn.count("me")).toBe(requests);
    },
  );

  it("another login in the same place is asked about at once", async () => {
    const home = await mine();
    const login = new Login(home, deps);
    standIn.failNext("me", { kind: "status", status: 503 });
    await login.access({ accountId: "mine" });
    await otherSignsIn(home);
    expect(await failureOf(login.access({ accountId: "mine" }))).toMatchObject({
      code: "account_changed",
    });
    expect(standIn.count("me")).toBe(2);
  });

  it("because the request could not be made, the caller learns of that fault", async () => {
    const home = await mine();
    const headers = vi.fn<LoginDeps["headers"]>().mockRejectedValue(new TypeError("a fault"));
    const login = new Login(home, { ...deps, headers });
    await expect(login.access({ accountId: "mine" })).rejects.toThrow("a fault");
  });

  it("many callers wait for one answer", async () => {
    const login = new Login(await mine(), deps);
    await Promise.all(Array.from({ length: 5 }, () => login.access({ accountId: "mine" })));
    expect(standIn.count("me")).toBe(1);
  });

  it("what cannot be remembered is asked about again", async () => {
    const accounts: AccountMemory = {
      recall: () => Promise.reject(new Error("no memory")),
      remember: () => Promise.reject(new Error("no memory")),
    };
    const home = await mine();
    await new Login(home, { ...deps, accounts }).access({ accountId: "mine" });
    await new Login(home, { ...deps, accounts }).access({ accountId: "mine" });
    expect(standIn.count("me")).toBe(2);
  });

  it("a profile without an account asks nothing", async () => {
    await new Login(await mine(), deps).access();
    expect(standIn.requests).toEqual([]);
  });
});
