/** The drawing for `docs/benchmarks.md`; plain SVG, readable on light and dark pages. */

import type { DayOfRequests, Spell } from "./requests.ts";
import { short } from "./statistics.ts";

const WIDTH = 720;
const HEIGHT = 430;
const LEFT = 60;
const RIGHT = 20;
const PLOT = WIDTH - LEFT - RIGHT;

/** What is drawn. */
export interface Drawing {
  /** From the winner's write to each caller's return, in ms. */
  readonly plugin: readonly number[];
  /** The same for the Kimi Code CLI's lock and patience. */
  readonly official: readonly number[];
  readonly day: DayOfRequests;
  readonly spells: readonly Spell[];
}

const TICKS_MS = [1, 10, 100, 1_000] as const;
const MAX_MS = 2_000;
const MIN_MS = 0.1;

/** Place of a latency on an axis of powers of ten. */
function latencyX(ms: number): number {
  const clamped = Math.min(MAX_MS, Math.max(MIN_MS, ms));
  return LEFT + (Math.log(clamped / MIN_MS) / Math.log(MAX_MS / MIN_MS)) * PLOT;
}

/** Part of the callers that have returned, as a line. */
function curve(samples: readonly number[], top: number, height: number): string {
  const sorted = samples.toSorted((a, b) => a - b);
  const points = sorted.map((ms, index) => {
    const y = top + height - ((index + 1) / sorted.length) * height;
    return `${latencyX(ms).toFixed(1)},${y.toFixed(1)}`;
  });
  return [`${String(LEFT)},${String(top + height)}`, ...points].join(" ");
}

function text(x: number, y: number, content: string, extra = ""): string {
  return `<text x="${x.toFixed(1)}" y="${String(y)}" ${extra}>${content}</text>`;
}

function crowd({ plugin, official }: Drawing): string[] {
  const top = 50;
  const height = 150;
  const bottom = top + height;
  const lines = TICKS_MS.flatMap((ms) => [
    `<line class="grid" x1="${latencyX(ms).toFixed(1)}" y1="${String(top)}" x2="${latencyX(ms).toFixed(1)}" y2="${String(bottom)}"/>`,
    text(latencyX(ms), bottom + 16, `${String(ms)} ms`, 'text-anchor="middle"'),
  ]);
  return [
    text(
      LEFT,
      24,
      "4 processes × 20 callers on one expired login: callers served, from the winner's write on",
      'class="title"',
    ),
    ...lines,
    text(LEFT - 8, top + 4, "100 %", 'text-anchor="end"'),
    text(LEFT - 8, bottom + 4, "0 %", 'text-anchor="end"'),
    `<line class="limit" x1="${latencyX(50).toFixed(1)}" y1="${String(top)}" x2="${latencyX(50).toFixed(1)}" y2="${String(bottom)}"/>`,
    text(latencyX(50) + 4, top + 12, "budget 50 ms"),
    `<polyline class="official" points="${curve(official, top, height)}"/>`,
    `<polyline class="plugin" points="${curve(plugin, top, height)}"/>`,
    text(
      latencyX(Math.max(...plugin)) - 6,
      bottom - 24,
      `this plugin, last ${short(Math.max(...plugin))} ms`,
      'class="of-plugin" text-anchor="end"',
    ),
    text(
      latencyX(Math.max(...official)) - 6,
      bottom - 8,
      `the Kimi Code CLI's lock, last ${short(Math.max(...official))} ms`,
      'class="of-official" text-anchor="end"',
    ),
  ];
}

function day({ day: { refreshesAtH, turns, waitingActiveTurns }, spells }: Drawing): string[] {
  const top = 300;
  const height = 60;
  const x = (hours: number): number => LEFT + (hours / 8) * PLOT;
  return [
    text(
      LEFT,
      274,
      `A simulated day: ${String(turns)} turns, ${String(refreshesAtH.length)} refreshes, ${String(waitingActiveTurns)} turns of the active agent that waited`,
      'class="title"',
    ),
    ...spells.map(
      ({ fromH, toH, active }) =>
        `<rect class="${active ? "active" : "idle"}" x="${x(fromH).toFixed(1)}" y="${String(top)}" width="${(x(toH) - x(fromH)).toFixed(1)}" height="${String(height)}"/>`,
    ),
    ...refreshesAtH.map(
      (atH) =>
        `<line class="plugin" x1="${x(atH).toFixed(1)}" y1="${String(top)}" x2="${x(atH).toFixed(1)}" y2="${String(top + height)}"/>`,
    ),
    ...Array.from({ length: 9 }, (_, hour) =>
      text(x(hour), top + height + 16, `${String(9 + hour)}:00`, 'text-anchor="middle"'),
    ),
    text(
      LEFT,
      top + height + 44,
      "shaded: an agent at work, a turn each 30 s; each line: one refresh request; no line while idle",
    ),
  ];
}

/** The drawing as a file's text. */
export function draw(drawing: Drawing): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${String(WIDTH)} ${String(HEIGHT)}" role="img" aria-label="Latencies of waiting callers, and the refresh requests of a simulated day">
<style>
text { font: 12px sans-serif; fill: #57606a }
.title { font-weight: 600; fill: #24292f }
.grid { stroke: #8c959f; stroke-opacity: 0.35 }
.limit { stroke: #cf222e; stroke-dasharray: 4 3 }
.plugin { fill: none; stroke: #0969da; stroke-width: 1.8 }
.official { fill: none; stroke: #bc4c00; stroke-width: 1.8 }
.of-plugin { fill: #0969da }
.of-official { fill: #bc4c00 }
.active { fill: #0969da; fill-opacity: 0.12 }
.idle { fill: #8c959f; fill-opacity: 0.08 }
@media (prefers-color-scheme: dark) { text { fill: #8d96a0 } .title { fill: #e6edf3 } }
</style>
${[...crowd(drawing), ...day(drawing)].join("\n")}
</svg>
`;
}
