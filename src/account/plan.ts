/** The plan's name, from `GET /me`: asked for once a day, because it seldom changes. */

import { z } from "zod";
import { loginKey } from "../host/login-key.ts";
import type { LoginRef } from "../host/login-ref.ts";
import { readNote, writeNote } from "../host/state.ts";
import { getAccountJson, type Patience } from "./account-api.ts";

/** How long a name is good, in ms. */
const FRESH_MS = 24 * 60 * 60_000;

const meSchema = z.object({
  user_level_name: z
    .string()
    .trim()
    .min(1)
    .max(64)
    // Shown on terminals.
    .regex(/^[^\p{Cc}\p{Cf}]+$/u)
    .optional()
    .catch(undefined),
});

const noteSchema = z.object({ atMs: z.number(), plan: z.string().max(64).optional() });

/**
 * The name of a login's plan.
 *
 * @returns `undefined` when Kimi does not tell; never throws, because usage is shown without it too
 */
export async function planOf(
  login: LoginRef,
  patience: Patience = {},
): Promise<string | undefined> {
  const file = `plan-${loginKey(login.home, login.accountId)}.json`;
  const kept = noteSchema.safeParse(await readNote(file)).data;
  if (kept !== undefined && Math.abs(Date.now() - kept.atMs) < FRESH_MS) {
    return kept.plan;
  }
  try {
    const me = meSchema.safeParse(await getAccountJson(login, "/me", patience));
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
