/**
 * When a token is fresh, when it should be refreshed without anyone waiting, and when a caller has
 * to wait. Pure functions of a credential and a time.
 */

import type { Credential } from "./credential.ts";

/** Threshold for a token whose lifetime is not known, in ms (both Kimi CLIs use 300 s). */
const DEFAULT_THRESHOLD_MS = 300_000;
/** Part of the life in which callers wait for a refresh, at most this long, in ms. */
const MAX_WAIT_WINDOW_MS = 60_000;
/** How much longer than its lifetime a token may seem to live before its expiry is not believed. */
const MAX_CLOCK_STEP_MS = 60_000;

/** How a token stands at some moment. */
export type Freshness =
  /** Serve it. */
  | "fresh"
  /** Serve it, and refresh it at the same time. */
  | "aging"
  /** Refresh it first. */
  | "stale";

/** Time before the expiry from which a token wants a refresh, in ms: half its lifetime. */
export function refreshThresholdMs(expiresInS: number): number {
  return expiresInS > 0 ? (expiresInS * 1000) / 2 : DEFAULT_THRESHOLD_MS;
}

/** Time before the expiry from which the token is no longer given out, in ms. */
function waitWindowMs(expiresInS: number): number {
  return expiresInS > 0
    ? Math.min(MAX_WAIT_WINDOW_MS, (expiresInS * 1000) / 4)
    : MAX_WAIT_WINDOW_MS;
}

/**
 * Classifies a token by its age.
 *
 * A token that seems to outlive its own lifetime was stored while the clock was ahead; its expiry
 * is not believed.
 *
 * @param nowMs - ms since the epoch
 */
export function freshnessOf(
  credential: Pick<Credential, "expiresAtMs" | "expiresInS">,
  nowMs: number,
): Freshness {
  const remainingMs = credential.expiresAtMs - nowMs;
  const { expiresInS } = credential;
  if (expiresInS > 0 && remainingMs > expiresInS * 1000 + MAX_CLOCK_STEP_MS) {
    return "stale";
  }
  if (remainingMs >= refreshThresholdMs(expiresInS)) {
    return "fresh";
  }
  return remainingMs > waitWindowMs(expiresInS) ? "aging" : "stale";
}

/**
 * True while the server may still accept the token, going by its expiry alone. A file that does not
 * tell the expiry leaves that to the server, as in the Kimi Code CLI.
 */
export function isAlive(credential: Pick<Credential, "expiresAtMs">, nowMs: number): boolean {
  return credential.expiresAtMs === 0 || credential.expiresAtMs - nowMs > 5_000;
}

/** Age below which a token is not refreshed because it was rejected, in ms: another one would not help. */
const YOUNG_MS = 30_000;

/** True for tokens that were issued moments ago; false also where their age is not known. */
export function isYoung(
  { expiresAtMs, expiresInS }: Pick<Credential, "expiresAtMs" | "expiresInS">,
  nowMs: number,
): boolean {
  const ageMs = nowMs - (expiresAtMs - expiresInS * 1000);
  return expiresInS > 0 && expiresAtMs > 0 && Math.abs(ageMs) < YOUNG_MS;
}
