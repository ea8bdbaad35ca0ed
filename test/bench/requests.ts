/** A simulated day of an agent: which requests its login costs, and which turns wait for one. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Dispatcher, getGlobalDispatcher, setGlobalDispatcher } from "undici";
import { makeHome } from "../../src/logins/homes.ts";
import { storeLogin } from "../soak/kimi-peers.ts";
import { Network } from "../soak/network.ts";
import { PluginProcess } from "../soak/plugin-process.ts";
import { randomFrom } from "../kit/random.ts";
import { Timeline } from "../soak/timeline.ts";

const HOUR_MS = 3_600_000;
const TURN_EVERY_MS = 30_000;

/** A part of the day, in hours from its start. */
export interface Spell {
  readonly fromH: number;
  readonly toH: number;
  /** Whether the agent works or nobody asks it anything. */
  readonly active: boolean;
}

/** What the day was like. */
export const SPELLS: readonly Spell[] = [
  { fromH: 0, toH: 3, active: true },
  { fromH: 3, toH: 4, active: false },
  { fromH: 4, toH: 6.5, active: true },
  { fromH: 6.5, toH: 7.5, active: false },
  { fromH: 7.5, toH: 8, active: true },
];

/** What the day cost. */
export interface DayOfRequests {
  /** Refresh requests, in hours from the start. */
  readonly refreshesAtH: readonly number[];
  readonly turns: number;
  /** Turns of an agent that was active already, and waited for a refresh. */
  readonly waitingActiveTurns: number;
  /** Turns that waited because nobody had asked for anything before. */
  readonly waitingFirstTurns: number;
  readonly activePerHour: number;
  readonly idlePerHour: number;
}

/** Simulates the day, with a turn each half minute in its active parts. */
export async function simulateRequests(): Promise<DayOfRequests> {
  const folder = mkdtempSync(path.join(tmpdir(), "kimi-bench-day-"));
  const startMs = Date.UTC(2026, 8, 21, 9);
  const timeline = new Timeline(startMs);
  const network = new Network(timeline, randomFrom(1));
  const home = makeHome("kimi-code-cli", folder, "kimi-code", {
    region: "custom",
    oauthHost: "https://auth.kimi.test",
    apiBase: "https://api.kimi.test/coding/v1",
  });
  const dispatcher = getGlobalDispatcher();
  setGlobalDispatcher(network as Dispatcher);
  const hours = (): number => (timeline.now() - startMs) / HOUR_MS;
  const refreshesAtH: number[] = [];
  network.trouble = () => {
    refreshesAtH.push(hours());
    return { kind: "none" };
  };
  let turns = 0;
  let waitingActiveTurns = 0;
  let waitingFirstTurns = 0;
  try {
    storeLogin(home, network.signIn(), startMs);
    const gateway = new PluginProcess("gateway", home, timeline, network);
    for (const { fromH, toH } of SPELLS.filter(({ active }) => active)) {
      timeline.skip(Math.max(0, startMs + fromH * HOUR_MS - timeline.now()));
      for (let first = true; hours() < toH; first = false) {
        const result = await timeline.settle(gateway.call({ background: true }));
        turns += 1;
        if (result === "died" || "error" in result) {
          throw new Error("a turn without a token");
        }
        waitingFirstTurns += first && result.waitedMs > 0 ? 1 : 0;
        waitingActiveTurns += !first && result.waitedMs > 0 ? 1 : 0;
        await timeline.settle(gateway.idle());
        timeline.skip(TURN_EVERY_MS);
      }
    }
  } finally {
    setGlobalDispatcher(dispatcher);
    rmSync(folder, { recursive: true, force: true });
  }
  const during = (wanted: boolean): number => {
    const spells = SPELLS.filter(({ active }) => active === wanted);
    const length = spells.reduce((sum, { fromH, toH }) => sum + toH - fromH, 0);
    const count = refreshesAtH.filter((atH) =>
      spells.some(({ fromH, toH }) => fromH <= atH && atH < toH),
    ).length;
    return count / length;
  };
  return {
    refreshesAtH,
    turns,
    waitingActiveTurns,
    waitingFirstTurns,
    activePerHour: during(true),
    idlePerHour: during(false),
  };
}
