import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import type { LoadAnswer } from "./kit/load-child.ts";
import { projectDir } from "./kit/openclaw/layout.ts";

const run = promisify(execFile);

it("loading and registering the plugin loads no package but the host's", async () => {
  const stateDir = await mkdtemp(path.join(tmpdir(), "kimi-load-"));
  try {
    const child = path.join(projectDir, "test/kit/load-child.ts");
    const entry = new URL("../src/index.ts", import.meta.url).href;
    const env = {
      PATH: process.env["PATH"],
      HOME: stateDir,
      OPENCLAW_STATE_DIR: stateDir,
      NODE_NO_WARNINGS: "1",
    };
    const { stdout } = await run(process.execPath, [child, entry, "packages"], { env });
    const answer = JSON.parse(stdout.slice(stdout.lastIndexOf("\n{") + 1)) as LoadAnswer;
    expect(answer.packages).toEqual([]);
  } finally {
    await rm(stateDir, { recursive: true, force: true });
  }
});
