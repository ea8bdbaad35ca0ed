/**
 * The soak: simulated working days on real files and locks.
 *
 *     node test/soak/main.ts [--days 200] [--seed N] [--from DAY] [--rotations 200]
 *
 * Everything follows from the seed, which is printed; `--from` and `--days 1` replay one day. The
 * rotations are real ones, between this plugin, the published Kimi CLI and a Python process.
 */

import { parseArgs } from "node:util";
import { freshSeed } from "../kit/random.ts";
import { runRotations } from "./rotations.ts";
import { MODES, runDays } from "./run.ts";

const { values } = parseArgs({
  options: {
    days: { type: "string", default: "200" },
    seed: { type: "string" },
    from: { type: "string", default: "0" },
    rotations: { type: "string" },
  },
});
const seed = Number(values.seed ?? freshSeed());
const days = Number(values.days);
const from = Number(values.from);
// A replay of one day does not need the rotations.
const rotations = Number(values.rotations ?? (from === 0 ? 200 : 0));

console.log(`seed ${String(seed)}`);
const startedAt = performance.now();
const { totals, problems } = await runDays({ seed, days, from });
for (const mode of MODES) {
  const sum = totals[mode];
  console.log(
    [
      `${mode}: days ${String(days)}`,
      `calls ${String(sum.calls)}`,
      `refreshes ${String(sum.rotations)}`,
      `rejected ${String(sum.rejections)}`,
      `crashes ${String(sum.crashes)}`,
      `active turns that waited ${String(sum.waits)}`,
      `lost with a reply that never came ${String(sum.lostWithReply)}`,
      `lost ${String(sum.lost)}`,
    ].join(", "),
  );
}
console.log(`${String(Math.round((performance.now() - startedAt) / 1000))} s`);

const failures = [...problems];
if (rotations > 0) {
  const result = await runRotations({ seed, rotations });
  const by = Object.entries(result.by).map(([who, count]) => `${who} ${String(count)}`);
  console.log(
    `real rotations ${String(result.rotations)} (${by.join(", ")}), requests ${String(result.requests)}, rejected ${String(result.rejected)}, ${String(Math.round(result.durationMs / 1000))} s`,
  );
  failures.push(...result.problems);
}
for (const failure of failures) {
  console.error(failure);
}
process.exitCode = failures.length === 0 ? 0 : 1;
