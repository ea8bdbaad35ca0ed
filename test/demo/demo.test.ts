import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { projectDir } from "../support/layout.ts";
import { runCommand, startCommand } from "../support/process.ts";

it("the demo proves the main job: sign in, onboard, answer, refresh, and the CLI still signed in", async () => {
  const { code, stdout, stderr } = await runCommand(
    startCommand({
      file: process.execPath,
      args: [fileURLToPath(new URL("main.ts", import.meta.url))],
      cwd: projectDir,
      env: Object.fromEntries(
        Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
      ),
    }),
    { timeoutMs: 280_000 },
  );
  expect(code, stdout + stderr).toBe(0);
  expect(stdout).toContain("exactly one refresh, by itself");
  expect(stdout).toContain("The Kimi CLI went on working, with no new login.");
}, 300_000);
