import { describe, expect, it } from "vitest";
import { freshnessOf, isAlive, isYoung, refreshThresholdMs } from "../../src/logins/freshness.ts";

const NOW = Date.UTC(2030, 0, 1);

describe("a token of 900 s", () => {
  it.each([
    [900, "fresh"],
    [450, "fresh"],
    [449.999, "aging"],
    [60.001, "aging"],
    [60, "stale"],
    [0, "stale"],
    [-10_000, "stale"],
    [960, "fresh"],
    // Stored while the clock was ahead.
    [960.001, "stale"],
    [1_000_000, "stale"],
  ])("with %d s left is %s", (leftS, freshness) => {
    expect(freshnessOf({ expiresAtMs: NOW + leftS * 1000, expiresInS: 900 }, NOW)).toBe(freshness);
  });
});

describe("a token of another lifetime", () => {
  it.each([
    [0, 300, "fresh"],
    [0, 299.999, "aging"],
    [0, 60, "stale"],
    [0, 1_000_000, "fresh"],
    [60, 60, "fresh"],
    [60, 29, "aging"],
    [60, 15, "stale"],
    [3600, 1800, "fresh"],
    [3600, 1799, "aging"],
    [3600, 60, "stale"],
  ])("of %d s with %d s left is %s", (expiresInS, leftS, freshness) => {
    expect(freshnessOf({ expiresAtMs: NOW + leftS * 1000, expiresInS }, NOW)).toBe(freshness);
  });
});

describe("the threshold of both CLIs", () => {
  it.each([
    [900, 450_000],
    [600, 300_000],
    [3600, 1_800_000],
    [0, 300_000],
  ])("for %d s is %d ms", (expiresInS, ms) => {
    expect(refreshThresholdMs(expiresInS)).toBe(ms);
  });
});

describe("a token is taken for alive", () => {
  it.each([
    [6_000, true],
    [5_000, false],
    [5_001, true],
    [-1, false],
  ])("with %d ms left: %s", (leftMs, alive) => {
    expect(isAlive({ expiresAtMs: NOW + leftMs }, NOW)).toBe(alive);
  });
});

describe("a token whose file does not tell its expiry", () => {
  it("is left to the server", () => {
    expect(isAlive({ expiresAtMs: 0 }, NOW)).toBe(true);
    expect(isAlive({ expiresAtMs: 1 }, NOW)).toBe(false);
  });
});

describe("a token is taken for young", () => {
  it.each([
    [0, 900, true],
    [29_999, 900, true],
    [30_000, 900, false],
    // Issued by a clock that is ahead.
    [-29_999, 900, true],
    [-30_000, 900, false],
    [0, 0, false],
  ])("%d ms after its issue, for a life of %d s: %s", (ageMs, expiresInS, young) => {
    const expiresAtMs = NOW - ageMs + expiresInS * 1000;
    expect(isYoung({ expiresAtMs, expiresInS }, NOW)).toBe(young);
  });

  it("never without an expiry, also near the beginning of time", () => {
    expect(isYoung({ expiresAtMs: 0, expiresInS: 900 }, -900_000)).toBe(false);
    expect(isYoung({ expiresAtMs: 1, expiresInS: 900 }, -899_999)).toBe(true);
  });
});
