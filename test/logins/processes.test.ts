import { utimes } from "node:fs/promises";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Home, makeHome } from "../../src/logins/homes.ts";
import { REGIONS } from "../../src/protocol/endpoints.ts";
import { startStandIn } from "../kit/standin/server.ts";
import type { StandIn } from "../kit/standin/server.ts";
import type { LoginProcess } from "../kit/login-processes.ts";
import {
  endProcesses,
  kill,
  nextMessage,
  runTogether,
  startProcess,
  startProcesses,
} from "../kit/login-processes.ts";
import { ageLock, leftovers, LIFETIME_MS, removeScratch, signedIn, stored } from "../kit/logins.ts";

const windows = process.platform === "win32";

let standIn: StandIn;

beforeEach(async () => {
  standIn = await startStandIn();
});

afterEach(async () => {
  await standIn.close();
  await removeScratch();
});

afterAll(endProcesses);

/** The home that a process starts with before it is told which one to use. */
function unusedHome(): Home {
  return makeHome("openclaw", "/nonexistent", "unused", REGIONS.global);
}

describe("four processes with twenty callers each, on one home,", () => {
  let processes: LoginProcess[];

  beforeAll(async () => {
    processes = await startProcesses(unusedHome(), 4);
  });

  afterAll(async () => {
    await Promise.all(processes.map(({ child }) => kill(child)));
  });

  describe.each(["kimi-cli", "kimi-code-cli"] as const)("the %s's,", (kind) => {
    it("make one refresh of an expired login", async () => {
      const { home, pair } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS });
      const results = await runTogether(processes, { home, callers: 20 });
      const renewed = standIn.login(pair.refresh_token);
      expect(results).toEqual(
        Array.from({ length: 80 }, () => ({ accessToken: renewed?.accessToken })),
      );
      expect(standIn.tokenRequests()).toHaveLength(1);
      expect(await stored(home)).toMatchObject({
        access_token: renewed?.accessToken,
        refresh_token: renewed?.refreshToken,
      });
    });

    it("make one refresh when Kimi has rejected their token", async () => {
      const { home, pair } = await signedIn(standIn, kind, { ageMs: 60_000 });
      const order = { home, callers: 20, rejectedAccessToken: pair.access_token };
      const results = await runTogether(processes, order);
      const renewed = standIn.login(pair.refresh_token);
      expect(results).toEqual(
        Array.from({ length: 80 }, () => ({ accessToken: renewed?.accessToken })),
      );
      expect(standIn.tokenRequests()).toHaveLength(1);
    });

    it("are all served by one slow refresh, also those that had to wait for the lock", async () => {
      const { home, pair } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS });
      standIn.failNext("token", { kind: "delay", ms: 400 });
      const results = await runTogether(processes, { home, callers: 20 });
      const renewed = standIn.login(pair.refresh_token);
      expect(new Set(results.map((result) => JSON.stringify(result)))).toEqual(
        new Set([JSON.stringify({ accessToken: renewed?.accessToken })]),
      );
      expect(standIn.tokenRequests()).toHaveLength(1);
    });
  });
});

describe.skipIf(windows)("a process that is suspended while its request is under way", () => {
  it("loses its lock after five seconds, keeps its new tokens, and does not crash", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-code-cli", { ageMs: LIFETIME_MS });
    const gate = Promise.withResolvers<void>();
    standIn.failNext("token", { kind: "gate", gate: gate.promise, at: "after" });
    const [sleeper, other] = [await startProcess(home), await startProcess(home)];
    const slept = sleeper.results();
    sleeper.send({ callers: 1 });
    await standIn.waitFor("token");
    sleeper.child.kill("SIGSTOP");
    await ageLock(home);
    // The other one sees that somebody may wait for a response, and does not spend the same token.
    expect(await other.access()).toEqual({ code: "home_busy" });
    expect(standIn.tokenRequests().map((request) => request.status)).toEqual([null]);
    gate.resolve();
    sleeper.child.kill("SIGCONT");
    const renewed = standIn.login(pair.refresh_token);
    expect(await slept).toEqual([{ accessToken: renewed?.accessToken }]);
    expect(await stored(home)).toMatchObject({
      access_token: renewed?.accessToken,
      refresh_token: renewed?.refreshToken,
    });
    expect(await other.access()).toEqual({ accessToken: renewed?.accessToken });
    expect(await sleeper.access()).toEqual({ accessToken: renewed?.accessToken });
    expect(sleeper.child.exitCode).toBeNull();
    expect(standIn.isLiveRefresh(renewed?.refreshToken ?? "")).toBe(true);
  });

  it("finds the tokens of the one that took its lock over", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-code-cli", { ageMs: LIFETIME_MS });
    const gate = Promise.withResolvers<void>();
    standIn.failNext("token", { kind: "gate", gate: gate.promise });
    const [sleeper, other] = [await startProcess(home), await startProcess(home)];
    sleeper.send({ callers: 1 });
    await standIn.waitFor("token");
    sleeper.child.kill("SIGSTOP");
    await ageLock(home);
    // Nobody waits longer for a response than a request may take.
    const [temp = ""] = await leftovers(home);
    const then = new Date(Date.now() - 91_000);
    await utimes(path.join(path.dirname(home.file), temp), then, then);
    const result = await other.access();
    const renewed = standIn.login(pair.refresh_token);
    expect(result).toEqual({ accessToken: renewed?.accessToken });
    gate.resolve();
    const slept = nextMessage(sleeper.child);
    sleeper.child.kill("SIGCONT");
    expect(await slept).toEqual([result]);
    expect(await stored(home)).toMatchObject({
      access_token: renewed?.accessToken,
      refresh_token: renewed?.refreshToken,
    });
    expect(renewed?.refreshCount).toBe(1);
  });
});

describe("a process that is killed while its request is under way", () => {
  it.skipIf(windows)("leaves a kimi-cli home that the next process refreshes at once", async () => {
    const { home, pair } = await signedIn(standIn, "kimi-cli", { ageMs: LIFETIME_MS });
    standIn.failNext("token", { kind: "hang" });
    const [dying, next] = [await startProcess(home), await startProcess(home)];
    dying.send({ callers: 20 });
    await standIn.waitFor("token");
    await kill(dying.child);
    const before = performance.now();
    const result = await next.access();
    expect(performance.now() - before).toBeLessThan(4_000);
    const renewed = standIn.login(pair.refresh_token);
    expect(result).toEqual({ accessToken: renewed?.accessToken });
    expect(await stored(home)).toMatchObject({
      access_token: renewed?.accessToken,
      refresh_token: renewed?.refreshToken,
    });
    expect(renewed?.refreshCount).toBe(1);
  });
});
