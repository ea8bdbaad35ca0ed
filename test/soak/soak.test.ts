import { describe, expect, it } from "vitest";
import { hasPython } from "../kit/login-processes.ts";
import { runDay } from "./day.ts";
import { freshSeed, randomFrom, rounds, seedOf } from "../kit/random.ts";
import { runRotations } from "./rotations.ts";
import { runDays } from "./run.ts";

/** `npm run soak` runs hundreds of days; here a few, each time others. */
const DAYS = rounds(3);
const ROTATIONS = rounds(8);
const seed = freshSeed();

describe(`simulated working days (seed ${String(seed)})`, () => {
  it("lose no login, spend no token twice, refresh only what is due, and let no active agent wait", async () => {
    const { totals, problems } = await runDays({ seed, days: DAYS });
    expect(problems).toEqual([]);
    expect(totals.lossless).toMatchObject({ lost: 0, lostWithReply: 0, rejections: 0, waits: 0 });
    expect(totals.harsh).toMatchObject({ lost: 0, waits: 0 });
    expect(totals.lossless.rotations).toBeGreaterThan(DAYS * 10);
  }, 60_000);

  it("are the same again for the same seed", async () => {
    const options = { seed: seedOf(7, 0), kind: "kimi-code-cli", mode: "harsh" } as const;
    expect(await runDay(options)).toEqual(await runDay(options));
  }, 60_000);

  it("can be had for every seed, also for none", () => {
    const zero = randomFrom(0);
    const numbers = Array.from({ length: 1_000 }, () => zero.next());
    expect(new Set(numbers).size).toBe(1_000);
    expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
  });
});

describe.skipIf(!hasPython)(
  `rotations by the plugin, the Kimi CLI and Python (seed ${String(seed)})`,
  () => {
    it("take one request each, and nobody is signed out", async () => {
      const result = await runRotations({ seed, rotations: ROTATIONS, cliShare: 0.1 });
      expect(result.problems).toEqual([]);
      expect(result).toMatchObject({
        rotations: ROTATIONS,
        requests: ROTATIONS,
        rejected: 0,
      });
    }, 60_000);
  },
);
