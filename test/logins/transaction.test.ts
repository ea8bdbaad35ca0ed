/** One transaction when others act, the disk fails or Kimi rejects the token, at each point where that may happen. */
import fs, { existsSync } from "node:fs";
import fsp from "node:fs/promises";
import { chmod, chown, mkdir, rename, rm, rmdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Credential, tagOf, withNewTokens } from "../../src/logins/credential.ts";
import type { Home } from "../../src/logins/homes.ts";
import { tryHomeLock } from "../../src/logins/locks/home-lock.ts";
import { processMark } from "../../src/logins/process-mark.ts";
import { refreshOnce, type RefreshRequest } from "../../src/logins/transaction.ts";
import { startStandIn } from "../kit/standin/server.ts";
import type { StandIn, TokenReply } from "../kit/standin/server.ts";
import { systemError, withFs } from "../kit/fs-faults.ts";
import {
  ageLock,
  failureOf,
  giveAway,
  isRoot,
  KINDS,
  leftovers,
  LIFETIME_MS,
  NOBODY,
  ownerText,
  read,
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

const REQUEST: RefreshRequest = { responseLost: false };
let standIn: StandIn;
/** What a transaction is given; a test may put something into its pauses. */
let deps: Omit<TestDeps, "sleep"> & { sleep: TestDeps["sleep"] };

beforeEach(async () => {
  standIn = await startStandIn({ reuseEndsLogin: true });
  deps = testDeps(standIn.clock.now);
});

afterEach(async () => {
  vi.restoreAllMocks();
  stopWatching();
  await standIn.close();
  await removeScratch();
});

async function expired(kind: (typeof KINDS)[number] = "kimi-code-cli"): Promise<{
  home: Home;
  pair: TokenReply;
}> {
  return await signedIn(standIn, kind, { ageMs: LIFETIME_MS });
}

function lockOf(home: Home): string {
  return home.lock.kind === "directory" ? `${home.lock.target}.lock` : home.lock.path;
}

/** Something happens during this sync of a file (1 is the first), which comes before it. */
function atSync(call: number, act: () => void): Disposable {
  const { fsync } = fs;
  let calls = 0;
  return withFs({
    fsync: ((fd: number, done: (error: Error | null) => void) => {
      calls += 1;
      if (calls === call) {
        act();
      }
      fsync(fd, done);
    }) as typeof fsync,
  });
}

/** A peer takes our lock over, as after a sleep of this process, and holds it. */
function takeOver(home: Home): void {
  fs.rmdirSync(lockOf(home));
  fs.mkdirSync(lockOf(home));
}

/** Tokens that Kimi gave out for these and that no home holds yet. */
async function renewed(home: Home, pair: TokenReply, ageMs = 0): Promise<Credential> {
  const body = new URLSearchParams({
    grant_type: "refresh_token",
    refresh_token: pair.refresh_token,
    client_id: "17e5f671-d194-4dfb-9706-5516cb48c098",
  });
  const url = `${standIn.oauthHost}/api/oauth/token`;
  const response = (await (await fetch(url, { method: "POST", body })).json()) as TokenReply;
  standIn.clear();
  return withNewTokens(
    read(home).members,
    {
      accessToken: response.access_token,
      refreshToken: response.refresh_token,
      expiresInS: response.expires_in,
    },
    home.style,
    standIn.clock.now() - ageMs,
  );
}

async function leaveBehind(home: Home, next: Credential): Promise<string> {
  const file = `${home.file}.tmp.0123456789abcdef.${tagOf(read(home).refreshToken)}`;
  await writeFile(file, JSON.stringify(next.members), { mode: 0o600 });
  return file;
}

describe("between making room and sending", () => {
  it.each(KINDS)("a new sign-in in the %s home is adopted, and nothing is sent", async (kind) => {
    const { home } = await expired(kind);
    const fresh = standIn.issueLogin();
    using _act = atSync(1, () => {
      fs.writeFileSync(home.file, ownerText(home, fresh, { issuedAtMs: standIn.clock.now() }));
    });
    const { credential } = await refreshOnce(home, deps, REQUEST);
    expect(credential.accessToken).toBe(fresh.access_token);
    expect(standIn.requests).toEqual([]);
    expect(await leftovers(home)).toEqual([]);
  });

  it.each(KINDS)("a sign-out of the %s home is respected, and nothing is sent", async (kind) => {
    const { home } = await expired(kind);
    using _act = atSync(1, () => {
      fs.rmSync(home.file);
    });
    expect(await failureOf(refreshOnce(home, deps, REQUEST))).toMatchObject({
      code: expect.stringMatching(/^(?:login_missing|home_not_writable)$/u),
    });
    expect(standIn.requests).toEqual([]);
    expect(await leftovers(home)).toEqual([]);
  });

  it("a lock that a peer has taken over is waited for, and nothing is sent before", async () => {
    const { home, pair } = await expired();
    using _act = atSync(1, () => {
      takeOver(home);
    });
    const tried = watchTries(home);
    const work = refreshOnce(home, deps, REQUEST);
    await tried(8);
    expect(standIn.requests).toEqual([]);
    expect(await leftovers(home)).toEqual([]);
    await rmdir(lockOf(home));
    const { credential, supersededRefreshToken } = await work;
    expect(supersededRefreshToken).toBe(pair.refresh_token);
    expect(standIn.login(pair.refresh_token)).toMatchObject({
      accessToken: credential.accessToken,
      refreshCount: 1,
    });
  });

  it("a file in place of the Python CLI's lock file is locked again", async () => {
    const { home, pair } = await expired("kimi-cli");
    const headers = vi.spyOn(deps, "headers");
    using _act = atSync(1, () => {
      fs.renameSync(lockOf(home), `${lockOf(home)}.moved`);
    });
    await refreshOnce(home, deps, REQUEST);
    expect(headers).toHaveBeenCalledTimes(2);
    expect(standIn.login(pair.refresh_token)?.refreshCount).toBe(1);
  });

  it("a process that is always overtaken gives up after five rounds, and has sent nothing", async () => {
    const { home, pair } = await expired();
    const headers = vi.spyOn(deps, "headers").mockImplementation(async () => {
      await ageLock(home);
      return {};
    });
    expect(await failureOf(refreshOnce(home, deps, REQUEST))).toMatchObject({
      code: "home_busy",
      details: { retryable: true },
    });
    expect(headers).toHaveBeenCalledTimes(5);
    expect(standIn.requests).toEqual([]);
    expect(await leftovers(home)).toEqual([]);
    expect(await stored(home)).toMatchObject({ refresh_token: pair.refresh_token });
  });
});

async function waiting(home: Home): Promise<void> {
  const tag = tagOf(read(home).refreshToken);
  await writeFile(`${home.file}.tmp.0123456789abcdef.${tag}`, processMark(), { mode: 0o600 });
}

describe("a process that may wait for a response", () => {
  it.each(["kimi-code-cli", "openclaw"] as const)(
    "keeps others from spending the same token of the %s home",
    async (kind) => {
      const { home } = await expired(kind);
      await waiting(home);
      expect(await failureOf(refreshOnce(home, deps, REQUEST))).toMatchObject({
        code: "home_busy",
      });
      expect(standIn.requests).toEqual([]);
      const lock = await tryHomeLock(home);
      expect(lock).toBeDefined();
      await lock?.release();
    },
  );

  it("cannot be alive where the kernel keeps the lock", async () => {
    const { home, pair } = await expired("kimi-cli");
    await waiting(home);
    await refreshOnce(home, deps, REQUEST);
    expect(standIn.login(pair.refresh_token)?.refreshCount).toBe(1);
  });

  it("is waited for before a rejection is believed", async () => {
    const { home } = await expired("kimi-cli");
    standIn.endLogin();
    deps.sleep = async () => {
      await waiting(home);
    };
    expect(await failureOf(refreshOnce(home, deps, REQUEST))).toMatchObject({
      code: "home_busy",
    });
  });
});

describe("tokens that a dead process left behind", () => {
  it("are not put in place while a peer has taken the lock over", async () => {
    const { home, pair } = await expired();
    const next = await renewed(home, pair);
    await leaveBehind(home, next);
    const { readdir } = fsp;
    vi.spyOn(fsp, "readdir").mockImplementationOnce((async (dir: string) => {
      takeOver(home);
      return await readdir(dir);
    }) as unknown as typeof readdir);
    const tried = watchTries(home);
    const work = refreshOnce(home, deps, REQUEST);
    await tried(6);
    expect(await stored(home)).toMatchObject({ refresh_token: pair.refresh_token });
    await rmdir(lockOf(home));
    expect(await work).toEqual({
      credential: expect.objectContaining({ refreshToken: next.refreshToken }),
      supersededRefreshToken: pair.refresh_token,
    });
    expect(standIn.requests).toEqual([]);
  });

  it.each([
    ["fresh", 0],
    ["aging and alive", LIFETIME_MS / 2 + 1_000],
  ])(
    "and that cannot be put in place are served from memory while they are %s",
    async (_what, ageMs) => {
      const { home, pair } = await expired();
      const next = await renewed(home, pair, ageMs);
      await leaveBehind(home, next);
      await mkdir(path.join(home.dir, "oauth"));
      await giveAway(home.dir);
      await chmod(home.file, 0o400);
      await chmod(path.dirname(home.file), 0o500);
      const result = await unprivileged(() => refreshOnce(home, deps, REQUEST));
      expect(result).toMatchObject({
        credential: { refreshToken: next.refreshToken },
        unsaved: {
          credential: { refreshToken: next.refreshToken },
          supersededRefreshToken: pair.refresh_token,
        },
        supersededRefreshToken: pair.refresh_token,
      });
      const rejectedAccessToken = next.accessToken;
      const error = await unprivileged(() =>
        failureOf(refreshOnce(home, deps, { ...REQUEST, rejectedAccessToken })),
      );
      expect(error).toMatchObject({ code: "home_not_writable" });
      expect(standIn.requests).toEqual([]);
      await chmod(path.dirname(home.file), 0o700);
    },
  );
});

async function unsaved(): Promise<{
  home: Home;
  pair: TokenReply;
  next: Credential;
  request: RefreshRequest;
}> {
  const { home, pair } = await expired();
  const next = await renewed(home, pair);
  const supersededRefreshToken = pair.refresh_token;
  return {
    home,
    pair,
    next,
    request: { ...REQUEST, unsaved: { credential: next, supersededRefreshToken } },
  };
}

describe("tokens that could not be written earlier", () => {
  it("are written without a request", async () => {
    const { home, pair, next, request } = await unsaved();
    expect(await refreshOnce(home, deps, request)).toEqual({
      credential: next,
      supersededRefreshToken: pair.refresh_token,
    });
    expect(await stored(home)).toMatchObject({ refresh_token: next.refreshToken });
    expect(standIn.requests).toEqual([]);
  });

  it("stay in memory where there is still no room for them", async () => {
    const { home, request } = await unsaved();
    using _full = withFs({
      fsync: ((_fd: number, done: (error: Error) => void) => {
        done(systemError("ENOSPC"));
      }) as typeof fs.fsync,
    });
    expect(await refreshOnce(home, deps, request)).toMatchObject({ unsaved: request.unsaved });
    expect(await leftovers(home)).toEqual([]);
  });

  it("stay in memory where the file goes away at that moment", async () => {
    const { home, request } = await unsaved();
    using _act = atSync(2, () => {
      fs.rmSync(home.file);
    });
    expect(await refreshOnce(home, deps, request)).toMatchObject({ unsaved: request.unsaved });
    expect(existsSync(home.file)).toBe(false);
  });

  it("give way to a sign-in of that moment", async () => {
    const { home, request } = await unsaved();
    const fresh = standIn.issueLogin();
    using _act = atSync(2, () => {
      fs.writeFileSync(home.file, ownerText(home, fresh, { issuedAtMs: standIn.clock.now() }));
    });
    const result = await refreshOnce(home, deps, request);
    expect(result).toEqual({
      credential: expect.objectContaining({ accessToken: fresh.access_token }),
    });
    expect(await stored(home)).toMatchObject({ refresh_token: fresh.refresh_token });
  });

  it("are not written while a peer has taken the lock over", async () => {
    const { home, pair, next, request } = await unsaved();
    using _act = atSync(1, () => {
      takeOver(home);
    });
    const tried = watchTries(home);
    const work = refreshOnce(home, deps, request);
    await tried(8);
    expect(await stored(home)).toMatchObject({ refresh_token: pair.refresh_token });
    expect(await leftovers(home)).toEqual([]);
    await rmdir(lockOf(home));
    expect((await work).credential).toEqual(next);
    expect(await stored(home)).toMatchObject({ refresh_token: next.refreshToken });
  });
});

async function rejected(
  kind: (typeof KINDS)[number],
  act: (home: Home) => Promise<unknown>,
  request: RefreshRequest = REQUEST,
): Promise<{ home: Home; work: ReturnType<typeof refreshOnce> }> {
  const { home } = await expired(kind);
  standIn.endLogin();
  deps.sleep = async (ms) => {
    deps.pauses.push(ms);
    await act(home);
  };
  return { home, work: refreshOnce(home, deps, request) };
}

describe("a rejection of Kimi's", () => {
  it.each([
    ["kimi-cli", 1_000],
    ["kimi-code-cli", 150],
    ["openclaw", 150],
  ] as const)("of the %s home is believed after %i ms", async (kind, ms) => {
    const { home, work } = await rejected(kind, async () => undefined);
    expect(await failureOf(work)).toMatchObject({ code: "login_ended" });
    expect(deps.pauses).toEqual([ms]);
    expect(standIn.count("token")).toBe(1);
    expect(await leftovers(home)).toEqual([]);
  });

  it("is not believed when a peer has put fresh tokens there", async () => {
    const fresh = standIn.issueLogin();
    const { work } = await rejected("openclaw", (home) =>
      writeLogin(home, standIn.issueLogin(), { issuedAtMs: standIn.clock.now() }),
    );
    const { credential } = await work;
    expect(credential.accessToken).not.toBe(fresh.access_token);
    expect(standIn.isLiveRefresh(credential.refreshToken)).toBe(true);
  });

  it("is asked about again when the peer's tokens have ended too", async () => {
    const { work } = await rejected("openclaw", (home) =>
      writeLogin(home, standIn.issueLogin(), { issuedAtMs: standIn.clock.now() - LIFETIME_MS }),
    );
    expect(await failureOf(work)).toMatchObject({
      code: "home_busy",
      details: { retryable: true },
    });
  });

  it("is told as what it is when the peer's tokens are another account's", async () => {
    const claims = Buffer.from(JSON.stringify({ user_id: "other" })).toString("base64url");
    const { work } = await rejected(
      "openclaw",
      (home) =>
        writeLogin(
          home,
          { ...standIn.issueLogin(), access_token: `e30.${claims}.x` },
          { issuedAtMs: standIn.clock.now() },
        ),
      { ...REQUEST, accountId: "mine" },
    );
    expect(await failureOf(work)).toMatchObject({ code: "account_changed" });
  });

  it("is a sign-out where the owner has signed out by then", async () => {
    const { work } = await rejected("kimi-cli", (home) => rm(home.file));
    expect(await failureOf(work)).toMatchObject({ code: "login_missing" });
  });

  it("is not believed while the home cannot be read", async () => {
    let fault: Disposable | undefined;
    const { work } = await rejected("openclaw", async (home) => {
      const { openSync } = fs;
      fault = withFs({
        openSync: ((file: string, ...rest: [number]) => {
          if (file === home.file) {
            throw systemError("EIO");
          }
          return openSync(file, ...rest);
        }) as typeof openSync,
      });
    });
    const error = await failureOf(work);
    fault?.[Symbol.dispose]();
    expect(error).toMatchObject({ code: "home_unavailable" });
  });

  it("is believed where the file is damaged by then", async () => {
    const { work } = await rejected("openclaw", (home) => writeFile(home.file, "half"));
    expect(await failureOf(work)).toMatchObject({ code: "login_ended" });
  });
});

describe("a transaction", () => {
  it("that finds another account's tokens while it waits takes none of them", async () => {
    const { home } = await expired();
    const lock = await tryHomeLock(home);
    const claims = Buffer.from(JSON.stringify({ user_id: "other" })).toString("base64url");
    await writeLogin(
      home,
      { ...standIn.issueLogin(), access_token: `e30.${claims}.x` },
      { issuedAtMs: standIn.clock.now() },
    );
    const work = refreshOnce(home, deps, { ...REQUEST, accountId: "mine" });
    expect(await failureOf(work)).toMatchObject({ code: "account_changed" });
    expect(standIn.requests).toEqual([]);
    await lock?.release();
  });

  it.skipIf(!isRoot)(
    "for another user's file makes not even a lock (only root can try)",
    async () => {
      const { home } = await expired("kimi-cli");
      await giveAway(home.dir);
      await chown(home.file, NOBODY - 1, NOBODY - 1);
      await chmod(home.file, 0o644);
      const error = await unprivileged(() => failureOf(refreshOnce(home, deps, REQUEST)));
      expect(error).toMatchObject({ code: "home_not_writable" });
      expect(existsSync(lockOf(home))).toBe(false);
    },
  );

  it("whose home comes back right after it was given up still says that it was away", async () => {
    const { home, pair } = await expired();
    const { rmSync } = fs;
    deps.sleep = async () => {
      await wait(0);
    };
    using _away = atSync(2, () => {
      fs.renameSync(home.file, `${home.file}.moved`);
    });
    using _back = withFs({
      rmSync: (file, options) => {
        rmSync(file, options);
        if (existsSync(`${home.file}.moved`)) {
          fs.renameSync(`${home.file}.moved`, home.file);
        }
      },
    });
    const result = await refreshOnce(home, deps, REQUEST);
    expect(result.away).toMatchObject({ code: "login_missing" });
    expect(result.unsaved).toEqual({
      credential: result.credential,
      supersededRefreshToken: pair.refresh_token,
    });
    expect(await stored(home)).toMatchObject({ refresh_token: pair.refresh_token });
  });

  it("gives the lock back, however it ends", async () => {
    const { home } = await expired();
    await rename(home.file, `${home.file}.moved`);
    expect(await failureOf(refreshOnce(home, deps, REQUEST))).toMatchObject({
      code: "login_missing",
    });
    expect(existsSync(lockOf(home))).toBe(false);
  });
});
