import { describe, expect, it } from "vitest";
import { parseUsages } from "../../src/account/usage.ts";
import { boosterWallet, usagesShapeA, usagesShapeB } from "../kit/standin/accounts.ts";

const NOW = Date.parse("2026-10-01T00:00:00Z");
const HOUR_MS = 3_600_000;
const CREDIT = { left: 100, currency: "USD", usedThisMonth: 50, monthlyLimit: 200 };
const IN_3_H = { resetsAtMs: NOW + 3 * HOUR_MS };
const IN_4_D = { resetsAtMs: NOW + 96 * HOUR_MS };
const RESET = new Date(IN_3_H.resetsAtMs).toISOString();

/** The windows of a response, by id. */
function windows(
  response: unknown,
): Record<string, { usedPercent?: number | undefined; resetsAtMs?: number | undefined }> {
  const entries = parseUsages(response, NOW)?.windows ?? [];
  return Object.fromEntries(entries.map(({ id, ...window }) => [id, window]));
}

function fiveHours(detail: unknown): unknown {
  return { limits: [{ window: { duration: 300, timeUnit: "TIME_UNIT_MINUTE" }, detail }] };
}

describe("the usage", () => {
  it("is read from the older shape, whose numbers are text", () => {
    expect(parseUsages(usagesShapeA(NOW), NOW)).toEqual({
      windows: [
        { id: "5h", usedPercent: 1, ...IN_3_H },
        { id: "7d", usedPercent: 4, ...IN_4_D },
      ],
      credit: CREDIT,
    });
  });

  it("is read from the newer shape", () => {
    expect(parseUsages(usagesShapeB(NOW), NOW)).toEqual({
      windows: [
        { id: "5h", usedPercent: 1, ...IN_3_H },
        { id: "7d", usedPercent: 4, ...IN_4_D },
        { id: "month", usedPercent: 50, resetsAtMs: undefined },
      ],
      credit: CREDIT,
    });
  });

  it.each<[string, unknown, unknown]>([
    [
      "numbers",
      fiveHours({ used: 30, limit: 100, resetTime: RESET }),
      { usedPercent: 30, ...IN_3_H },
    ],
    [
      "text",
      fiveHours({ used: "30", limit: "100", reset_at: RESET }),
      { usedPercent: 30, ...IN_3_H },
    ],
    [
      "what is left, where what is used is missing",
      fiveHours({ limit: "100", remaining: "70", resetAt: RESET }),
      { usedPercent: 30, ...IN_3_H },
    ],
    [
      "seconds to the reset",
      fiveHours({ used: 30, limit: 100, reset_in: 10_800 }),
      { usedPercent: 30, ...IN_3_H },
    ],
    [
      "nanoseconds in the reset",
      fiveHours({ used: 30, limit: 100, resetTime: RESET.replace("000Z", "000123456Z") }),
      { usedPercent: 30, ...IN_3_H },
    ],
    [
      "hours",
      {
        limits: [
          { window: { duration: "5", timeUnit: "TIME_UNIT_HOUR" }, detail: { used: 1, limit: 2 } },
        ],
      },
      { usedPercent: 50 },
    ],
    [
      "an item that is its own detail",
      { limits: [{ window: { duration: 300, timeUnit: "TIME_UNIT_MINUTE" }, used: 1, limit: 2 }] },
      { usedPercent: 50 },
    ],
    ["a little overdrawn", { usages: { limit_5h: { used_ratio: 1.02 } } }, { usedPercent: 100 }],
    [
      "overdrawn counts",
      fiveHours({ used: 300, limit: 100, remaining: 0, resetTime: RESET }),
      { usedPercent: 100, ...IN_3_H },
    ],
    ["a debt", fiveHours({ limit: 100, remaining: -20 }), { usedPercent: 100 }],
    ["a window that is used up", fiveHours({ limit: 100, remaining: 0 }), { usedPercent: 100 }],
    ["a ratio as text", { usages: { limit_5h: { used_ratio: "0.25" } } }, { usedPercent: 25 }],
    ["a true zero", { usages: { limit_5h: { used_ratio: 0 } } }, { usedPercent: 0 }],
  ])("understands %s", (_what, response, wanted) => {
    expect(windows(response)["5h"]).toEqual(wanted);
  });

  it.each<[string, unknown]>([
    ["nothing is said", fiveHours({ resetTime: RESET })],
    ["only the limit is said", fiveHours({ limit: "100", resetTime: RESET })],
    ["the limit is missing", fiveHours({ used: "0", resetTime: RESET })],
    ["the limit is zero", fiveHours({ used: "0", limit: "0", resetTime: RESET })],
    ["all is zero", fiveHours({ used: 0, limit: 0, remaining: 0, resetTime: RESET })],
    [
      "nothing is used and nothing is left",
      fiveHours({ used: 0, remaining: 0, limit: 100, resetTime: RESET }),
    ],
    [
      "a part is used and nothing is left",
      fiveHours({ used: 30, remaining: 0, limit: 100, resetTime: RESET }),
    ],
    [
      "used and left contradict",
      fiveHours({ used: 0, remaining: 20, limit: 100, resetTime: RESET }),
    ],
    ["more is left than there is", fiveHours({ remaining: 120, limit: 100, resetTime: RESET })],
    ["used is negative", fiveHours({ used: -1, limit: 100, resetTime: RESET })],
    ["used is no number", fiveHours({ used: "many", limit: 100, resetTime: RESET })],
    ["used is empty text", fiveHours({ used: "", limit: 100, resetTime: RESET })],
    ["the ratio is a percentage", { usages: { limit_5h: { used_ratio: 40, reset_time: RESET } } }],
    ["the ratio is missing", { usages: { limit_5h: { reset_time: RESET } } }],
    ["the ratio is null", { usages: { limit_5h: { used_ratio: null, reset_time: RESET } } }],
    [
      "both shapes are there and differ",
      {
        usages: { limit_5h: { used_ratio: 0, reset_time: RESET } },
        ...(fiveHours({ used: 80, limit: 100 }) as object),
      },
    ],
  ])("is unknown, and not 0 %%, where %s", (_what, response) => {
    expect(windows(response)["5h"]?.usedPercent).toBeUndefined();
    expect(windows(response)["5h"]).toMatchObject(IN_3_H);
  });

  it("is unknown after the window should have started again", () => {
    const past = new Date(NOW - HOUR_MS).toISOString();
    expect(windows({ usages: { limit_5h: { used_ratio: 0.9, reset_time: past } } })["5h"]).toEqual({
      usedPercent: undefined,
      resetsAtMs: undefined,
    });
  });

  it("of the month is unknown where its part is larger than the whole", () => {
    const response = {
      usages: { limit_month_total: { used_ratio: 0.1 }, limit_month_code: { used_ratio: 0.6 } },
    };
    expect(windows(response).month).toEqual({ usedPercent: undefined, resetsAtMs: undefined });
  });

  it("leaves out the windows that are missing", () => {
    expect(windows({ usages: { limit_7d: { used_ratio: 0.5 } } })).toEqual({
      "7d": { usedPercent: 50 },
    });
    expect(
      windows({ usage: { used: "1", limit: "2" }, limits: [null, {}, { window: {} }, "x"] }),
    ).toEqual({ "7d": { usedPercent: 50 } });
  });

  it.each([
    undefined,
    null,
    [],
    "",
    {},
    { usages: "no" },
    { limits: [] },
    { error: { message: "no" } },
  ])("is not read from %j", (response) => {
    expect(parseUsages(response, NOW)).toBeUndefined();
  });
});

describe("an account without windows", () => {
  it.each([{ usages: {} }, { usages: { limit_month_code: { used_ratio: 0.3 } } }])(
    "still has a usage: %j",
    (response) => {
      expect(parseUsages(response, NOW)).toEqual({ windows: [] });
    },
  );
});

function credit(change: object): unknown {
  return parseUsages({ boosterWallet: { ...boosterWallet(), ...change } }, NOW)?.credit;
}

describe("extra credit", () => {
  it("has what is left, what the month has cost and what it may cost", () => {
    expect(credit({})).toEqual(CREDIT);
  });

  it("has no limit where none is set", () => {
    expect(credit({ monthlyChargeLimitEnabled: false })).toEqual({
      left: 100,
      currency: "USD",
      usedThisMonth: 50,
    });
    expect(credit({ monthlyChargeLimit: { currency: "CNY", priceInCents: "0" } })).toEqual({
      left: 100,
      currency: "CNY",
      usedThisMonth: 50,
    });
  });

  it.each([
    ["is false", { monthlyChargeLimitEnabled: false }],
    ["is left out, which is false", { monthlyChargeLimitEnabled: undefined }],
  ])("has no budget where the switch %s", (_what, change) => {
    expect(credit(change)).not.toHaveProperty("monthlyLimit");
  });

  it.each([
    ["left out, which is zero", { amount: "1000000" }],
    ["zero", { amount: "1000000", amountLeft: "0" }],
    ["below zero", { amount: "1000000", amountLeft: "-5" }],
  ])("is spent where what is left is %s", (_what, balance) => {
    expect(credit({ balance: { type: "BOOSTER", ...balance } })).toMatchObject({ left: 0 });
  });

  it.each([
    ["is of another kind", { balance: { type: "GIFT", amount: "1000000", amountLeft: "1000000" } }],
    ["was never there", { balance: { type: "BOOSTER", amount: "0", amountLeft: "0" } }],
    [
      "is more than there was",
      { balance: { type: "BOOSTER", amount: "1000000", amountLeft: "2000000" } },
    ],
    [
      "has no readable rest",
      { balance: { type: "BOOSTER", amount: "1000000", amountLeft: "much" } },
    ],
    ["is no number", { balance: { type: "BOOSTER", amount: "much", amountLeft: "much" } }],
  ])("is not shown where it %s", (_what, change) => {
    expect(credit(change)).toBeUndefined();
  });

  it("rounds less than a cent up to one", () => {
    expect(
      credit({ balance: { type: "BOOSTER", amount: "20000000", amountLeft: "1" } }),
    ).toMatchObject({ left: 0.01 });
  });
});
