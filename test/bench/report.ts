/** The figures as a table, each beside its budget. */

import type { FreshResult, RefreshResult } from "./access.ts";
import type { HostResult } from "./host.ts";
import type { LoadResult } from "./load.ts";
import type { DayOfRequests } from "./requests.ts";
import { short } from "./statistics.ts";
import type { Tarball } from "./tarball.ts";
import type { CrowdResult } from "./waiters.ts";

/** Everything that one run measured. */
export interface BenchResult {
  readonly fresh: FreshResult;
  readonly refresh: RefreshResult;
  readonly crowd: CrowdResult;
  readonly official: CrowdResult;
  readonly load: LoadResult;
  readonly tarball: Tarball;
  readonly day: DayOfRequests;
  readonly host: HostResult | undefined;
}

interface Row {
  readonly what: string;
  readonly measured: string;
  readonly anchor: string;
  readonly budget: string;
  readonly kept: boolean | undefined;
}

function hostRows(host: HostResult): Row[] {
  return host.rows.map(({ what, withPlugin, without }) => ({
    what,
    measured: `${short(withPlugin.p50 / 1000)} s`,
    anchor: `without the plugin ${short(without.p50 / 1000)} s`,
    budget: "",
    kept: undefined,
  }));
}

function rows({ fresh, refresh, crowd, official, load, tarball, day, host }: BenchResult): Row[] {
  const requests = Math.max(...crowd.requests);
  return [
    {
      what: "access to a fresh token",
      measured: `p50 ${short(fresh.access.p50)} µs, p99 ${short(fresh.access.p99)} µs: ${short(fresh.access.p50 / fresh.stat.p50)} × a stat`,
      anchor: `stat p50 ${short(fresh.stat.p50)} µs, p99 ${short(fresh.stat.p99)} µs; read and parse ${short(fresh.readAndParse.p50 / fresh.stat.p50)} × a stat`,
      budget: "at most 2 × a stat",
      kept: fresh.access.p50 <= 2 * fresh.stat.p50,
    },
    {
      what: "refresh requests of 4 processes × 20 callers",
      measured: `${String(requests)} in each of ${String(crowd.requests.length)} rounds`,
      anchor: `Kimi Code CLI's lock ${String(Math.max(...official.requests))}`,
      budget: "exactly 1",
      kept: crowd.requests.every((count) => count === 1),
    },
    {
      what: "last waiter after the winner's write",
      measured: `p50 ${short(crowd.last.p50)} ms, worst ${short(crowd.last.max)} ms`,
      anchor: `Kimi Code CLI's lock p50 ${short(official.last.p50)} ms`,
      budget: "under 50 ms",
      kept: crowd.last.p50 < 50,
    },
    {
      what: "a whole refresh over the bare round trip",
      measured: `${short(refresh.medianExtra)} ms more (p50 ${short(refresh.whole.p50)} ms, p99 ${short(refresh.whole.p99)} ms)`,
      anchor: `round trip p50 ${short(refresh.roundTrip.p50)} ms, p99 ${short(refresh.roundTrip.p99)} ms`,
      budget: "under 10 ms more",
      kept: refresh.medianExtra < 10,
    },
    {
      what: "turns of an active agent that wait",
      measured: `${String(day.waitingActiveTurns)} of ${String(day.turns)}`,
      anchor: `${String(day.refreshesAtH.length)} refreshes, each of which a client without a background refresh waits for`,
      budget: "0",
      kept: day.waitingActiveTurns === 0,
    },
    {
      what: "refresh requests in an hour",
      measured: `active ${short(day.activePerHour)}, idle ${short(day.idlePerHour)}`,
      anchor: "a token's half-life allows 8",
      budget: "",
      kept: day.idlePerHour === 0,
    },
    {
      what: "import + register over an empty plugin",
      measured: `${short(load.medianExtra)} ms more (p50 ${short(load.plugin.p50)} ms); packages loaded: ${load.packages.join(", ") || "none"}`,
      anchor: `empty plugin p50 ${short(load.empty.p50)} ms`,
      budget: "under 10 ms more, no packages",
      kept: load.medianExtra < 10 && load.packages.length === 0,
    },
    {
      what: "tarball, unpacked",
      measured: `${short(tarball.unpacked / 1000)} kB in ${String(tarball.files)} files (${short(tarball.packed / 1000)} kB packed)`,
      anchor: "",
      budget: "under 150 kB",
      kept: tarball.unpacked < 150_000,
    },
    ...(host === undefined ? [] : hostRows(host)),
  ];
}

function verdict(kept: boolean | undefined): string {
  if (kept === undefined) {
    return "";
  }
  return kept ? "kept" : "**missed**";
}

/** The table in Markdown, and how many budgets were missed. */
export function report(result: BenchResult): { readonly text: string; readonly missed: number } {
  const all = rows(result);
  const lines = all.map(
    ({ what, measured, anchor, budget, kept }) =>
      `| ${[what, measured, anchor, budget, verdict(kept)].join(" | ")} |`,
  );
  const head = [
    "| What | Measured | Anchor in the same run | Budget | |",
    "| --- | --- | --- | --- | --- |",
  ];
  return {
    text: [...head, ...lines].join("\n"),
    missed: all.filter(({ kept }) => kept === false).length,
  };
}
