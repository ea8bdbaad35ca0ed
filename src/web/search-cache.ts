/** Recent searches, so that a question asked twice costs the plan once. OpenClaw's setting says for how long. */

import { processState } from "../process-state.ts";

/** OpenClaw's own time where none is set, in minutes. */
const DEFAULT_MINUTES = 15;
/** Most searches kept. */
const MAX_ENTRIES = 100;

interface Entry {
  readonly payload: Readonly<Record<string, unknown>>;
  /** ms since the epoch. */
  readonly atMs: number;
  readonly untilMs: number;
}

function entries(): Map<string, Entry> {
  return processState("web-search", () => new Map<string, Entry>());
}

/** OpenClaw's setting `cacheTtlMinutes`, in ms; 0 keeps nothing. */
export function cacheTimeOf(minutes: unknown): number {
  const valid = typeof minutes === "number" && Number.isFinite(minutes) && minutes >= 0;
  return (valid ? minutes : DEFAULT_MINUTES) * 60_000;
}

/** The payload of a search that was made less than `ttlMs` ago and has not expired by its own time. */
export function cached(key: string, ttlMs: number): Record<string, unknown> | undefined {
  const entry = entries().get(key);
  const now = Date.now();
  return entry !== undefined && now < entry.untilMs && now - entry.atMs < ttlMs
    ? { ...entry.payload, cached: true }
    : undefined;
}

/** Keeps the payload of a search for `ttlMs`. */
export function keepSearch(key: string, payload: Record<string, unknown>, ttlMs: number): void {
  if (ttlMs <= 0) {
    return;
  }
  const kept = entries();
  const now = Date.now();
  kept.delete(key);
  kept.set(key, { payload, atMs: now, untilMs: now + ttlMs });
  const [oldest] = kept.keys();
  if (kept.size > MAX_ENTRIES && oldest !== undefined) {
    kept.delete(oldest);
  }
}
