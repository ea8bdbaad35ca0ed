/** Many days in a row, and what they came to. */

import type { HomeKind } from "../../src/logins/homes.ts";
import { type DayResult, runDay } from "./day.ts";
import type { Mode } from "./machine.ts";
import { seedOf } from "../kit/random.ts";

/** What a run is made from. */
export interface RunOptions {
  readonly seed: number;
  /** Days of each mode. */
  readonly days: number;
  /** Number of the first day, to replay one. */
  readonly from?: number | undefined;
  /** Told after each day. */
  readonly onDay?: (day: number, mode: Mode, result: DayResult) => void;
}

/** The sums of all days of one mode. */
export type Totals = Omit<DayResult, "problems">;

/** What a run came to. */
export interface RunResult {
  readonly totals: Readonly<Record<Mode, Totals>>;
  /** Everything that must not happen, with what replays it. */
  readonly problems: readonly string[];
}

/** The modes, the one without excuses first. */
export const MODES = ["lossless", "harsh"] as const satisfies readonly Mode[];
const KINDS = ["kimi-code-cli", "kimi-cli", "openclaw"] as const satisfies readonly HomeKind[];

function zero(): Totals {
  return { calls: 0, rotations: 0, rejections: 0, crashes: 0, lostWithReply: 0, lost: 0, waits: 0 };
}

function plus(a: Totals, b: Totals): Totals {
  return {
    calls: a.calls + b.calls,
    rotations: a.rotations + b.rotations,
    rejections: a.rejections + b.rejections,
    crashes: a.crashes + b.crashes,
    lostWithReply: a.lostWithReply + b.lostWithReply,
    lost: a.lost + b.lost,
    waits: a.waits + b.waits,
  };
}

/** Runs so many days in each mode, the three kinds of homes in turn. */
export async function runDays({ seed, days, from = 0, onDay }: RunOptions): Promise<RunResult> {
  const totals = { lossless: zero(), harsh: zero() };
  const problems: string[] = [];
  for (let day = from; day < from + days; day += 1) {
    const kind = KINDS[day % KINDS.length] ?? "openclaw";
    for (const mode of MODES) {
      const result = await runDay({ seed: seedOf(seed, day), kind, mode });
      totals[mode] = plus(totals[mode], result);
      const replay = `--seed ${String(seed)} --from ${String(day)} --days 1`;
      problems.push(...result.problems.map((what) => `${what} (replay: ${replay})`));
      onDay?.(day, mode, result);
    }
  }
  return { totals, problems };
}
