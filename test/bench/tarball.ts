/** What a user downloads. */

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { projectDir } from "../support/layout.ts";

const run = promisify(execFile);

/** Sizes in bytes, without dependencies. */
export interface Tarball {
  readonly packed: number;
  readonly unpacked: number;
  readonly files: number;
}

interface Packed {
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly unknown[];
}

/** Builds and packs, without keeping the archive. */
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
  return { packed: entry.size, unpacked: entry.unpackedSize, files: entry.files.length };
}
