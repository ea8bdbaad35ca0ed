/** The picture of the demo shows what the demo prints, and plays on a page that knows nothing of it. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { projectDir } from "../kit/openclaw/layout.ts";
import { drawTerminal } from "./picture.ts";
import { doneWithin, proof, stepLine, STEPS } from "./texts.ts";

const PICTURES = ["docs/demo.svg", "docs/demo-still.svg"] as const;

function read(file: string): string {
  return readFileSync(path.join(projectDir, file), "utf8");
}

/** What a picture shows in the end, line by line from the top. */
function linesOf(svg: string): string[] {
  const lines = new Map<number, string>();
  for (const { groups } of svg.matchAll(
    /<text[^>]* x="(?<x>[\d.]+)" y="(?<y>\d+)"[^>]*>(?<text>[^<]*)<\/text>/gu,
  )) {
    const y = Number(groups?.["y"]);
    const text = (groups?.["text"] ?? "")
      .replaceAll("&lt;", "<")
      .replaceAll("&gt;", ">")
      .replaceAll("&amp;", "&");
    const before = lines.get(y);
    lines.set(y, before === undefined ? text : `${before} ${text}`);
  }
  return [...lines].toSorted(([left], [right]) => left - right).map(([, text]) => text);
}

/** Seconds differ from run to run. */
function withoutSeconds(text: string): string {
  return text.replaceAll(/done in \d+\.\d s/gu, "done in … s");
}

describe.each(PICTURES)("%s", (file) => {
  const svg = read(file);

  it("shows what the demo prints: `npm run demo:picture` draws it again", () => {
    const steps = Object.keys(STEPS) as (keyof typeof STEPS)[];
    const printed =
      steps.map((step, index) => `${stepLine(index + 1, step)}${doneWithin(0)}`).join("") + proof();
    const lines = withoutSeconds(printed)
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
    expect(withoutSeconds(linesOf(svg).join("\n")).split("\n")).toEqual([
      "$ npm run --silent demo",
      ...lines,
    ]);
  });

  it("needs nothing but itself, and is small", () => {
    expect(svg.match(/(?:href|src|url\(|@import|<script|<image|<foreignObject|\bon\w+=)/gu)).toBe(
      null,
    );
    expect(svg.match(/https?:[^"\s<]*/gu)).toEqual(["http://www.w3.org/2000/svg"]);
    expect(Buffer.byteLength(svg)).toBeLessThan(15_000);
  });

  it("names no machine, no folder and no token", () => {
    expect(linesOf(svg).join("\n")).not.toMatch(
      /\/(?:tmp|home|root|dev|Users|var)\b|\b127\.|localhost|:\d{4}|standin|eyJ|[0-9a-f]{12}/u,
    );
  });
});

it("the demo takes its steps in the order of its texts", () => {
  const taken = Array.from(
    read("test/demo/main.ts").matchAll(/\bstep\(\s*"(\w+)"/gu),
    ([, id]) => id,
  );
  expect(taken).toEqual(Object.keys(STEPS));
});

describe("a picture of a terminal", () => {
  const recording = {
    command: "work <it>",
    title: "Work & rest",
    chunks: [
      { atMs: 50_000, text: "one … " },
      { atMs: 110_000, text: "done\n  two … " },
      { atMs: 110_300, text: "done\n\nEnd:\n" },
    ],
  };
  const svg = drawTerminal(recording);
  const still = drawTerminal(recording, true);
  /** When the pieces appear, ms, in their order. */
  const times = Array.from(svg.matchAll(/<text[^>]*animation-name:a(\d+)/gu), ([, ms]) =>
    Number(ms),
  );
  const totalMs = Number(/\{animation:(\d+)ms/u.exec(svg)?.[1]);

  it("shows in the end each line of the output where the program put it", () => {
    expect(linesOf(svg)).toEqual(["$ work <it>", "one … done", "two … done", "End:"]);
    expect(linesOf(still)).toEqual(linesOf(svg));
    const rows = Array.from(svg.matchAll(/<text[^>]* y="(\d+)"/gu), ([, y]) => Number(y));
    const [typed = 0] = rows;
    expect(rows.map((y) => (y - typed) / 20)).toEqual([0, 1, 1, 2, 2, 4]);
  });

  it("shortens long pauses, keeps short ones, and shows no two lines at once", () => {
    const [one = 0, oneDone = 0, two = 0, twoDone = 0, end = 0] = times;
    expect(oneDone - one).toBe(1500);
    expect(two - oneDone).toBeGreaterThan(100);
    expect(twoDone - two).toBe(300);
    expect(end - twoDone).toBeGreaterThan(100);
    expect(totalMs - end).toBeGreaterThan(5000);
  });

  it("moves only for readers who do not mind, and shows everything to the others", () => {
    const [before, after] = svg.split("@media (prefers-reduced-motion:no-preference)");
    expect(before).not.toContain("animation:");
    expect(after?.match(/animation:/gu)).toHaveLength(1);
    expect(still).not.toMatch(/animation|keyframes|cursor"/u);
    // Only the cursor is hidden without motion.
    expect(svg.match(/^\.\w+\{[^}]*opacity:0[^}]*\}/gmu)).toEqual([
      expect.stringContaining(".cursor"),
    ]);
  });

  it("fits its text, whatever the font: each piece says how wide it is", () => {
    const [, , width = 0] = /viewBox="0 0 ((\d+)) /u.exec(svg)?.map(Number) ?? [];
    for (const { groups } of svg.matchAll(
      /<text[^>]* x="(?<x>[\d.]+)"[^>]*textLength="(?<length>[\d.]+)"/gu,
    )) {
      expect(Number(groups?.["x"]) + Number(groups?.["length"])).toBeLessThan(width);
    }
    expect(svg.match(/textLength=/gu)).toHaveLength(6);
  });
});
