import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FailureMemory } from "../../src/logins/failure-memory.ts";
import { KimiError } from "../../src/protocol/errors.ts";

const START = Date.UTC(2030, 0, 1);
let nowMs: number;
let laterMs: number;
let failures: FailureMemory;

beforeEach(() => {
  nowMs = START;
  laterMs = 0;
  vi.spyOn(performance, "now").mockImplementation(() => 1_000 + laterMs);
  failures = new FailureMemory(() => nowMs);
});

afterEach(() => {
  vi.restoreAllMocks();
});

/** Time goes by, for both clocks. */
function pass(ms: number): void {
  nowMs += ms;
  laterMs += ms;
}

function refused(): KimiError {
  return new KimiError("refused", "It failed.", { what: "It failed" });
}

function asked(code: "refused" | "rate_limited", retryAfterMs: number): KimiError {
  return new KimiError(code, "It failed.", { what: "It failed", retryAfterMs });
}

describe("a refusal", () => {
  it("is asked about again after one, two, then five minutes each", () => {
    for (const waitMs of [60_000, 120_000, 300_000, 300_000, 300_000]) {
      expect(failures.note("a", refused()).details.retryAfterMs).toBe(waitMs);
      pass(waitMs - 1);
      expect(failures.known("a")).toMatchObject({ code: "refused" });
      pass(1);
      expect(failures.known("a")).toBeUndefined();
    }
    failures.clear();
    expect(failures.known("a")).toBeUndefined();
    expect(failures.note("a", refused()).details.retryAfterMs).toBe(60_000);
  });

  it("says when the next try is, in a message of its own", () => {
    const { message } = failures.note("a", refused());
    expect(message).toContain("It failed");
    expect(message).toContain("60 seconds");
    expect(failures.known("a")?.message).toBe(message);
    pass(30_000);
    expect(failures.known("a")?.message).toContain("30 seconds");
  });

  it("is about one token only", () => {
    failures.note("a", refused());
    expect(failures.known("b")).toBeUndefined();
    expect(failures.known("a")).toBeDefined();
  });

  it("does not hold after the clock was put back", () => {
    failures.note("a", refused());
    laterMs += 3_000;
    nowMs -= 1;
    expect(failures.known("a")).toBeUndefined();
  });

  it("waits longer where the server says so, and never longer than five minutes", () => {
    expect(failures.note("a", asked("refused", 90_000)).details.retryAfterMs).toBe(90_000);
    expect(failures.note("a", asked("refused", 90_000)).details.retryAfterMs).toBe(120_000);
    expect(failures.note("a", asked("refused", 9_000_000)).details.retryAfterMs).toBe(300_000);
  });
});

describe("another failure", () => {
  const failure = new KimiError("network", "It broke.", { what: "It broke" });

  it("answers for two seconds, and is then asked about again", () => {
    expect(failures.note("a", failure)).toBe(failure);
    pass(1_999);
    expect(failures.known("a")).toBe(failure);
    pass(1);
    expect(failures.known("a")).toBeUndefined();
  });

  it("waits as long as the server says, and says so from two seconds on", () => {
    expect(failures.note("a", asked("rate_limited", 1_999)).message).toBe("It failed.");
    expect(failures.note("a", asked("rate_limited", 2_000)).message).toContain("2 seconds");
    pass(2_000);
    expect(failures.known("a")).toBeUndefined();
    const untold = new KimiError("rate_limited", "It broke.", { retryAfterMs: 9_000 });
    expect(failures.note("a", untold)).toBe(untold);
    pass(8_999);
    expect(failures.known("a")).toBe(untold);
  });
});

function refresh(times: number, of = "a"): void {
  for (let time = 0; time < times; time += 1) {
    failures.noteRefresh(of);
  }
}

describe("refreshes of one login", () => {
  it("may be four within a minute", () => {
    refresh(3);
    expect(failures.tooMany("a")).toBeUndefined();
    pass(10_000);
    refresh(1);
    expect(failures.tooMany("a")).toMatchObject({
      code: "rate_limited",
      details: { retryAfterMs: 50_000 },
    });
    pass(49_999);
    expect(failures.tooMany("a")).toBeDefined();
    pass(1);
    expect(failures.tooMany("a")).toBeUndefined();
  });

  it("of the time before a new sign-in do not count", () => {
    refresh(4);
    expect(failures.tooMany("b")).toBeUndefined();
    expect(failures.tooMany("a")).toBeUndefined();
  });

  it("do not count when the clock was put back", () => {
    refresh(4);
    nowMs -= 1;
    expect(failures.tooMany("a")).toBeUndefined();
  });
});
