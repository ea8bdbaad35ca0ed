/** Extra credit beside the plan, from the wallet in `GET /usages`. */

import { z } from "zod";
import { number, strictNumber } from "./wire-values.ts";

/** Amounts are in the currency's main unit. */
export interface ExtraCredit {
  readonly left: number;
  readonly currency: string;
  readonly usedThisMonth?: number | undefined;
  /** Absent when nothing limits the month. */
  readonly monthlyLimit?: number | undefined;
}

/** Units of a wallet's fixed-point amount in one cent. */
const UNITS_PER_CENT = 1_000_000;

const money = z
  .object({
    currency: z
      .string()
      .regex(/^[A-Z]{3}$/)
      .optional()
      .catch(undefined),
    priceInCents: number,
  })
  .optional()
  .catch(undefined);

/** `boosterWallet` of the response. */
export const walletSchema = z.object({
  // The server leaves out members that are zero or false.
  balance: z.object({
    type: z.literal("BOOSTER"),
    amount: number,
    amountLeft: strictNumber.transform((left) => left ?? 0),
  }),
  monthlyChargeLimitEnabled: z.boolean().optional().catch(undefined),
  monthlyChargeLimit: money,
  monthlyUsed: money,
});
type Wallet = z.infer<typeof walletSchema>;

/** Cents of a fixed-point amount; a part of a cent counts as one. */
function cents(units: number): number {
  return units > 0 && units < UNITS_PER_CENT ? 1 : Math.round(units / UNITS_PER_CENT);
}

/**
 * The credit in a wallet.
 *
 * @returns `undefined` without a wallet, and for one whose amounts contradict each other
 */
export function creditOf(wallet: Wallet | undefined): ExtraCredit | undefined {
  const { amount, amountLeft } = wallet?.balance ?? {};
  if (
    wallet === undefined ||
    amount === undefined ||
    amountLeft === undefined ||
    amount <= 0 ||
    amountLeft > amount
  ) {
    return undefined;
  }
  const limit = wallet.monthlyChargeLimit?.priceInCents;
  const used = wallet.monthlyUsed?.priceInCents;
  return {
    left: cents(Math.max(0, amountLeft)) / 100,
    currency: wallet.monthlyChargeLimit?.currency ?? wallet.monthlyUsed?.currency ?? "USD",
    ...(used === undefined || used < 0 ? {} : { usedThisMonth: used / 100 }),
    ...(wallet.monthlyChargeLimitEnabled !== true || limit === undefined || limit <= 0
      ? {}
      : { monthlyLimit: limit / 100 }),
  };
}
