/** The host's stored logins, read and written in its databases behind its back. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** A stored login; the host keeps only fields it knows. */
export interface StoredCredential {
  type: string;
  provider: string;
  access?: string;
  refresh?: string;
  /** ms since the epoch. */
  expires?: number;
  [field: string]: unknown;
}

/** Stored logins by profile id. */
export type StoredProfiles = Record<string, StoredCredential>;

/** What the host remembers of failures and use, by profile id. */
export interface StoredUsage {
  /** ms since the epoch. */
  cooldownUntil?: number;
  /** ms since the epoch. */
  lastFailureAt?: number;
  cooldownReason?: string;
  /** ms since the epoch. */
  disabledUntil?: number;
  disabledReason?: string;
  errorCount?: number;
  failureCounts?: Record<string, number>;
  [field: string]: unknown;
}

/** How long a statement waits for a lock of a running host, ms. */
const BUSY_TIMEOUT_MS = 10_000;

/** One table that holds JSON texts by key. */
interface Cell {
  readonly table: string;
  readonly keyColumn: string;
  readonly jsonColumn: string;
  readonly timeColumn: string;
  readonly key: string;
}

const machineState = (key: string): Cell => ({
  table: "config_machine_state",
  keyColumn: "state_key",
  jsonColumn: "value_json",
  timeColumn: "updated_at_ms",
  key,
});

// The main agent's logins are the shared ones; any other agent may have some of its own.
const sharedProfiles = machineState("authProfiles.store");
const sharedUsage = machineState("authProfiles.state");
const sharedLocation = machineState("auth.sharedStore");

const agentProfiles: Cell = {
  table: "auth_profile_store",
  keyColumn: "store_key",
  jsonColumn: "store_json",
  timeColumn: "updated_at",
  key: "primary",
};

/** The stored logins of one agent; empty if it has none of its own. */
export function readProfiles(stateDir: string, agentId = "main"): StoredProfiles {
  const [file, cell] = profilesOf(stateDir, agentId);
  const store = readCell(file, cell) as { profiles?: StoredProfiles } | undefined;
  return store?.profiles ?? {};
}

/** Puts a login, or anything that looks like one, into the store as it is; undefined removes it. */
export function writeProfile(
  stateDir: string,
  profileId: string,
  credential: StoredCredential | undefined,
  agentId = "main",
): void {
  const [file, cell] = profilesOf(stateDir, agentId);
  const { [profileId]: _replaced, ...others } = readProfiles(stateDir, agentId);
  const profiles = credential === undefined ? others : { ...others, [profileId]: credential };
  writeCell(file, cell, { version: 1, profiles });
  if (cell === sharedProfiles) {
    // Tells the host that its logins live in this database and not in files of an older version.
    writeCell(file, sharedLocation, { location: "state-db" });
  }
}

/** Cooldowns and failure counts of the shared logins. */
export function readUsage(stateDir: string): Record<string, StoredUsage> {
  const state = readCell(stateDatabase(stateDir), sharedUsage) as
    | { usageStats?: Record<string, StoredUsage> }
    | undefined;
  return state?.usageStats ?? {};
}

/** Forgets cooldowns and failures, as time would. */
export function clearUsage(stateDir: string): void {
  writeCell(stateDatabase(stateDir), sharedUsage, { version: 1, usageStats: {} });
}

/** Replaces the folder in all absolute paths that an install has stored. */
export function rewriteStoredPaths(stateDir: string, from: string, to: string): void {
  withDatabase(stateDatabase(stateDir), (database) => {
    database
      .prepare("UPDATE config_machine_state SET value_json = replace(value_json, ?, ?)")
      .run(from, to);
    // Notes about a config file that is not this one.
    database.exec("DELETE FROM config_health_entries");
    database.exec("DELETE FROM diagnostic_events");
  });
}

function profilesOf(stateDir: string, agentId: string): [string, Cell] {
  return agentId === "main"
    ? [stateDatabase(stateDir), sharedProfiles]
    : [join(stateDir, "agents", agentId, "agent", "openclaw-agent.sqlite"), agentProfiles];
}

function stateDatabase(stateDir: string): string {
  return join(stateDir, "state", "openclaw.sqlite");
}

function readCell(file: string, cell: Cell): unknown {
  if (!existsSync(file)) {
    return undefined;
  }
  return withDatabase(file, (database) => {
    const known = database.prepare("SELECT 1 FROM sqlite_master WHERE name = ?").get(cell.table);
    const row =
      known &&
      database
        .prepare(`SELECT ${cell.jsonColumn} AS json FROM ${cell.table} WHERE ${cell.keyColumn} = ?`)
        .get(cell.key);
    const json = row?.["json"];
    return typeof json === "string" ? JSON.parse(json) : undefined;
  });
}

function writeCell(file: string, cell: Cell, value: unknown): void {
  withDatabase(file, (database) => {
    database
      .prepare(
        `INSERT OR REPLACE INTO ${cell.table} (${cell.keyColumn}, ${cell.jsonColumn}, ${cell.timeColumn}) VALUES (?, ?, ?)`,
      )
      .run(cell.key, JSON.stringify(value), Date.now());
  });
}

function withDatabase<Result>(file: string, use: (database: DatabaseSync) => Result): Result {
  const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
  try {
    return use(database);
  } finally {
    database.close();
  }
}
