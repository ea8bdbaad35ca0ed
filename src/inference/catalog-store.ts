/**
 * The last good list of models of each login, kept in OpenClaw's state so that it survives a restart
 * and serves while the server cannot be asked. One small file for each login; reading is synchronous
 * because the host's hooks are.
 */

import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { pluginStateDir } from "../host/context.ts";
import { writeNote } from "../host/notes.ts";
import type { ModelProtocol, ModelRow, ModelThinking } from "./models.ts";

/** A login's list of models. */
export interface ModelList {
  /** When the server gave it, ms since the epoch. */
  readonly fetchedAtMs: number;
  readonly models: readonly ModelRow[];
}

const FOLDER = "models";
const VERSION = 1;
const PROTOCOLS: readonly ModelProtocol[] = ["chat", "messages", "responses"];
const MODES: readonly ModelThinking["mode"][] = ["none", "toggle", "always"];

// What a file held when it was last read; a stamp tells whether it still does.
const seen = new Map<string, { readonly stamp: string; readonly list: ModelList | undefined }>();

function folder(): string {
  return path.join(pluginStateDir(), FOLDER);
}

function fileOf(loginKey: string): string {
  return path.join(folder(), `${loginKey}.json`);
}

function isThinking(value: unknown): value is ModelThinking {
  const thinking = value as Partial<ModelThinking> | null | undefined;
  return (
    MODES.some((mode) => mode === thinking?.mode) &&
    Array.isArray(thinking?.efforts) &&
    thinking.efforts.every((effort) => typeof effort === "string") &&
    (thinking.defaultEffort === undefined || typeof thinking.defaultEffort === "string")
  );
}

/** Checks a row of our own file, which a hand or a newer version may have written. */
function isRow(value: unknown): value is ModelRow {
  const row = value as Partial<ModelRow> | null | undefined;
  return (
    typeof row?.id === "string" &&
    typeof row.name === "string" &&
    typeof row.contextWindow === "number" &&
    row.contextWindow > 0 &&
    PROTOCOLS.some((protocol) => protocol === row.protocol) &&
    typeof row.images === "boolean" &&
    typeof row.tools === "boolean" &&
    isThinking(row.thinking)
  );
}

function parse(text: string): ModelList | undefined {
  try {
    const value = JSON.parse(text) as { version?: unknown } & Partial<Record<keyof ModelList, unknown>>;
    return value.version === VERSION &&
      typeof value.fetchedAtMs === "number" &&
      Array.isArray(value.models)
      ? { fetchedAtMs: value.fetchedAtMs, models: value.models.filter(isRow) }
      : undefined;
  } catch {
    return undefined;
  }
}

function readFile(file: string): ModelList | undefined {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) {
    return undefined;
  }
  const stamp = `${String(stat.mtimeMs)} ${String(stat.ino)} ${String(stat.size)}`;
  const known = seen.get(file);
  if (known?.stamp === stamp) {
    return known.list;
  }
  const list = parse(readFileSync(file, "utf8"));
  seen.set(file, { stamp, list });
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

/** The lists of all logins of this installation, the newest first. */
export function modelLists(): ModelList[] {
  let names: string[];
  try {
    names = readdirSync(folder());
  } catch {
    return [];
  }
  return names
    .filter((name) => name.endsWith(".json"))
    .map((name) => readModelList(name.slice(0, -".json".length)))
    .filter((list) => list !== undefined)
    .toSorted((left, right) => right.fetchedAtMs - left.fetchedAtMs);
}

/** A model as any login of this installation knows it, the newest list first. */
export function findModel(modelId: string): ModelRow | undefined {
  return modelLists()
    .flatMap((list) => list.models)
    .find((row) => row.id === modelId);
}

/** Keeps a login's list; a failure to write costs a later start one request. */
export async function writeModelList(loginKey: string, list: ModelList): Promise<void> {
  await writeNote(path.join(FOLDER, `${loginKey}.json`), { version: VERSION, ...list });
}
