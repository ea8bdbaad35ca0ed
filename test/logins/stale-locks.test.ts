/** Locks that become stale by real time. Both tests wait for five seconds, so they wait together. */
import { afterAll, describe, it } from "vitest";
import type { Home } from "../../src/logins/homes.ts";
import { endProcesses, kill, startProcess } from "../kit/login-processes.ts";
import { LIFETIME_MS, removeScratch, signedIn, stored } from "../kit/logins.ts";
import { startStandIn } from "../kit/standin/server.ts";
import type { StandIn, TokenReply } from "../kit/standin/server.ts";

afterAll(async () => {
  await endProcesses();
  await removeScratch();
});

/** An expired login on a server of its own. */
async function withLogin(
  work: (standIn: StandIn, home: Home, pair: TokenReply) => Promise<void>,
): Promise<void> {
  const standIn = await startStandIn();
  try {
    const { home, pair } = await signedIn(standIn, "kimi-code-cli", { ageMs: LIFETIME_MS });
    await work(standIn, home, pair);
  } finally {
    await standIn.close();
  }
}

describe.concurrent("a folder lock that nobody renews", () => {
  it("of a process that is killed during its request is taken over once it is stale", async ({
    expect,
  }) => {
    await withLogin(async (standIn, home, pair) => {
      standIn.failNext("token", { kind: "hang" });
      const [dying, next] = [await startProcess(home), await startProcess(home)];
      dying.send({ callers: 20 });
      await standIn.waitFor("token");
      await kill(dying.child);
      const before = performance.now();
      const result = await next.access();
      expect(performance.now() - before).toBeLessThan(15_000);
      const renewed = standIn.login(pair.refresh_token);
      expect(result).toEqual({ accessToken: renewed?.accessToken });
      expect(await stored(home)).toMatchObject({
        access_token: renewed?.accessToken,
        refresh_token: renewed?.refreshToken,
      });
      expect(renewed?.refreshCount).toBe(1);
    });
  });

  it("of a process whose event loop stands still for six seconds is lost, and its new tokens are kept", async ({
    expect,
  }) => {
    await withLogin(async (standIn, home, pair) => {
      const gate = Promise.withResolvers<void>();
      standIn.failNext("token", { kind: "gate", gate: gate.promise });
      const busy = await startProcess(home);
      const answer = busy.results();
      busy.send({ callers: 20 });
      await standIn.waitFor("token");
      busy.send({ callers: 0, blockMs: 6_000 });
      gate.resolve();
      const results = await answer;
      const renewed = standIn.login(pair.refresh_token);
      expect(results).toEqual(results.map(() => ({ accessToken: renewed?.accessToken })));
      expect(await stored(home)).toMatchObject({
        access_token: renewed?.accessToken,
        refresh_token: renewed?.refreshToken,
      });
      expect(renewed?.refreshCount).toBe(1);
      expect(await busy.access()).toEqual({ accessToken: renewed?.accessToken });
    });
  });
});
