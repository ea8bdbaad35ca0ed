/** The check against the real Kimi beside the published Kimi Code CLI, on one login, in a terminal. */
import { readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { modelsOfAllProtocols } from "../../kit/live.ts";
import { homeFor, removeScratch, scratch, stored } from "../../kit/logins.ts";
import { runCommand, startCommand, tail } from "../../kit/openclaw/process.ts";
import { keys, startTerminal, type Terminal } from "../../kit/openclaw/pty.ts";
import { type StandIn, startStandIn } from "../../kit/standin/server.ts";

const ROOT = path.join(import.meta.dirname, "../../..");
const KIMI = path.join(
  path.dirname(createRequire(import.meta.url).resolve("@moonshot-ai/kimi-code/package.json")),
  "dist/main.mjs",
);
const TIMEOUT_MS = 60_000;

let standIn: StandIn;
let folder: string;

beforeEach(async () => {
  standIn = await startStandIn();
  folder = await scratch();
});

afterEach(async () => {
  await standIn.close();
  await removeScratch();
});

function environment(): Record<string, string> {
  return {
    ...standIn.env,
    PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env["PATH"] ?? ""}`,
    HOME: folder,
    TMPDIR: folder,
    LANG: "C.UTF-8",
    KIMI_CODE_HOME: path.join(folder, "kimi-code"),
    KIMI_DISABLE_TELEMETRY: "1",
    KIMI_CODE_NO_AUTO_UPDATE: "1",
  };
}

async function kimi(...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await runCommand(
    startCommand({
      file: process.execPath,
      args: [KIMI, ...args],
      cwd: folder,
      env: { ...environment(), TERM: "dumb" },
    }),
    { timeoutMs: TIMEOUT_MS },
  );
  expect([code, tail(stdout + stderr)]).toEqual([0, expect.anything()]);
}

/** The program in a terminal, up to its question. */
async function asked(...args: readonly string[]): Promise<Terminal> {
  const file = path.join(ROOT, "scripts/live/main.ts");
  const terminal = startTerminal({
    file: process.execPath,
    args: [file, ...args],
    cwd: ROOT,
    env: environment(),
  });
  await terminal.waitFor("Go on? (y/N)");
  return terminal;
}

async function temporary(): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.startsWith("kimi-code-oauth"));
}

describe("npm run live in a terminal", () => {
  it(
    "checks with the CLI's login, on which the CLI goes on",
    async () => {
      await kimi("login");
      standIn.account().models = modelsOfAllProtocols();
      const home = homeFor("kimi-code-cli", path.join(folder, "kimi-code"), standIn);
      const before = await stored(home);
      const terminal = await asked();
      expect(terminal.screen()).toContain("the Kimi Code CLI's login");
      terminal.send(`y${keys.enter}`);
      await terminal.waitFor(
        /\d+ match, 0 differ, 4 not checked, 0 without an answer/u,
        TIMEOUT_MS,
      );
      expect((await terminal.exited).code).toBe(0);
      const after = await stored(home);
      expect(after["refresh_token"]).not.toBe(before["refresh_token"]);
      expect(terminal.screen()).not.toContain(after["access_token"]);
      await kimi("-p", "pong");
      expect(standIn.count("device_authorization")).toBe(1);
      expect(standIn.reusedRefreshTokens).toBe(0);
      expect(await temporary()).toEqual([]);
    },
    3 * TIMEOUT_MS,
  );

  it.each([
    ["no", `n${keys.enter}`, 3],
    ["nothing", keys.enter, 3],
    ["Ctrl-D", "\u0004", 3],
    ["Ctrl-C", keys.ctrlC, 130],
  ])("sends nothing when the answer is %s", async (_what, answer, code) => {
    const terminal = await asked("--device");
    terminal.send(answer);
    expect((await terminal.exited).code).toBe(code);
    expect(standIn.requests).toEqual([]);
    expect(await temporary()).toEqual([]);
  });
});
