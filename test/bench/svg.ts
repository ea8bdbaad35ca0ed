/** The drawing for `docs/benchmarks.md`. */

import { BarChart, LineChart } from "echarts/charts";
import {
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  TitleComponent,
} from "echarts/components";
import { type EChartsCoreOption, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import type { Paired } from "./host.ts";
import type { DayOfRequests, Spell } from "./requests.ts";

use([
  BarChart,
  GridComponent,
  LegendComponent,
  LineChart,
  MarkLineComponent,
  SVGRenderer,
  TitleComponent,
]);

const WIDTH = 760;
const PLUGIN = "#0969da";
const OTHER = "#bc4c00";
const LIMIT = "#cf222e";
/** Points of a curve that are drawn; more cannot be told apart. */
const POINTS = 24;

/** What is drawn. */
export interface Drawing {
  /** From the winner's write to each caller's return, in ms. */
  readonly plugin: readonly number[];
  /** The same for the Kimi Code CLI's lock and patience. */
  readonly official: readonly number[];
  readonly day: DayOfRequests;
  readonly spells: readonly Spell[];
  /** OpenClaw with the plugin on and off; absent unless that was measured. */
  readonly turn?: Paired | undefined;
  readonly call?: Paired | undefined;
}

/** Part of the callers that were served by then, in percent, thinned out. */
function served(samples: readonly number[]): [number, number][] {
  const sorted = samples.toSorted((left, right) => left - right);
  return Array.from({ length: POINTS }, (_, index) => {
    const part = (index + 1) / POINTS;
    const ms = sorted[Math.ceil(part * sorted.length) - 1] ?? 0;
    return [Math.max(0.1, Number(ms.toPrecision(3))), Math.round(part * 100)];
  });
}

function limit(axis: "xAxis" | "yAxis", at: number, label: string) {
  return {
    symbol: "none",
    silent: true,
    lineStyle: { color: LIMIT, type: "dashed" },
    label: { formatter: label, color: LIMIT },
    data: [{ [axis]: at }],
  };
}

/** One bar for each kind, from zero, with what the plugin may add as a line. */
function bars(gridIndex: number, { on, off }: Paired, budgetMs: number, unitMs: number) {
  const value = (ms: number): number => Number((ms / unitMs).toPrecision(3));
  return {
    type: "bar",
    xAxisIndex: gridIndex,
    yAxisIndex: gridIndex,
    barWidth: 34,
    label: { show: true, position: "inside", color: "#ffffff" },
    data: [
      { value: value(off.p50), itemStyle: { color: OTHER } },
      { value: value(on.p50), itemStyle: { color: PLUGIN } },
    ],
    markLine: limit("yAxis", value(off.p50 + budgetMs), "budget"),
  };
}

function barAxes(gridIndex: number, unit: string) {
  return {
    x: { gridIndex, type: "category", data: ["off", "on"], axisTick: { show: false } },
    y: {
      gridIndex,
      type: "value",
      name: unit,
      nameGap: 8,
      max: (range: { max: number }) => Math.ceil(range.max * 1.2),
    },
  };
}

function title(text: string, top: number, left = 20) {
  return { text, top, left, textStyle: { fontSize: 13, color: "#24292f" } };
}

/** The drawing as a file's text. */
export function draw({ plugin, official, day, spells, turn, call }: Drawing): string {
  const withHost = turn !== undefined && call !== undefined;
  const height = withHost ? 640 : 430;
  const turns = barAxes(2, "s");
  const calls = barAxes(3, "ms");
  const option: EChartsCoreOption = {
    animation: false,
    backgroundColor: "#ffffff",
    title: [
      title("80 callers on one expired login: served, from the winner's write on", 8),
      title(
        `A day: ${String(day.turns)} turns, ${String(day.refreshesAtH.length)} refreshes, ${String(day.waitingActiveTurns)} active turns that waited`,
        272,
      ),
      ...(withHost
        ? [
            title("One-shot turn, plugin off and on", 440),
            title("Gateway: request to model call, off and on", 440, 390),
          ]
        : []),
    ],
    legend: { top: 30, right: 20, data: ["this plugin", "the Kimi Code CLI's lock"] },
    grid: [
      { left: 60, right: 30, top: 64, height: 150 },
      { left: 60, right: 30, top: 302, height: 60 },
      ...(withHost
        ? [
            { left: 60, width: 260, top: 486, height: 110 },
            { left: 430, width: 260, top: 486, height: 110 },
          ]
        : []),
    ],
    xAxis: [
      { type: "log", name: "ms", nameLocation: "end", nameGap: 6, min: 0.1, max: 2_000 },
      {
        gridIndex: 1,
        type: "value",
        name: "shaded: an agent at work; lines: refresh requests",
        nameLocation: "middle",
        nameGap: 28,
        min: 0,
        max: 8,
        interval: 1,
        axisLabel: { formatter: (hours: number) => `${String(9 + hours)}:00` },
        splitLine: { show: false },
      },
      ...(withHost ? [turns.x, calls.x] : []),
    ],
    yAxis: [
      { type: "value", name: "% served", nameGap: 8, max: 100, interval: 50 },
      { gridIndex: 1, type: "value", show: false, min: 0, max: 1 },
      ...(withHost ? [turns.y, calls.y] : []),
    ],
    series: [
      {
        name: "this plugin",
        type: "line",
        step: "end",
        symbol: "none",
        color: PLUGIN,
        data: served(plugin),
        markLine: limit("xAxis", 50, "budget 50 ms"),
      },
      {
        name: "the Kimi Code CLI's lock",
        type: "line",
        step: "end",
        symbol: "none",
        color: OTHER,
        data: served(official),
      },
      {
        type: "line",
        xAxisIndex: 1,
        yAxisIndex: 1,
        symbol: "none",
        data: [],
        markLine: {
          symbol: "none",
          silent: true,
          label: { show: false },
          lineStyle: { color: PLUGIN, type: "solid" },
          data: day.refreshesAtH.map((atH) => ({ xAxis: Number(atH.toFixed(2)) })),
        },
      },
      ...spells
        .filter(({ active }) => active)
        .map(({ fromH, toH }) => ({
          type: "line",
          xAxisIndex: 1,
          yAxisIndex: 1,
          symbol: "none",
          silent: true,
          lineStyle: { width: 0 },
          areaStyle: { color: PLUGIN, opacity: 0.12 },
          data: [
            [fromH, 1],
            [toH, 1],
          ],
        })),
      ...(withHost ? [bars(2, turn, 400, 1_000), bars(3, call, 10, 1)] : []),
    ],
  };
  const chart = init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
  chart.setOption(option);
  const svg = chart.renderToSVGString();
  chart.dispose();
  // A line for each element, so that a review shows what has changed.
  return `${svg.replaceAll("><", ">\n<")}\n`;
}
