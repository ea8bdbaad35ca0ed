/**
 * The last good list of models of each login, kept in OpenClaw's state so that it survives a restart
 * and serves while the server cannot be asked. One small file for each login; reading is synchronous
 * because the host's hooks are.
 */

import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { pluginStateDir, writeNote } from "../host/state.ts";
import { parseJson } from "../json.ts";
import type { ModelRow } from "./models.ts";

/** A login's list of models. */
export interface ModelList {
  /** When the server gave it, ms since the epoch. */
  readonly fetchedAtMs: number;
  readonly models: readonly ModelRow[];
}

const FOLDER = "models";
const VERSION = 1;

const rowSchema = z.object({
  id: z.string(),
  name: z.string(),
  contextWindow: z.number().positive(),
  protocol: z.enum(["chat", "messages", "responses"]),
  images: z.boolean(),
  video: z.boolean().default(false),
  tools: z.boolean(),
  thinking: z.object({
    mode: z.enum(["none", "toggle", "always"]),
    efforts: z.array(z.string()),
    defaultEffort: z.string().optional(),
  }),
});

/** Our own file, which a hand or a newer version may have written; a row that is odd costs itself only. */
const fileSchema = z.object({
  version: z.literal(VERSION),
  fetchedAtMs: z.number(),
  models: z
    .array(z.unknown())
    .transform((rows) => rows.flatMap((row) => rowSchema.safeParse(row).data ?? [])),
});

// What a file held when it was last read; a stamp tells whether it still does.
const cachedFiles = new Map<
  string,
  { readonly stamp: string; readonly list: ModelList | undefined }
>();

function fileOf(loginKey: string): string {
  return path.join(pluginStateDir(), FOLDER, `${loginKey}.json`);
}

function readFile(file: string): ModelList | undefined {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) {
    return undefined;
  }
  const stamp = `${String(stat.mtimeMs)} ${String(stat.ino)} ${String(stat.size)}`;
  const known = cachedFiles.get(file);
  if (known?.stamp === stamp) {
    return known.list;
  }
  const list: ModelList | undefined = fileSchema.safeParse(
    parseJson(readFileSync(file, "utf8")),
  ).data;
  cachedFiles.set(file, { stamp, list });
  return list;
}

/** The last good list of a login; `undefined` when there is none. Never throws. */
export function readModelList(loginKey: string): ModelList | undefined {
  try {
    return readFile(fileOf(loginKey));
  } catch {
    return undefined;
  }
}

/** Keeps a login's list; a failure to write costs a later start one request. */
export async function writeModelList(loginKey: string, list: ModelList): Promise<void> {
  await writeNote(path.join(FOLDER, `${loginKey}.json`), { version: VERSION, ...list });
}
