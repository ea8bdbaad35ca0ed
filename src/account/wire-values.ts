/** Numbers and times as `GET /usages` sends them. */

import { z } from "zod";

/** A number, or its decimal text; anything else is an error. */
export const strictNumber = z
  .union([z.number(), z.string().trim().min(1).transform(Number)])
  .pipe(z.number())
  .optional();

/** A number, or its decimal text; anything else counts as absent. */
export const number = strictNumber.catch(undefined);

export const time = z.string().max(64).optional().catch(undefined);

/** Reads a time, in ms since the epoch; `undefined` for one that is none. */
export function parseTime(value: string | undefined): number | undefined {
  // Some responses count nanoseconds, which `Date` does not read.
  const ms = value === undefined ? Number.NaN : Date.parse(value.replace(/(\.\d{3})\d+/, "$1"));
  return Number.isFinite(ms) && ms > 0 ? ms : undefined;
}
