/** Only a process's main thread spends a refresh token: a worker thread can end at any moment. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { AccessOptions } from "../../src/logins/login.ts";
import { Login } from "../../src/logins/login.ts";
import type { Home } from "../../src/logins/homes.ts";
import { startStandIn } from "../kit/standin/server.ts";
import type { StandIn } from "../kit/standin/server.ts";
import type { ThreadOrder } from "../kit/login-thread.ts";
import { KINDS, LIFETIME_MS, removeScratch, signedIn, stored, testDeps } from "../kit/logins.ts";

let standIn: StandIn;
let worker: Worker;

beforeAll(() => {
  worker = new Worker(path.join(import.meta.dirname, "..", "kit", "login-thread.ts"));
});

afterAll(async () => {
  await worker.terminate();
});

beforeEach(async () => {
  standIn = await startStandIn();
});

afterEach(async () => {
  await standIn.close();
  await removeScratch();
});

/** What one access in a worker thread came to: an access token or an error's code. */
async function inWorker(home: Home, options: AccessOptions = {}): Promise<string> {
  const result = once(worker, "message");
  worker.postMessage({ home, options } satisfies ThreadOrder, []);
  return ((await result) as [string])[0];
}

describe.each(KINDS)("a worker thread that uses the %s home", (kind) => {
  it.each([
    ["fresh", 0],
    ["aging", LIFETIME_MS / 2 + 1_000],
    ["in its last minute", LIFETIME_MS - 30_000],
  ])("takes a token that is %s, and sends nothing", async (_what, ageMs) => {
    const { home, pair } = await signedIn(standIn, kind, { ageMs });
    expect(await inWorker(home, { background: true })).toBe(pair.access_token);
    expect(standIn.requests).toEqual([]);
  });

  it("gets a transient error for an expired token, and sends nothing", async () => {
    const { home, pair } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS });
    expect(await inWorker(home)).toBe("home_busy, transient");
    expect(standIn.requests).toEqual([]);
    expect(await stored(home)).toMatchObject({ refresh_token: pair.refresh_token });
  });

  it("does not force a refresh of a rejected token", async () => {
    const { home, pair } = await signedIn(standIn, kind, { ageMs: 60_000 });
    expect(await inWorker(home, { rejectedAccessToken: pair.access_token })).toBe(
      "home_busy, transient",
    );
    expect(standIn.requests).toEqual([]);
  });

  it("takes what the main thread has renewed", async () => {
    const { home } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS });
    const { accessToken } = await new Login(home, testDeps(standIn.clock.now)).access();
    expect(await inWorker(home)).toBe(accessToken);
    expect(standIn.count("token")).toBe(1);
  });
});
