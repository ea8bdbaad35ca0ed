/** The figures as a table, each beside its budget. */

import type { FreshResult, RefreshResult } from "./access.ts";
import type { BodyResult } from "./body.ts";
import type { GatewayResult } from "./gateway.ts";
import type { HostResult } from "./host.ts";
import type { LoadResult } from "./load.ts";
import type { DayOfRequests } from "./requests.ts";
import { type Distribution, short } from "./statistics.ts";
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
  readonly bodies: BodyResult;
  readonly day: DayOfRequests;
  readonly host: HostResult | undefined;
  readonly call: GatewayResult | undefined;
}

interface Row {
  readonly what: string;
  readonly measured: string;
  readonly anchor: string;
  readonly budget: string;
  readonly kept: boolean | undefined;
}

function seconds({ p50 }: Distribution): string {
  return `${short(p50 / 1000)} s`;
}

/** Resident memory in MB. */
function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(0)} MB`;
}

function hostRows(
  { version, turn, emptyTurn, gatewayStart, memory }: HostResult,
  { own: call, empty }: GatewayResult,
): Row[] {
  return [
    {
      what: version.what,
      measured: seconds(version.on),
      anchor: `plugin off ${seconds(version.off)}`,
      budget: "",
      kept: undefined,
    },
    {
      what: `a one-shot turn (${turn.what})`,
      measured: `${short(turn.medianExtra / 1000)} s more (${seconds(turn.on)})`,
      anchor: `plugin off ${seconds(turn.off)}; a plugin that only registers a provider ${short(emptyTurn.medianExtra / 1000)} s more`,
      budget: "at most 0.4 s more",
      kept: turn.medianExtra <= 400,
    },
    {
      what: "a turn of a running gateway, request to model call",
      measured: `${short(call.medianExtra)} ms more (p50 ${short(call.on.p50)} ms)`,
      anchor: `by address and key p50 ${short(call.off.p50)} ms; a plugin that only registers a provider ${short(empty.medianExtra)} ms more`,
      budget: "at most 10 ms more",
      kept: call.medianExtra <= 10,
    },
    {
      what: gatewayStart.what,
      measured: `${short(gatewayStart.medianExtra / 1000)} s more (${seconds(gatewayStart.on)})`,
      anchor: `plugin off ${seconds(gatewayStart.off)}`,
      budget: "",
      kept: undefined,
    },
    {
      what: memory.what,
      measured: `${megabytes(memory.medianExtra)} more (${megabytes(memory.on.p50)})`,
      anchor: `plugin off ${megabytes(memory.off.p50)}`,
      budget: "",
      kept: undefined,
    },
  ];
}

function bodyRows({ conversion, sizes }: BodyResult): Row[] {
  return [
    {
      what: "100 tools converted, once in a run",
      measured: `p50 ${short(conversion.p50)} ms`,
      anchor: "",
      budget: "",
      kept: undefined,
    },
    ...sizes.map(({ api, bytes, own, host }) => ({
      what: `the body of a call with 100 tools and ${megabytes(bytes)} of history (${api})`,
      measured: `${short(own.p50)} ms more`,
      anchor: `OpenClaw's own work p50 ${short(host.p50)} ms`,
      budget: `at most ${short(bytes / 200_000)} ms more`,
      kept: own.p50 <= bytes / 200_000,
    })),
  ];
}

function rows({
  fresh,
  refresh,
  crowd,
  official,
  load,
  tarball,
  bodies,
  day,
  host,
  call,
}: BenchResult): Row[] {
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
      what: "installed, with dependencies",
      measured: `${String(tarball.installed.files)} files, ${(tarball.installed.bytes / 1_000_000).toFixed(2)} MB`,
      anchor: `download ${short(tarball.packed / 1000)} kB, unpacked ${short(tarball.unpacked / 1000)} kB`,
      budget: "at most 120 files, 6 MB",
      kept: tarball.installed.files <= 120 && tarball.installed.bytes <= 6_000_000,
    },
    ...bodyRows(bodies),
    ...(host === undefined || call === undefined ? [] : hostRows(host, call)),
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
