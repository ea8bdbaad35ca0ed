/** What a user downloads, and what OpenClaw then has on its disk. */

import { execFile } from "node:child_process";
import { lstat, readdir } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { projectDir } from "../kit/openclaw/layout.ts";
import { hostTemplate } from "../kit/openclaw/template.ts";

const run = promisify(execFile);

/** Sizes in bytes. */
export interface Tarball {
  readonly packed: number;
  readonly unpacked: number;
  /** The plugin's npm project, with its dependencies; OpenClaw itself is linked in and not counted. */
  readonly installed: { readonly files: number; readonly bytes: number };
}

interface Packed {
  readonly size: number;
  readonly unpackedSize: number;
}

/** Where OpenClaw keeps the archive of an `npm-pack:` install; an install from a registry has none. */
const ARCHIVES = "_openclaw-pack-archives";

/** Counts regular files below a project; links are not followed. */
async function count(project: string): Promise<{ files: number; bytes: number }> {
  const sum = { files: 0, bytes: 0 };
  for (const entry of await readdir(project, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && path.basename(entry.parentPath) !== ARCHIVES) {
      sum.files += 1;
      sum.bytes += (await lstat(path.join(entry.parentPath, entry.name))).size;
    }
  }
  return sum;
}

/** The npm project that OpenClaw installed the plugin into. */
async function installedProject(): Promise<string> {
  const root = await hostTemplate();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (entry.name === "kimi-code-oauth" && path.basename(entry.parentPath) === "node_modules") {
      return path.dirname(entry.parentPath);
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
    installed: await count(await installedProject()),
  };
}
