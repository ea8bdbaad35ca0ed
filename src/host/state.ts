/** This plugin's folder in OpenClaw's state, and small notes in it whose loss does no harm. */

import fs from "node:fs/promises";
import path from "node:path";
import { writePrivateFile } from "../logins/private-file.ts";
import { PLUGIN_ID } from "../constants.ts";
import { statePathsSdk } from "./sdk.ts";

/** The folder; it is made when something is stored in it. */
export function pluginStateDir(): string {
  return path.join(statePathsSdk().resolveStateDir(process.env), PLUGIN_ID);
}

/** The JSON of a note; `undefined` when there is none. Its shape is the caller's to check. */
export async function readNote(name: string): Promise<unknown> {
  try {
    return JSON.parse(await fs.readFile(path.join(pluginStateDir(), name), "utf8")) as unknown;
  } catch {
    return undefined;
  }
}

/** Replaces a note in one step; a failure is not an error. */
export async function writeNote(name: string, value: unknown): Promise<void> {
  const file = path.join(pluginStateDir(), name);
  try {
    await fs.mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    writePrivateFile(file, `${JSON.stringify(value)}\n`);
  } catch {
    // The next one is tried again.
  }
}
