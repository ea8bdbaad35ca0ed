/** An older version of the plugin, made of the packed one. */
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { JsonObject } from "./layout.ts";
import { runCommand, startCommand } from "./process.ts";
import { installEnvironment } from "./template.ts";

async function run(file: string, args: readonly string[], cwd: string): Promise<void> {
  const command = startCommand({ file, args, cwd, env: installEnvironment() });
  const { code, stderr } = await runCommand(command);
  if (code !== 0) {
    throw new Error(`${file} failed: ${stderr}`);
  }
}

async function change(file: string, edit: (value: JsonObject) => JsonObject): Promise<void> {
  const value = JSON.parse(await readFile(file, "utf8")) as JsonObject;
  await writeFile(file, JSON.stringify(edit(value)));
}

/**
 * Packs the plugin again as version 0.0.9, with a manifest that declares these contracts only.
 *
 * @returns the archive, in a folder that the caller removes
 */
export async function packOlder(
  archive: string,
  contracts: JsonObject,
): Promise<{ readonly folder: string; readonly archive: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), "kimi-older-"));
  await run("tar", ["xzf", archive, "-C", folder], folder);
  const root = path.join(folder, "package");
  await change(path.join(root, "openclaw.plugin.json"), (manifest) => ({ ...manifest, contracts }));
  await change(path.join(root, "package.json"), (manifest) => ({ ...manifest, version: "0.0.9" }));
  await run("npm", ["pack", "--ignore-scripts", "--pack-destination", folder], root);
  return { folder, archive: path.join(folder, "kimi-code-oauth-0.0.9.tgz") };
}
