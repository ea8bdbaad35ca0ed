/** The Python CLI's store, used by Python and by the plugin in turn and at once. */
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Home } from "../../../src/logins/homes.ts";
import { Login } from "../../../src/logins/login.ts";
import { startStandIn } from "../../kit/standin/server.ts";
import type { StandIn, TokenReply } from "../../kit/standin/server.ts";
import {
  endProcesses,
  hasPython,
  python,
  pythonText,
  startPythonTurn,
} from "../../kit/login-processes.ts";
import type { PythonAnswer } from "../../kit/login-processes.ts";
import {
  failureOf,
  leftovers,
  LIFETIME_MS,
  modeOf,
  removeScratch,
  signedIn,
  stopWatching,
  stored,
  testDeps,
  watchTries,
} from "../../kit/logins.ts";

/** Pause of the Python store between two tries to lock, in s; the real CLI's is 1. */
const HURRY = "0.02";

let standIn: StandIn;
let home: Home;
let pair: TokenReply;

beforeEach(async () => {
  standIn = await startStandIn();
  ({ home, pair } = await signedIn(standIn, "kimi-cli", { ageMs: LIFETIME_MS }));
});

afterEach(async () => {
  stopWatching();
  await endProcesses();
  await standIn.close();
  await removeScratch();
});

function open(): Login {
  return new Login(home, testDeps(Date.now));
}

function pythonTurn(command: "access" | "force" = "access"): Promise<PythonAnswer> {
  return python(command, home.dir, standIn.oauthHost);
}

/** Holds the next token request; the server acts before or after that. */
function hold(at: "before" | "after"): () => void {
  const gate = Promise.withResolvers<void>();
  standIn.failNext("token", { kind: "gate", gate: gate.promise, at });
  return gate.resolve;
}

/** A file's text without what differs from one pair of tokens to the next. */
function shape(text: string): string {
  return text.replace(/standin-(access|refresh)-[\w-]+/gu, "$1").replace(/\d+\.\d+/u, "0");
}

/** Lets the tokens look as if they had been issued a minute ago; younger ones are not refreshed by force. */
async function age(): Promise<void> {
  const text = await readFile(home.file, "utf8");
  await writeFile(
    home.file,
    text.replace(/("expires_at": )[\d.]+/u, `$1${String(Date.now() / 1000 + 840)}`),
  );
}

/** Both hold the chain's newest token, nothing was spent twice, and nothing is left over. */
async function agreement(): Promise<object> {
  const file = await stored(home);
  return {
    live: standIn.isLiveRefresh(String(file["refresh_token"])),
    refreshes: standIn.login(pair.refresh_token)?.refreshCount,
    reused: standIn.reusedRefreshTokens,
    files: await readdir(path.dirname(home.file)),
  };
}

const AGREED = { live: true, refreshes: 1, reused: 0, files: ["kimi-code.json", "kimi-code.lock"] };

describe.skipIf(!hasPython)("Python and the plugin on one login (needs Python with fcntl)", () => {
  it("take turns: each uses what the other has refreshed", async () => {
    const first = await open().access();
    expect(await pythonTurn()).toEqual({ result: "fresh", access_token: first.accessToken });
    const second = await pythonTurn("force");
    expect(second).toMatchObject({ result: "refreshed", locked: true });
    const login = open();
    expect(await login.access()).toMatchObject({ accessToken: second.access_token });
    await age();
    const third = await login.access({ rejectedAccessToken: second.access_token });
    expect(await pythonTurn()).toEqual({ result: "fresh", access_token: third.accessToken });
    const fourth = await pythonTurn("force");
    expect(await login.access()).toMatchObject({ accessToken: fourth.access_token });
    expect(await agreement()).toEqual({ ...AGREED, refreshes: 4 });
    expect(standIn.violations).toEqual([]);
  });

  it("find each other's file as they would have written it themselves", async () => {
    const before = await readFile(home.file, "utf8");
    expect(await pythonText("rewrite", home.dir)).toBe(before);
    await open().access();
    const ours = await readFile(home.file, "utf8");
    expect(await pythonText("rewrite", home.dir)).toBe(ours);
    expect(ours).toMatch(
      /^\{"access_token": "[^"]+", "refresh_token": "[^"]+", "expires_at": \d+\.\d+, "scope": "kimi-code", "token_type": "Bearer", "expires_in": 900\.0\}$/u,
    );
    expect(await modeOf(home.file)).toBe(0o600);
    await pythonTurn("force");
    expect(shape(await readFile(home.file, "utf8"))).toBe(shape(ours));
  });

  it("make one refresh when Python is in the middle of one", async () => {
    const letGo = hold("before");
    const turn = pythonTurn();
    await standIn.waitFor("token");
    const tried = watchTries(home);
    const work = Promise.all(Array.from({ length: 20 }, () => open().access()));
    await tried(100);
    letGo();
    const results = new Set((await work).map((result) => result.accessToken));
    expect(results).toEqual(new Set([(await turn).access_token]));
    expect(standIn.count("token")).toBe(1);
    expect(await agreement()).toEqual(AGREED);
  });

  it("make one refresh when the plugin is in the middle of one", async () => {
    const letGo = hold("after");
    const work = open().access();
    await standIn.waitFor("token");
    const turn = startPythonTurn("access", home.dir, standIn.oauthHost);
    await turn.waiting;
    letGo();
    const { accessToken } = await work;
    expect(await turn.answer).toEqual({
      result: "adopted",
      access_token: accessToken,
      locked: true,
    });
    expect(standIn.count("token")).toBe(1);
    expect(await agreement()).toEqual(AGREED);
  });

  it("stay signed in when Python loses patience with the plugin's refresh and its own comes too late", async () => {
    const letGo = hold("after");
    const work = open().access();
    await standIn.waitFor("token");
    const turn = startPythonTurn("access", home.dir, standIn.oauthHost, HURRY);
    // Python goes on without the lock, with the token that Kimi has just replaced for us.
    await standIn.waitFor("token", { count: 2 });
    letGo();
    const { accessToken } = await work;
    expect(await turn.answer).toEqual({
      result: "adopted",
      access_token: accessToken,
      locked: false,
    });
    expect(await agreement()).toEqual({ ...AGREED, reused: 1 });
  });

  it("stay signed in when Python loses patience and its own refresh comes first", async () => {
    const letGo = hold("before");
    const work = open().access();
    await standIn.waitFor("token");
    const turn = await python("access", home.dir, standIn.oauthHost, HURRY);
    expect(turn).toMatchObject({ result: "refreshed", locked: false });
    letGo();
    expect(await work).toMatchObject({ accessToken: turn.access_token });
    expect(await agreement()).toEqual({ ...AGREED, reused: 1 });
  });

  it("respect that the owner has signed out", async () => {
    await rm(home.file);
    expect(await pythonTurn()).toEqual({ result: "signed-out" });
    expect((await failureOf(open().access())).code).toBe("login_missing");
    expect(standIn.requests).toEqual([]);
  });

  it("agree that a login is over, and Python's file is left as it was", async () => {
    standIn.endLogin();
    const before = await readFile(home.file, "utf8");
    expect((await failureOf(open().access())).code).toBe("login_ended");
    expect(await pythonTurn()).toEqual({ result: "rejected", locked: true });
    expect(await readFile(home.file, "utf8")).toBe(before);
    expect(await leftovers(home)).toEqual([]);
  });
});
