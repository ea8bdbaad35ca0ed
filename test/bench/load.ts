/** Loading: import and `register` of the built plugin against those of an empty one, in fresh processes. */

import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { projectDir } from "../kit/openclaw/layout.ts";
import type { LoadAnswer } from "../kit/load-child.ts";
import { type Distribution, distribution } from "./statistics.ts";

const run = promisify(execFile);

/** Import and `register`, in ms. */
export interface LoadResult {
  readonly plugin: Distribution;
  /** Anchor: an entry that registers nothing. */
  readonly empty: Distribution;
  readonly medianExtra: number;
  /** Packages of others, beside the host's, that import and `register` of the plugin load; none is right. */
  readonly packages: readonly string[];
}

const EMPTY = `import { definePluginEntry } from "openclaw/plugin-sdk/plugin-entry";
export default definePluginEntry({ id: "empty", name: "Empty", description: "Registers nothing.", register() {} });
`;

/** Builds the plugin into a folder from which it finds its dependencies. */
async function build(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const rolldown = path.join(projectDir, "node_modules", "rolldown", "bin", "cli.mjs");
  await run(process.execPath, [rolldown, "-c", "--dir", folder, "--logLevel", "silent"], {
    cwd: projectDir,
  });
  await writeFile(
    path.join(folder, "package.json"),
    await readFile(path.join(projectDir, "package.json")),
  );
  await writeFile(path.join(folder, "empty.js"), EMPTY);
}

async function load(
  entry: string,
  stateDir: string,
  mode: "time" | "packages",
): Promise<LoadAnswer> {
  const child = path.join(import.meta.dirname, "..", "kit", "load-child.ts");
  const env = {
    PATH: process.env["PATH"],
    HOME: stateDir,
    OPENCLAW_STATE_DIR: stateDir,
    NODE_NO_WARNINGS: "1",
  };
  const { stdout } = await run(process.execPath, [child, pathToFileURL(entry).href, mode], { env });
  return JSON.parse(stdout.slice(stdout.lastIndexOf("\n{") + 1)) as LoadAnswer;
}

/** Measures loading, each kind in its turn. */
export async function measureLoad(rounds: number): Promise<LoadResult> {
  const cache = path.join(projectDir, "node_modules", ".cache");
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(path.join(cache, "kimi-code-oauth-bench-"));
  try {
    await build(folder);
    const stateDir = path.join(folder, "state");
    await mkdir(stateDir);
    const entry = path.join(folder, "index.js");
    const empty = path.join(folder, "empty.js");
    const times = { plugin: [] as number[], empty: [] as number[] };
    for (let round = -1; round < rounds; round += 1) {
      const ofEmpty = await load(empty, stateDir, "time");
      const ofPlugin = await load(entry, stateDir, "time");
      if (round >= 0) {
        times.empty.push(ofEmpty.ms);
        times.plugin.push(ofPlugin.ms);
      }
    }
    const extras = times.plugin.map((ms, index) => ms - (times.empty[index] ?? 0));
    return {
      plugin: distribution(times.plugin),
      empty: distribution(times.empty),
      medianExtra: distribution(extras).p50,
      packages: (await load(entry, stateDir, "packages")).packages,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
