/**
 * `GET /usages`: how much of each window of the plan is used, in both shapes that Kimi has sent.
 *
 * A number that is missing or contradicts another is unknown, and is never shown as zero: a user who
 * trusts a false 0 % plans work that will be refused.
 */

import { z } from "zod";
import { say } from "../messages.ts";
import type { BoundLogin } from "../profiles/bound-login.ts";
import { KimiError } from "../protocol/errors.ts";
import { creditOf, type ExtraCredit, walletSchema } from "./extra-credit.ts";
import { number, parseTime, time } from "./wire-values.ts";

/** A window of the plan. */
export interface UsageWindow {
  readonly id: "5h" | "7d" | "month";
  /** Used part in percent, 0 to 100; absent when it is not known. */
  readonly usedPercent?: number | undefined;
  /** When it starts again, ms since the epoch. */
  readonly resetsAtMs?: number | undefined;
}

/** What the account has used. */
export interface Usages {
  readonly windows: readonly UsageWindow[];
  readonly credit?: ExtraCredit | undefined;
}

/** A ratio a little above 1 is a window that was overdrawn; far above it is not a ratio. */
const MAX_RATIO = 1.5;
/** How far two statements about one window may differ, in percent points. */
const MAX_PERCENT_DIFFERENCE = 5;
/** How long a window that should have started again is still believed, in ms. */
const STALE_MS = 60_000;
const ratioEntry = z.object({ used_ratio: number, reset_time: time }).optional().catch(undefined);

const countEntry = z.object({
  used: number,
  limit: number,
  remaining: number,
  resetTime: time,
  reset_time: time,
  resetAt: time,
  reset_at: time,
  resetIn: number,
  reset_in: number,
  ttl: number,
});
type CountEntry = z.infer<typeof countEntry>;

const windowSchema = z.object({
  duration: number,
  timeUnit: z.string().optional().catch(undefined),
});
const responseSchema = z.object({
  usages: z
    .object({
      limit_5h: ratioEntry,
      limit_7d: ratioEntry,
      limit_month_total: ratioEntry,
      limit_month_code: ratioEntry,
    })
    .optional()
    .catch(undefined),
  usage: countEntry.optional().catch(undefined),
  limits: z.array(z.unknown()).max(100).optional().catch(undefined),
  boosterWallet: walletSchema.optional().catch(undefined),
});
type UsagesResponse = z.infer<typeof responseSchema>;

function percentOfRatio(ratio: number | undefined): number | undefined {
  return ratio === undefined || ratio < 0 || ratio > MAX_RATIO
    ? undefined
    : Math.min(100, ratio * 100);
}

function percentOfCounts({ used, limit, remaining }: CountEntry): number | undefined {
  if (limit === undefined || limit <= 0 || (remaining !== undefined && remaining > limit)) {
    return undefined;
  }
  const spent = used ?? (remaining === undefined ? undefined : limit - remaining);
  const isOverdrawn = used !== undefined && used >= limit && remaining === 0;
  const contradicts =
    used !== undefined &&
    remaining !== undefined &&
    !isOverdrawn &&
    Math.abs(used + remaining - limit) > 1;
  return spent === undefined || contradicts || spent < 0
    ? undefined
    : Math.min(100, (spent / limit) * 100);
}

/** A window with what is known of it; a number from before its last reset is not. */
function makeWindow(
  id: UsageWindow["id"],
  usedPercent: number | undefined,
  resetsAtMs: number | undefined,
  nowMs: number,
): UsageWindow {
  const stale = resetsAtMs !== undefined && resetsAtMs < nowMs - STALE_MS;
  return {
    id,
    ...(usedPercent === undefined || stale ? {} : { usedPercent }),
    ...(resetsAtMs === undefined || stale ? {} : { resetsAtMs }),
  };
}

/** Windows of the newer shape. */
function ratioWindows(response: UsagesResponse, nowMs: number): UsageWindow[] {
  const entries = response.usages;
  if (entries === undefined) {
    return [];
  }
  const code = percentOfRatio(entries.limit_month_code?.used_ratio);
  const total = percentOfRatio(entries.limit_month_total?.used_ratio);
  // The code share is a part of the total.
  const month =
    code !== undefined && total !== undefined && code > total + MAX_PERCENT_DIFFERENCE
      ? undefined
      : total;
  const window = (
    id: UsageWindow["id"],
    entry: z.infer<typeof ratioEntry>,
    percent: number | undefined,
  ): UsageWindow[] =>
    entry === undefined ? [] : [makeWindow(id, percent, parseTime(entry.reset_time), nowMs)];
  return [
    ...window("5h", entries.limit_5h, percentOfRatio(entries.limit_5h?.used_ratio)),
    ...window("7d", entries.limit_7d, percentOfRatio(entries.limit_7d?.used_ratio)),
    ...window("month", entries.limit_month_total, month),
  ];
}

const UNIT_MINUTES: Readonly<Record<string, number>> = {
  TIME_UNIT_MINUTE: 1,
  TIME_UNIT_HOUR: 60,
  TIME_UNIT_DAY: 24 * 60,
  TIME_UNIT_WEEK: 7 * 24 * 60,
};

function idOfMinutes(minutes: number): UsageWindow["id"] | undefined {
  const days = minutes / (24 * 60);
  if (minutes === 300) {
    return "5h";
  }
  if (days === 7) {
    return "7d";
  }
  return days >= 28 && days <= 31 ? "month" : undefined;
}

function countWindow(id: UsageWindow["id"], entry: CountEntry, nowMs: number): UsageWindow {
  const inSeconds = entry.resetIn ?? entry.reset_in ?? entry.ttl;
  const at =
    parseTime(entry.resetTime ?? entry.reset_time ?? entry.resetAt ?? entry.reset_at) ??
    (inSeconds === undefined ? undefined : nowMs + inSeconds * 1000);
  return makeWindow(id, percentOfCounts(entry), at, nowMs);
}

/** Windows of the older shape; its `usage` is the week. */
function countWindows(response: UsagesResponse, nowMs: number): UsageWindow[] {
  const windows: UsageWindow[] = [];
  for (const item of response.limits ?? []) {
    const parsed = z
      .object({ window: windowSchema, detail: countEntry.optional().catch(undefined) })
      .safeParse(item);
    const unit = UNIT_MINUTES[parsed.data?.window.timeUnit ?? ""];
    const duration = parsed.data?.window.duration;
    const id =
      unit === undefined || duration === undefined ? undefined : idOfMinutes(duration * unit);
    if (id !== undefined) {
      // The Python CLI also reads an item that is its own detail.
      const detail = parsed.data?.detail ?? countEntry.safeParse(item).data;
      windows.push(countWindow(id, detail ?? {}, nowMs));
    }
  }
  return response.usage === undefined
    ? windows
    : [...windows, countWindow("7d", response.usage, nowMs)];
}

/** One statement of each window; two that differ make its number unknown. */
function mergeWindows(windows: readonly UsageWindow[]): UsageWindow[] {
  const byId = new Map<UsageWindow["id"], UsageWindow>();
  for (const window of windows) {
    const before = byId.get(window.id);
    const left = before?.usedPercent;
    const right = window.usedPercent;
    const differ =
      left !== undefined && right !== undefined && Math.abs(left - right) > MAX_PERCENT_DIFFERENCE;
    byId.set(window.id, {
      id: window.id,
      usedPercent: differ ? undefined : (left ?? right),
      resetsAtMs: before?.resetsAtMs ?? window.resetsAtMs,
    });
  }
  return (["5h", "7d", "month"] as const).flatMap((id) => byId.get(id) ?? []);
}

/**
 * Reads the response.
 *
 * @param value - the parsed JSON
 * @param nowMs - current time, ms since the epoch
 * @returns `undefined` when it is not a response of this endpoint
 */
export function parseUsages(value: unknown, nowMs: number): Usages | undefined {
  const parsed = responseSchema.safeParse(value);
  if (!parsed.success) {
    return undefined;
  }
  const windows = mergeWindows([
    ...ratioWindows(parsed.data, nowMs),
    ...countWindows(parsed.data, nowMs),
  ]);
  const credit = creditOf(parsed.data.boosterWallet);
  // An account may have no window at all, which the newer shape says with an empty object.
  const isUsages = windows.length > 0 || credit !== undefined || parsed.data.usages !== undefined;
  return isUsages ? { windows, credit } : undefined;
}

/** Time limit of the Kimi Code CLI for this request, in ms. */
const TIMEOUT_MS = 8_000;

/** How long a caller waits. */
export interface RequestLimits {
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Limits of a request about the account. */
export function limitsOf({ timeoutMs = TIMEOUT_MS, signal }: RequestLimits): {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
} {
  return { timeoutMs: Math.min(timeoutMs, TIMEOUT_MS), signal };
}

/**
 * Asks how much of the plan is used.
 *
 * @throws KimiError in plain words
 */
export async function fetchUsages(login: BoundLogin, limits: RequestLimits = {}): Promise<Usages> {
  const usages = parseUsages(await login.getJson("/usages", limitsOf(limits)), Date.now());
  if (usages === undefined) {
    throw new KimiError("bad_reply", say.notUsage());
  }
  return usages;
}
