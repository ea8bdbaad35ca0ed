/** The published Kimi Code CLI and the plugin's logins, on one home. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { cliHomes } from "../../../src/logins/homes.ts";
import type { Home } from "../../../src/logins/homes.ts";
import { Login } from "../../../src/logins/login.ts";
import { startStandIn } from "../../kit/standin/server.ts";
import type { StandIn } from "../../kit/standin/server.ts";
import {
  leftovers,
  modeOf,
  removeScratch,
  scratch,
  stopWatching,
  stored,
  testDeps,
  watchTries,
} from "../../kit/logins.ts";

const KIMI = path.join(
  path.dirname(createRequire(import.meta.url).resolve("@moonshot-ai/kimi-code/package.json")),
  "dist/main.mjs",
);
const TIMEOUT_MS = 60_000;

let standIn: StandIn;
let dir: string;
let home: Home;
const children = new Set<ChildProcess>();

/** Runs the CLI to its end. */
async function kimi(...args: string[]): Promise<{ code: unknown; out: string }> {
  const child = spawn(process.execPath, [KIMI, ...args], {
    cwd: dir,
    env: {
      ...standIn.env,
      PATH: process.env["PATH"],
      HOME: dir,
      TERM: "dumb",
      LANG: "C.UTF-8",
      KIMI_CODE_HOME: dir,
      KIMI_DISABLE_TELEMETRY: "1",
      KIMI_CODE_NO_AUTO_UPDATE: "1",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.add(child);
  let out = "";
  child.stdout.on("data", (chunk) => (out += String(chunk)));
  child.stderr.on("data", (chunk) => (out += String(chunk)));
  const [code]: unknown[] = await once(child, "close");
  children.delete(child);
  return { code, out };
}

function prompt(): Promise<{ code: unknown; out: string }> {
  return kimi("-p", "ping", "--output-format", "stream-json");
}

const ANSWERED = { code: 0, out: expect.stringContaining("pong") };

/** The plugin's view of the CLI's login, found as onboarding finds it. */
function open(): Login {
  return new Login(home, testDeps(Date.now));
}

async function expire(): Promise<Record<string, unknown>> {
  const members = { ...(await stored(home)), expires_at: Math.floor(Date.now() / 1000) - 10 };
  await writeFile(home.file, `${JSON.stringify(members, null, 2)}\n`);
  return members;
}

/** A file's text without what differs from one pair of tokens to the next. */
function shape(text: string): string {
  return text.replace(/standin-(access|refresh)-[\w-]+/gu, "$1").replace(/\d{10}/u, "0");
}

/** The tokens of the chat requests, and how many refreshes there were. */
function seen(): { chats: unknown[]; refreshes: number } {
  const chats = standIn.requests.filter(
    (request) => request.route === "chat" && request.status === 200,
  );
  return {
    chats: chats.map((request) => request.bearer),
    refreshes: standIn.tokenRequests("refresh_token").length,
  };
}

beforeAll(async () => {
  standIn = await startStandIn();
  dir = await scratch();
  const { code, out } = await kimi("login");
  const homes = cliHomes({ ...standIn.env, HOME: dir, KIMI_CODE_HOME: dir });
  const found = await Promise.all(
    homes.map((one) =>
      stat(one.file).then(
        () => [one],
        () => [],
      ),
    ),
  );
  const [only, ...more] = found.flat();
  if (only === undefined || more.length > 0) {
    throw new Error(
      `the CLI ended with code ${String(code)}, and its login is not found, or not alone: ${out}`,
    );
  }
  home = only;
}, TIMEOUT_MS);

beforeEach(() => {
  standIn.clear();
});

afterEach(() => {
  stopWatching();
  standIn.heal();
  for (const child of children) {
    child.kill("SIGKILL");
  }
});

afterAll(async () => {
  await standIn.close();
  await removeScratch();
});

describe("the Kimi Code CLI and the plugin on one login", { timeout: TIMEOUT_MS }, () => {
  it("are at home in the same slot, under the same lock", () => {
    expect(home).toMatchObject({
      kind: "kimi-code-cli",
      slot: standIn.cliSlot,
      file: path.join(dir, "credentials", `${standIn.cliSlot}.json`),
      lock: { kind: "directory", target: path.join(dir, "oauth", standIn.cliSlot) },
    });
  });

  it("share what the plugin refreshes: the CLI answers with the new token and does not sign in again", async () => {
    const written = await readFile(home.file, "utf8");
    const before = await expire();
    const { accessToken } = await open().access();
    expect(accessToken).not.toBe(before["access_token"]);
    expect(await prompt()).toMatchObject(ANSWERED);
    expect(seen()).toEqual({ chats: [accessToken], refreshes: 1 });
    // Byte for byte as the CLI wrote it, but for the tokens and the digits of the expiry.
    expect(shape(await readFile(home.file, "utf8"))).toBe(shape(written));
    expect([await modeOf(home.file), await modeOf(path.dirname(home.file))]).toEqual([
      0o600, 0o700,
    ]);
    expect(await readdir(path.dirname(home.file))).toEqual([path.basename(home.file)]);
    expect(await readdir(path.join(dir, "oauth"))).toEqual([home.slot]);
  });

  it("share what the CLI refreshes: the plugin finds it without a request", async () => {
    const login = open();
    const before = await login.access();
    await expire();
    expect(await prompt()).toMatchObject(ANSWERED);
    const { accessToken } = await login.access();
    expect(accessToken).not.toBe(before.accessToken);
    expect(seen()).toEqual({ chats: [accessToken], refreshes: 1 });
  });

  it("make one refresh when the CLI is in the middle of one", async () => {
    await expire();
    const gate = Promise.withResolvers<void>();
    standIn.failNext("token", { kind: "gate", gate: gate.promise });
    const asked = prompt();
    await standIn.waitFor("token");
    const tried = watchTries(home);
    const work = Promise.all(Array.from({ length: 20 }, () => open().access()));
    await tried(100);
    gate.resolve();
    const results = await work;
    expect(await asked).toMatchObject(ANSWERED);
    const { access_token } = await stored(home);
    expect(new Set(results.map((result) => result.accessToken))).toEqual(new Set([access_token]));
    expect(seen()).toEqual({ chats: [access_token], refreshes: 1 });
  });

  it("make one refresh when the plugin is in the middle of one", async () => {
    await expire();
    // Long enough for the CLI to start and to find the lock taken.
    standIn.failNext("token", { kind: "delay", ms: 3_000 });
    const [{ accessToken }, answer] = await Promise.all([open().access(), prompt()]);
    expect(answer).toMatchObject(ANSWERED);
    expect(seen()).toEqual({ chats: [accessToken], refreshes: 1 });
  });

  it("make one refresh when both see the same token refused", async () => {
    // Tokens that were issued a minute ago; younger ones are not refreshed by force.
    const members = { ...(await stored(home)), expires_at: Math.floor(Date.now() / 1000) + 840 };
    await writeFile(home.file, `${JSON.stringify(members, null, 2)}\n`);
    const { access_token } = await stored(home);
    standIn.revokeAccess(String(access_token));
    const gate = Promise.withResolvers<void>();
    standIn.failNext("token", { kind: "gate", gate: gate.promise });
    const asked = prompt();
    await standIn.waitFor("token");
    const tried = watchTries(home);
    const work = open().access({ rejectedAccessToken: String(access_token) });
    await tried(5);
    gate.resolve();
    const { accessToken } = await work;
    expect(await asked).toMatchObject(ANSWERED);
    expect(seen()).toEqual({ chats: [accessToken], refreshes: 1 });
  });

  it("agree that a login is over: the plugin says so, and leaves the CLI's mark alone", async () => {
    await expire();
    standIn.endLogin();
    expect(await prompt()).toMatchObject({ code: 1 });
    const mark = await readFile(home.file, "utf8");
    expect(JSON.parse(mark)).toMatchObject({ access_token: "", refresh_token: "", expires_at: 0 });
    standIn.clear();
    await expect(open().access()).rejects.toThrow(
      expect.objectContaining({ code: "login_revoked" }),
    );
    expect(standIn.requests).toEqual([]);
    expect(await readFile(home.file, "utf8")).toBe(mark);
    await rm(home.file);
    await expect(open().access()).rejects.toThrow(
      expect.objectContaining({ code: "login_missing" }),
    );
  });

  it("have spent no token twice and broken no rule of the server", async () => {
    expect([standIn.reusedRefreshTokens, standIn.violations]).toEqual([0, []]);
    expect(await leftovers(home)).toEqual([]);
  });
});
