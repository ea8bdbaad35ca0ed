import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openLogin } from "../../src/logins/login.ts";
import { openLogins, settleLogins } from "../../src/logins/open-logins.ts";
import { startStandIn } from "../kit/standin/server.ts";
import type { StandIn } from "../kit/standin/server.ts";
import { LIFETIME_MS, removeScratch, signedIn, testDeps } from "../kit/logins.ts";

describe("the logins of this process", () => {
  let standIn: StandIn;

  beforeEach(async () => {
    standIn = await startStandIn();
    openLogins().clear();
  });

  afterEach(async () => {
    openLogins().clear();
    await standIn.close();
    await removeScratch();
  });

  it("are one for each home and its endpoints", async () => {
    const { home } = await signedIn(standIn, "openclaw");
    const deps = testDeps(standIn.clock.now);
    const login = openLogin(home, deps);
    expect(openLogin({ ...home }, testDeps(standIn.clock.now))).toBe(login);
    const { endpoints } = home;
    const others = [
      openLogin({ ...home, endpoints: { ...endpoints, apiBase: "https://other" } }, deps),
      openLogin({ ...home, endpoints: { ...endpoints, oauthHost: "https://other" } }, deps),
      openLogin({ ...home, file: `${home.file}2` }, deps),
      openLogin({ ...home, kind: "kimi-code-cli" }, deps),
    ];
    expect(new Set([login, ...others]).size).toBe(5);
    expect(openLogins().size).toBe(5);
  });

  it("are waited for until no refresh is under way, also one that begins in that time", async () => {
    await settleLogins();
    const [first, second] = [
      await signedIn(standIn, "openclaw", { ageMs: LIFETIME_MS }),
      await signedIn(standIn, "openclaw", { ageMs: LIFETIME_MS }),
    ];
    const deps = testDeps(standIn.clock.now);
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    for (const { promise } of gates) {
      standIn.failNext("token", { kind: "gate", gate: promise });
    }
    const one = openLogin(first.home, deps);
    const two = openLogin(second.home, deps);
    const work = one.access();
    await standIn.waitFor("token");
    expect([one.isBusy, two.isBusy]).toEqual([true, false]);
    let isOver = false;
    const over = settleLogins().finally(() => {
      isOver = true;
    });
    const later = two.access();
    gates[0]?.resolve();
    await work;
    await turn();
    expect([one.isBusy, two.isBusy, isOver]).toEqual([false, true, false]);
    gates[1]?.resolve();
    await over;
    expect([one.isBusy, two.isBusy]).toEqual([false, false]);
    expect((await later).refreshToken).not.toBe(second.pair.refresh_token);
  });

  it("that fail end the waiting too", async () => {
    const { home } = await signedIn(standIn, "openclaw", { ageMs: LIFETIME_MS });
    const gate = Promise.withResolvers<void>();
    standIn.failNext("token", { kind: "gate", gate: gate.promise });
    standIn.endLogin();
    const login = openLogin(home, testDeps(standIn.clock.now));
    const work = login.access().catch(() => "failed");
    await standIn.waitFor("token");
    const over = settleLogins();
    gate.resolve();
    await over;
    expect(await work).toBe("failed");
  });
});
