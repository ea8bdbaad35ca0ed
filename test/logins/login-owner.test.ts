import { readFile, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Credential } from "../../src/logins/credential.ts";
import type { Home } from "../../src/logins/homes.ts";
import { tryHomeLock } from "../../src/logins/locks/home-lock.ts";
import { Login } from "../../src/logins/login.ts";
import type { AccessOptions } from "../../src/logins/login.ts";
import { startStandIn } from "../kit/standin/server.ts";
import type { StandIn, TokenReply } from "../kit/standin/server.ts";
import {
  failureOf,
  KINDS,
  leftovers,
  LIFETIME_MS,
  ownerText,
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
  deps = testDeps(standIn.clock.now);
});

afterEach(async () => {
  await standIn.close();
  await removeScratch();
});

/** The bytes that the Kimi Code CLI leaves when Kimi has rejected its login. */
function tombstoneText(home: Home): string {
  const empty = {
    access_token: "",
    refresh_token: "",
    scope: "kimi-code",
    token_type: "Bearer",
    expires_in: 0,
  };
  const text = ownerText(home, empty).replace(/("expires_at": )[\d.]+/u, "$10");
  expect(JSON.parse(text)).toMatchObject({ expires_at: 0 });
  return text;
}

/** Runs an access, and something else between its request and the answer; the server has acted by then. */
async function during(
  home: Home,
  act: () => Promise<unknown>,
  options: AccessOptions = {},
): Promise<Credential> {
  const gate = Promise.withResolvers<void>();
  standIn.failNext("token", { kind: "gate", gate: gate.promise, at: "after" });
  const work = new Login(home, deps).access(options);
  work.catch(() => undefined);
  await standIn.waitFor("token");
  await act();
  gate.resolve();
  return await work;
}

/** Runs an access that has to wait for the lock, and something else before it gets it. */
async function whileWaiting(
  home: Home,
  act: () => Promise<unknown>,
  options: AccessOptions = {},
): Promise<Credential> {
  const lock = await tryHomeLock(home);
  const work = new Login(home, deps).access(options);
  work.catch(() => undefined);
  await act();
  await lock?.release();
  return await work;
}

/** How an access ended, and what is left in the home. */
async function ending(home: Home, work: Promise<unknown>): Promise<object> {
  const { code } = await failureOf(work);
  return { code, file: existsSync(home.file), leftovers: await leftovers(home) };
}

const SIGNED_OUT = { code: "login_missing", file: false, leftovers: [] };

describe.each(KINDS)("the owner of the %s home who signs out", (kind) => {
  it("during a refresh is not signed in again", async () => {
    const { home } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS });
    expect(
      await ending(
        home,
        during(home, () => rm(home.file)),
      ),
    ).toEqual(SIGNED_OUT);
    expect(standIn.count("token")).toBe(1);
  });

  it("while the lock is waited for is not signed in again, and nothing is asked", async () => {
    const { home } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS });
    expect(
      await ending(
        home,
        whileWaiting(home, () => rm(home.file)),
      ),
    ).toEqual(SIGNED_OUT);
    expect(standIn.requests).toEqual([]);
  });

  it("is followed at once by one who had the token in memory", async () => {
    const { home } = await signedIn(standIn, kind);
    const login = new Login(home, deps);
    await login.access();
    await rm(home.file);
    const message = expect.stringContaining("is signed out: no login at");
    expect(await failureOf(login.access())).toMatchObject({
      code: "login_missing",
      transient: false,
      message,
    });
  });
});

describe("a tombstone", () => {
  it.each(KINDS)(
    "in the %s home means sign in again, and nothing is asked or written",
    async (kind) => {
      const { home } = await signedIn(standIn, kind);
      const text = tombstoneText(home);
      await writeFile(home.file, text);
      expect(await failureOf(new Login(home, deps).access())).toMatchObject({
        code: "login_revoked",
        transient: false,
      });
      expect(standIn.requests).toEqual([]);
      expect(await readFile(home.file, "utf8")).toBe(text);
    },
  );

  it("that appears while the lock is waited for is respected, and nothing is asked", async () => {
    const { home } = await signedIn(standIn, "kimi-code-cli", { ageMs: LIFETIME_MS });
    const text = tombstoneText(home);
    const work = whileWaiting(home, () => writeFile(home.file, text));
    expect(await failureOf(work)).toMatchObject({ code: "login_revoked" });
    expect(standIn.requests).toEqual([]);
    expect(await readFile(home.file, "utf8")).toBe(text);
  });

  it("that appears while Kimi rejects our request too is left as it is", async () => {
    const { home } = await signedIn(standIn, "kimi-code-cli", { ageMs: LIFETIME_MS });
    standIn.endLogin();
    const text = tombstoneText(home);
    expect(await failureOf(during(home, () => writeFile(home.file, text)))).toMatchObject({
      code: "login_ended",
    });
    expect(await readFile(home.file, "utf8")).toBe(text);
    expect(await leftovers(home)).toEqual([]);
  });

  // The CLI writes one only after a rejection (its owner's sign-out deletes the file), and here the
  // rejected request is one that lost against ours: the login is alive, and only we have its tokens.
  it("from a peer that lost against our request gives way to the live tokens", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-code-cli", { ageMs: LIFETIME_MS });
    const renewed = await during(home, () => writeFile(home.file, tombstoneText(home)));
    expect(standIn.login(pair.refresh_token)).toMatchObject({
      accessToken: renewed.accessToken,
      ended: false,
    });
    expect(await stored(home)).toMatchObject({
      access_token: renewed.accessToken,
      refresh_token: renewed.refreshToken,
    });
  });
});

describe.each(KINDS)("a new login in the %s home", (kind) => {
  let home: Home;
  let newLogin: TokenReply;

  beforeEach(async () => {
    ({ home } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS }));
    newLogin = standIn.issueLogin();
  });

  function signInAgain(): Promise<void> {
    return writeLogin(home, newLogin, { issuedAtMs: standIn.clock.now() });
  }

  /** True if a caller got the new login, and the home still holds it. */
  async function isKept(work: Promise<Credential>): Promise<boolean> {
    const { accessToken, refreshToken } = await work;
    const file = await stored(home);
    const same = [accessToken, file["access_token"]].every(
      (token) => token === newLogin.access_token,
    );
    const live = [refreshToken, file["refresh_token"]].every((token) =>
      standIn.isLiveRefresh(String(token)),
    );
    return same && live && (await leftovers(home)).length === 0;
  }

  it("that is made during a refresh of the old one is kept", async () => {
    expect(await isKept(during(home, signInAgain))).toBe(true);
  });

  it("that is made while Kimi rejects the old one is kept", async () => {
    standIn.endLogin();
    newLogin = standIn.issueLogin();
    expect(await isKept(during(home, signInAgain))).toBe(true);
  });

  it("that is saved a moment after Kimi rejected the old one is adopted", async () => {
    standIn.endLogin();
    newLogin = standIn.issueLogin();
    const sleep = async (ms: number): Promise<void> => {
      deps.pauses.push(ms);
      await signInAgain();
    };
    expect(await isKept(new Login(home, { ...deps, sleep }).access())).toBe(true);
    expect(deps.pauses).toEqual([kind === "kimi-cli" ? 1_000 : 150]);
    expect(standIn.count("token")).toBe(1);
  });

  it("that has already expired is refreshed in its turn", async () => {
    standIn.endLogin();
    newLogin = standIn.issueLogin();
    const renewed = await during(home, () =>
      writeLogin(home, newLogin, { issuedAtMs: standIn.clock.now() - LIFETIME_MS }),
    );
    expect(standIn.login(newLogin.refresh_token)).toMatchObject({
      refreshCount: 1,
      accessToken: renewed.accessToken,
    });
    expect(await stored(home)).toMatchObject({ refresh_token: renewed.refreshToken });
  });
});

async function mine(ageMs: number): Promise<Home> {
  return (await signedIn(standIn, "kimi-code-cli", { ageMs, accountId: "mine" })).home;
}

function otherIn(home: Home, ageMs = 0): () => Promise<void> {
  return () =>
    writeLogin(home, standIn.issueLogin("other"), { issuedAtMs: standIn.clock.now() - ageMs });
}

/** How an access ended, and whose login is left in the home. */
async function endingWithOwner(home: Home, work: Promise<unknown>): Promise<object> {
  const { code, message } = await failureOf(work);
  const file = await stored(home);
  const login = standIn.login(String(file["refresh_token"]));
  return { code, message, accountId: login?.accountId, refreshCount: login?.refreshCount };
}

const CHANGED = {
  code: "account_changed",
  message:
    "The Kimi Code CLI is now signed in to another account than this OpenClaw profile. To use that account here, run: openclaw models auth login --provider kimi-code",
  accountId: "other",
  refreshCount: 0,
};

describe("another account in the home", () => {
  beforeEach(() => {
    standIn.createAccount({ id: "mine", jwtAccessTokens: true });
    standIn.createAccount({ id: "other", jwtAccessTokens: true });
  });

  it.each([0, LIFETIME_MS])("is said, and nothing is asked (age %d ms)", async (ageMs) => {
    const { home } = await signedIn(standIn, "kimi-code-cli", { ageMs, accountId: "other" });
    expect(
      await endingWithOwner(home, new Login(home, deps).access({ accountId: "mine" })),
    ).toEqual(CHANGED);
    expect(standIn.requests).toEqual([]);
  });

  it.each([
    ["fresh", 0],
    ["expired", LIFETIME_MS],
  ])(
    "that comes, %s, while the lock is waited for is neither used nor refreshed",
    async (_what, ageMs) => {
      const home = await mine(LIFETIME_MS);
      expect(
        await endingWithOwner(
          home,
          whileWaiting(home, otherIn(home, ageMs), { accountId: "mine" }),
        ),
      ).toEqual(CHANGED);
      expect(standIn.requests).toEqual([]);
    },
  );

  it("that comes during a refresh is kept and not adopted", async () => {
    const home = await mine(LIFETIME_MS);
    expect(await endingWithOwner(home, during(home, otherIn(home), { accountId: "mine" }))).toEqual(
      CHANGED,
    );
  });

  it("that comes when Kimi has ended the old login is kept and not adopted", async () => {
    const home = await mine(LIFETIME_MS);
    standIn.endLogin("mine");
    expect(await endingWithOwner(home, during(home, otherIn(home), { accountId: "mine" }))).toEqual(
      CHANGED,
    );
  });

  it("is not looked for where the profile does not know its account", async () => {
    const other = await signedIn(standIn, "kimi-code-cli", { accountId: "other" });
    expect(await new Login(other.home, deps).access()).toMatchObject({
      accessToken: other.pair.access_token,
    });
  });

  it("is not seen in a login that is renewed for its own account", async () => {
    const home = await mine(LIFETIME_MS);
    const renewed = await new Login(home, deps).access({ accountId: "mine" });
    expect(standIn.login(renewed.refreshToken)).toMatchObject({
      accountId: "mine",
      refreshCount: 1,
    });
  });
});
