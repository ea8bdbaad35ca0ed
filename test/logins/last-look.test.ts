/** The home and the lock are looked at right before the request's bytes leave and right before the rename. */
import fs, { existsSync } from "node:fs";
import { rename, rm, utimes, writeFile } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { tagOf } from "../../src/logins/credential.ts";
import type { Home } from "../../src/logins/homes.ts";
import { Login } from "../../src/logins/login.ts";
import type { LoginDeps } from "../../src/logins/login-deps.ts";
import { startStandIn } from "../kit/standin/server.ts";
import type { StandIn, TokenReply } from "../kit/standin/server.ts";
import {
  ageLock,
  failureOf,
  homeFor,
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
const { fsync } = fs;

beforeEach(async () => {
  standIn = await startStandIn({ reuseEndsLogin: true });
  deps = testDeps(standIn.clock.now);
});

afterEach(async () => {
  fs.fsync = fsync;
  syncBuiltinESMExports();
  await standIn.close();
  await removeScratch();
});

/** CallSite in which something happens after the lock was taken and before the request. */
function before(act: () => Promise<unknown>): LoginDeps {
  let done = false;
  return {
    ...deps,
    headers: async () => {
      if (!done) {
        done = true;
        await act();
      }
      return await deps.headers();
    },
  };
}

/** What the owner does while the disk is syncing the new tokens. */
function duringSync(act: () => void): void {
  let syncs = 0;
  fs.fsync = ((fd: number, done: (error: Error | null) => void) => {
    syncs += 1;
    // The first one is for the room, the second one for the tokens.
    if (syncs === 2) {
      act();
    }
    fsync(fd, done);
  }) as typeof fsync;
  syncBuiltinESMExports();
}

/** What another process of the plugin would do: it takes the lock over and renews the login. */
async function peerRenews(home: Home): Promise<void> {
  await ageLock(home);
  await new Login(home, testDeps(standIn.clock.now)).access();
}

describe("a process that stood still between taking the lock and sending", () => {
  it("sends nothing that a peer has spent, and adopts the peer's tokens", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-code-cli", { ageMs: LIFETIME_MS });
    const renewed = await new Login(
      home,
      before(() => peerRenews(home)),
    ).access();
    expect(standIn.tokenRequests().map(({ status }) => status)).toEqual([200]);
    expect(standIn.login(pair.refresh_token)).toMatchObject({
      accessToken: renewed.accessToken,
      ended: false,
    });
  });

  it("sends nothing when it has only lost the lock, and takes it again", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-code-cli", { ageMs: LIFETIME_MS });
    const renewed = await new Login(
      home,
      before(() => ageLock(home)),
    ).access();
    expect(standIn.tokenRequests().map(({ status }) => status)).toEqual([200]);
    expect(standIn.login(pair.refresh_token)).toMatchObject({
      accessToken: renewed.accessToken,
      refreshCount: 1,
    });
    expect(await leftovers(home)).toEqual([]);
  });

  it("sends nothing when its lock file was replaced", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-cli", { ageMs: LIFETIME_MS });
    const lock = home.lock.kind === "flock" ? home.lock.path : "";
    const renewed = await new Login(
      home,
      before(async () => {
        await rename(lock, `${lock}.moved`);
        await writeFile(lock, "");
      }),
    ).access();
    expect(standIn.login(pair.refresh_token)).toMatchObject({
      accessToken: renewed.accessToken,
      refreshCount: 1,
    });
  });

  it.each(KINDS)("sends nothing when the owner of the %s home signed out", async (kind) => {
    const { home } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS });
    expect(
      await failureOf(
        new Login(
          home,
          before(() => rm(home.file)),
        ).access(),
      ),
    ).toMatchObject({ code: "login_missing" });
    expect(standIn.requests).toEqual([]);
    expect(await leftovers(home)).toEqual([]);
  });

  it.each(KINDS)(
    "sends nothing of the old login when the owner of the %s home signed in again",
    async (kind) => {
      const { home } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS });
      const fresh = standIn.issueLogin();
      const access = new Login(
        home,
        before(() => writeLogin(home, fresh, { issuedAtMs: standIn.clock.now() })),
      ).access();
      expect(await access).toMatchObject({ accessToken: fresh.access_token });
      expect(standIn.requests).toEqual([]);
    },
  );
});

describe.each(KINDS)("while the disk syncs the new tokens of the %s home", (kind) => {
  it("a sign-out is not undone, and no token of it stays on the disk", async () => {
    const { home } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS });
    duringSync(() => {
      fs.rmSync(home.file);
    });
    expect(await failureOf(new Login(home, deps).access())).toMatchObject({
      code: "login_missing",
    });
    expect(existsSync(home.file)).toBe(false);
    expect(await leftovers(home)).toEqual([]);
  });

  it("a new sign-in is not overwritten", async () => {
    const { home } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS });
    const fresh = standIn.issueLogin();
    duringSync(() => {
      fs.writeFileSync(home.file, ownerText(home, fresh, { issuedAtMs: standIn.clock.now() }));
    });
    expect(await new Login(home, deps).access()).toMatchObject({ accessToken: fresh.access_token });
    expect(await stored(home)).toMatchObject({ refresh_token: fresh.refresh_token });
    expect(await leftovers(home)).toEqual([]);
  });

  it("a damaged file that another program is writing is waited for", async () => {
    const { home } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS });
    const fresh = standIn.issueLogin();
    duringSync(() => {
      fs.writeFileSync(home.file, ownerText(home, fresh).slice(0, 40));
    });
    const sleep = async (): Promise<void> => {
      await writeLogin(home, fresh, { issuedAtMs: standIn.clock.now() });
    };
    expect(await new Login(home, { ...deps, sleep }).access()).toMatchObject({
      accessToken: fresh.access_token,
    });
  });

  it("a file that stays damaged gives way to the new tokens", async () => {
    const { home, pair } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS });
    duringSync(() => {
      fs.writeFileSync(home.file, "half a fi");
    });
    const renewed = await new Login(home, deps).access();
    expect(await stored(home)).toMatchObject({ refresh_token: renewed.refreshToken });
    expect(standIn.login(pair.refresh_token)).toMatchObject({ accessToken: renewed.accessToken });
  });

  it("a temporary file that another program removes is written again", async () => {
    const { home, pair } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS });
    duringSync(() => {
      const dir = path.dirname(home.file);
      for (const name of fs.readdirSync(dir).filter((entry) => entry.includes(".tmp."))) {
        fs.rmSync(path.join(dir, name));
        fs.writeFileSync(path.join(dir, name), " ".repeat(9000));
      }
    });
    const renewed = await new Login(home, deps).access();
    expect(await stored(home)).toMatchObject({ refresh_token: renewed.refreshToken });
    expect(standIn.login(pair.refresh_token)).toMatchObject({ accessToken: renewed.accessToken });
  });
});

/** Acts while a file that was opened by promise is being synced. */
function duringFileSync(act: () => void): Disposable {
  const { open } = fs.promises;
  Object.assign(fs.promises, {
    open: async (...args: Parameters<typeof open>) => {
      const handle = await open(...args);
      const sync = handle.sync.bind(handle);
      handle.sync = async () => {
        act();
        await sync();
      };
      return handle;
    },
  });
  return { [Symbol.dispose]: () => void Object.assign(fs.promises, { open }) };
}

/** A home whose next tokens a dead process left beside it. */
async function withSuccessor(): Promise<{ home: Home; pair: TokenReply; next: TokenReply }> {
  const { home, pair } = await signedIn(standIn, "kimi-code-cli", { ageMs: LIFETIME_MS });
  const elsewhere = homeFor("kimi-code-cli", path.join(home.dir, "elsewhere"), standIn);
  await writeLogin(elsewhere, pair, { issuedAtMs: standIn.clock.now() - LIFETIME_MS });
  await new Login(elsewhere, deps).access();
  const next = (await stored(elsewhere)) as unknown as TokenReply;
  await rename(elsewhere.file, `${home.file}.tmp.0123456789abcdef.${tagOf(pair.refresh_token)}`);
  standIn.clear();
  return { home, pair, next };
}

describe("tokens that a dead process left behind", () => {
  it("are put in place without a request", async () => {
    const { home, next } = await withSuccessor();
    expect(await new Login(home, deps).access()).toMatchObject({ accessToken: next.access_token });
    expect(await stored(home)).toMatchObject({ refresh_token: next.refresh_token });
    expect(standIn.requests).toEqual([]);
    expect(await leftovers(home)).toEqual([]);
  });

  it("are not put in place when the owner signs out while they are synced", async () => {
    const { home } = await withSuccessor();
    using _acts = duringFileSync(() => {
      fs.rmSync(home.file);
    });
    expect(await failureOf(new Login(home, deps).access())).toMatchObject({
      code: "login_missing",
    });
    expect(existsSync(home.file)).toBe(false);
  });

  it("are not put in place when the owner signs in again while they are synced", async () => {
    const { home } = await withSuccessor();
    const fresh = standIn.issueLogin();
    using _acts = duringFileSync(() => {
      fs.writeFileSync(home.file, ownerText(home, fresh, { issuedAtMs: standIn.clock.now() }));
    });
    expect(await new Login(home, deps).access()).toMatchObject({ accessToken: fresh.access_token });
    expect(await stored(home)).toMatchObject({ refresh_token: fresh.refresh_token });
  });
});

describe("a home that is away when the response comes", () => {
  it.each(["file", "folder"] as const)(
    "keeps the new tokens until its %s is back",
    async (what) => {
      const { home, pair } = await signedIn(standIn, "openclaw", { ageMs: LIFETIME_MS });
      const place = what === "file" ? home.file : home.dir;
      const gate = Promise.withResolvers<void>();
      standIn.failNext("token", { kind: "gate", gate: gate.promise, at: "after" });
      const login = new Login(home, deps);
      const work = failureOf(login.access());
      await standIn.waitFor("token");
      await rename(place, `${place}.away`);
      gate.resolve();
      expect(await work).toMatchObject({ code: "login_missing" });
      expect(await failureOf(login.access())).toMatchObject({ code: "login_missing" });
      expect(existsSync(place)).toBe(false);
      await rename(`${place}.away`, place);
      await ageLock(home).catch(() => undefined);
      const renewed = await login.access();
      expect(standIn.login(pair.refresh_token)).toMatchObject({
        accessToken: renewed.accessToken,
        refreshCount: 1,
      });
      expect(await stored(home)).toMatchObject({ refresh_token: renewed.refreshToken });
      expect(await leftovers(home)).toEqual([]);
    },
  );

  it("does not use them when another login comes back", async () => {
    const { home } = await signedIn(standIn, "openclaw", { ageMs: LIFETIME_MS });
    const gate = Promise.withResolvers<void>();
    standIn.failNext("token", { kind: "gate", gate: gate.promise, at: "after" });
    const login = new Login(home, deps);
    const work = failureOf(login.access());
    await standIn.waitFor("token");
    await rm(home.file);
    gate.resolve();
    await work;
    const fresh = standIn.issueLogin();
    await writeLogin(home, fresh, { issuedAtMs: standIn.clock.now() });
    await utimes(home.file, new Date(), new Date());
    expect(await login.access()).toMatchObject({ accessToken: fresh.access_token });
    expect(await stored(home)).toMatchObject({ refresh_token: fresh.refresh_token });
  });
});
