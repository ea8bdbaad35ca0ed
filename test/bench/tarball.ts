/** What a user downloads, and what OpenClaw then has on its disk and copies at each start. */

import { execFile } from "node:child_process";
import { lstat, readdir } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { projectDir } from "../support/layout.ts";
import { hostTemplate } from "../support/template.ts";

const run = promisify(execFile);

/** Sizes in bytes. */
export interface Tarball {
  readonly packed: number;
  readonly unpacked: number;
  /** The plugin with its dependencies, as OpenClaw installed it; its own packages, linked in, are not counted. */
  readonly installed: { readonly files: number; readonly bytes: number };
}

interface Packed {
  readonly size: number;
  readonly unpackedSize: number;
}

/** Counts regular files below a folder; links are not followed. */
async function count(folder: string): Promise<{ files: number; bytes: number }> {
  const sum = { files: 0, bytes: 0 };
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) {
      sum.files += 1;
      sum.bytes += (await lstat(path.join(entry.parentPath, entry.name))).size;
    }
  }
  return sum;
}

/** The folder that OpenClaw installed the plugin and its dependencies into. */
async function installFolder(): Promise<string> {
  const root = await hostTemplate();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (entry.name === "kimi-code-oauth" && path.basename(entry.parentPath) === "node_modules") {
      return entry.parentPath;
    }
  }
  throw new Error(`the plugin is not installed below ${root}`);
}

/** Packs without keeping the archive, and counts an installation. */
export async function measureTarball(): Promise<Tarball> {
  await run("npm", ["run", "build"], { cwd: projectDir });
  const { stdout } = await run("npm", ["pack", "--dry-run", "--ignore-scripts", "--json"], {
    cwd: projectDir,
  });
  // npm 11 lists the packages, npm 12 keys them by name.
  const [entry] = Object.values(JSON.parse(stdout) as Record<string, Packed>);
  if (entry === undefined) {
    throw new Error("npm pack named no archive");
  }
  return {
    packed: entry.size,
    unpacked: entry.unpackedSize,
    installed: await count(await installFolder()),
  };
}
