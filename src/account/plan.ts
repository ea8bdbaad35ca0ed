/** The plan's name, from `GET /me`: asked for once a day, because it seldom changes. */

import { z } from "zod";
import { readNote, writeNote } from "../host/state.ts";
import type { BoundLogin } from "../profiles/bound-login.ts";
import { meResponseSchema } from "../protocol/account-id.ts";
import { limitsOf, type RequestLimits } from "./usage.ts";

/** How long a name is good, in ms. */
const FRESH_MS = 24 * 60 * 60_000;

const noteSchema = z.object({ atMs: z.number(), plan: z.string().max(64).optional() });

/**
 * The name of a login's plan.
 *
 * @returns `undefined` when Kimi does not tell; never throws, because usage is shown without it too
 */
export async function planNameOf(
  login: BoundLogin,
  limits: RequestLimits = {},
): Promise<string | undefined> {
  const file = `plan-${login.key}.json`;
  const kept = noteSchema.safeParse(await readNote(file)).data;
  if (kept !== undefined && Math.abs(Date.now() - kept.atMs) < FRESH_MS) {
    return kept.plan;
  }
  try {
    const me = meResponseSchema.safeParse(await login.getJson("/me", limitsOf(limits)));
    if (!me.success) {
      return kept?.plan;
    }
    const plan = me.data.user_level_name;
    await writeNote(file, { atMs: Date.now(), plan });
    return plan;
  } catch {
    return kept?.plan;
  }
}
