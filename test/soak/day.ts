/** One working day of a machine on which several processes share a login. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Dispatcher, getGlobalDispatcher, setGlobalDispatcher } from "undici";
import type { HomeKind } from "../../src/logins/homes.ts";
import { ACCIDENTS, Machine, type Mode } from "./machine.ts";
import { type Random, randomFrom } from "../kit/random.ts";

/** What a day is made from. */
export interface DayOptions {
  readonly seed: number;
  readonly kind: HomeKind;
  readonly mode: Mode;
}

/** What a day came to. */
export interface DayResult {
  /** Calls for a token. */
  readonly calls: number;
  /** Refreshes that succeeded, by whomever. */
  readonly rotations: number;
  /** Refresh requests that Kimi rejected. */
  readonly rejections: number;
  readonly crashes: number;
  /** Logins lost with a reply that never arrived, as a Kimi CLI loses them too. */
  readonly lostWithReply: number;
  /** Logins lost for any other reason. */
  readonly lost: number;
  /** Turns of an active agent that waited. */
  readonly waits: number;
  /** Everything that must not happen, in words. */
  readonly problems: readonly string[];
}

const MINUTE_MS = 60_000;
const DAY_MS = 8 * 60 * MINUTE_MS;
/** The morning of the first day. */
const START_MS = Date.UTC(2026, 8, 21, 9);

/** An agent at work: turns after one another, at times with others at the same moment. */
async function burst(machine: Machine, random: Random): Promise<void> {
  const endMs = machine.timeline.now() + random.between(3, 40) * MINUTE_MS;
  machine.doomSomething();
  while (machine.timeline.now() < endMs) {
    const callers = random.chance(0.15) ? random.whole(2, 20) : 1;
    await machine.turn({
      callers,
      rejected: random.chance(0.015),
      peer: random.chance(0.12),
      oneShot: random.chance(0.06),
      accident: random.chance(0.03) ? random.pick(ACCIDENTS) : undefined,
    });
    machine.timeline.skip(random.between(4_000, 240_000));
  }
  machine.spare();
}

async function workingDay(machine: Machine, random: Random): Promise<void> {
  const endMs = machine.timeline.now() + DAY_MS;
  while (machine.timeline.now() < endMs) {
    await burst(machine, random);
    const pause = random.next();
    if (pause < 0.25) {
      // The lid is closed.
      machine.sleep(random.between(16, 120) * MINUTE_MS);
    } else if (pause < 0.75) {
      machine.timeline.skip(random.between(5, 50) * MINUTE_MS);
    }
  }
  await machine.evening();
}

/** Runs a day on real files, in a folder of its own. */
export async function runDay({ seed, kind, mode }: DayOptions): Promise<DayResult> {
  const random = randomFrom(seed);
  const folder = mkdtempSync(path.join(tmpdir(), "kimi-soak-"));
  const dispatcher = getGlobalDispatcher();
  const realNow = performance.now.bind(performance);
  using machine = new Machine(folder, kind, mode, START_MS, DAY_MS, random);
  setGlobalDispatcher(machine.network as Dispatcher);
  // What the plugin measures by the monotonic clock is simulated time, too.
  performance.now = () => realNow() + machine.timeline.now() - START_MS;
  try {
    await workingDay(machine, random);
  } catch (error) {
    machine.problem(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    performance.now = realNow;
    setGlobalDispatcher(dispatcher);
    rmSync(folder, { recursive: true, force: true });
  }
  return machine.result();
}
