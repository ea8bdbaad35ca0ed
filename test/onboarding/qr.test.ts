import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { terminalQr } from "../../src/onboarding/qr.ts";

const LINK = "https://www.kimi.com/code/authorize_device?user_code=ABCD-1234";
const WIDE = { isTTY: true, columns: 100, rows: 40 };
const UTF8 = { LANG: "en_US.UTF-8", TERM: "xterm-256color" };

describe("a QR code of the link", () => {
  it("is drawn in a terminal, in equal lines that fit", async () => {
    const drawing = stripVTControlCharacters((await terminalQr(LINK, WIDE, UTF8, "linux")) ?? "");
    const lines = drawing.split("\n");
    expect(new Set(lines.map(({ length }) => length)).size).toBe(1);
    expect(lines.length).toBeGreaterThan(10);
    expect(lines[1]).toMatch(/█ ▄▄▄ █/u);
  });

  it.each<[string, Parameters<typeof terminalQr>[1], NodeJS.ProcessEnv, NodeJS.Platform]>([
    ["no terminal", { columns: 100, rows: 40 }, UTF8, "linux"],
    ["too few columns", { ...WIDE, columns: 30 }, UTF8, "linux"],
    ["too few rows", { ...WIDE, rows: 15 }, UTF8, "linux"],
    ["no size", { isTTY: true }, UTF8, "linux"],
    ["the POSIX locale", WIDE, { LANG: "C", TERM: "xterm" }, "linux"],
    ["no locale", WIDE, { TERM: "xterm" }, "linux"],
    ["another charset over it", WIDE, { LANG: "en_US.UTF-8", LC_ALL: "de_DE.ISO-8859-1" }, "linux"],
    ["the Linux console", WIDE, { LANG: "en_US.UTF-8", TERM: "linux" }, "linux"],
    ["a dumb terminal", WIDE, { LANG: "en_US.UTF-8", TERM: "dumb" }, "linux"],
    ["the old Windows console", WIDE, {}, "win32"],
  ])("is left out: %s", async (_case, terminal, env, platform) => {
    expect(await terminalQr(LINK, terminal, env, platform)).toBeUndefined();
  });

  it("is drawn in Windows Terminal", async () => {
    expect(await terminalQr(LINK, WIDE, { WT_SESSION: "1" }, "win32")).toBeDefined();
  });
});
