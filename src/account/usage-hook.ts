/** The host's usage hooks: `openclaw status --usage` and the usage panel. */

import type { ProviderPlugin } from "openclaw/plugin-sdk/plugin-entry";
import { PLUGIN_ID, PROVIDER_ID } from "../constants.ts";
import { describeHome } from "./doctor.ts";
import { bindLogin, type BoundLogin } from "../profiles/bound-login.ts";
import { isKimiError, type KimiError } from "../protocol/errors.ts";
import type { ExtraCredit } from "./extra-credit.ts";
import { planNameOf } from "./plan.ts";
import { fetchUsages, type UsageWindow } from "./usage.ts";

type AuthHook = NonNullable<ProviderPlugin["resolveUsageAuth"]>;
type AuthContext = Parameters<AuthHook>[0];
type SnapshotHook = NonNullable<ProviderPlugin["fetchUsageSnapshot"]>;
type SnapshotContext = Parameters<SnapshotHook>[0];
type Snapshot = NonNullable<Awaited<ReturnType<SnapshotHook>>>;
type Billing = NonNullable<Snapshot["billing"]>[number];

const DISPLAY_NAME = "Kimi Code";
const LABELS: Readonly<Record<UsageWindow["id"], string>> = {
  "5h": "5 hours",
  "7d": "7 days",
  month: "Month",
};

/** Says that this plugin asks itself; the bearer is taken, and refreshed, when it is sent. */
export function resolveUsageAuth(ctx: AuthContext): Awaited<ReturnType<AuthHook>> {
  const login = bindLogin(ctx.agentDir, undefined, ctx.config);
  if (login === undefined) {
    return { handled: true };
  }
  return {
    token: PLUGIN_ID,
    ...(login.accountId === undefined ? {} : { accountId: login.accountId }),
  };
}

function creditLines(credit: ExtraCredit): Billing[] {
  const { left, currency: unit, usedThisMonth, monthlyLimit } = credit;
  const balance: Billing = { type: "balance", label: "Extra credit", amount: left, unit };
  if (usedThisMonth === undefined) {
    return [balance];
  }
  const month = { label: "Extra credit this month", unit, period: "month" };
  return [
    balance,
    monthlyLimit === undefined
      ? { type: "spend", amount: usedThisMonth, ...month }
      : { type: "budget", used: usedThisMonth, limit: monthlyLimit, ...month },
  ];
}

/** The host does not tell which profile a chat's session uses, so the first window says whose they are. */
function withAccount(
  windows: Snapshot["windows"],
  account: string | undefined,
): Snapshot["windows"] {
  return account === undefined
    ? windows
    : windows.map((window, at) =>
        at === 0 ? { ...window, label: `${window.label} (${account})` } : window,
      );
}

function knownWindow({ id, usedPercent, resetsAtMs }: UsageWindow): Snapshot["windows"] {
  return usedPercent === undefined
    ? []
    : [
        {
          label: LABELS[id],
          usedPercent,
          ...(resetsAtMs === undefined ? {} : { resetAt: resetsAtMs }),
        },
      ];
}

/** The host has no way to show a window without a number, so it goes into words. */
function unknownText({ id, resetsAtMs }: UsageWindow): string {
  const reset =
    resetsAtMs === undefined
      ? ""
      : ` (resets ${new Date(resetsAtMs).toISOString().slice(0, 16).replace("T", " ")} UTC)`;
  return `${LABELS[id]}: unknown${reset}`;
}

/** What is wrong; for a login, also whose it is. */
function problemText(error: KimiError, login: BoundLogin): string {
  if (!error.code.startsWith("login_") && error.code !== "account_changed") {
    return login.named(error.message);
  }
  return login.named(`${describeHome(login.home, Date.now())} ${error.message}`);
}

/**
 * Asks for the usage.
 *
 * What keeps it from being known is a summary and not an error, because `openclaw models status`
 * shows the one and hides the other, and this is where a user looks when something is wrong.
 */
export async function fetchUsageSnapshot(ctx: SnapshotContext): Promise<Snapshot | undefined> {
  const login = bindLogin(ctx.agentDir, ctx.authProfileId, ctx.config);
  if (login === undefined) {
    return undefined;
  }
  const account = login.account();
  const named = {
    provider: PROVIDER_ID,
    displayName: account === undefined ? DISPLAY_NAME : `${DISPLAY_NAME}, ${account}`,
  };
  const limits = { timeoutMs: ctx.timeoutMs, signal: ctx.signal };
  try {
    const [{ windows, credit }, plan] = await Promise.all([
      fetchUsages(login, limits),
      planNameOf(login, limits),
    ]);
    const unknown = windows.filter((window) => window.usedPercent === undefined);
    return {
      ...named,
      windows: withAccount(windows.flatMap(knownWindow), account),
      ...(plan === undefined ? {} : { plan }),
      ...(credit === undefined ? {} : { billing: creditLines(credit) }),
      ...(unknown.length === 0 ? {} : { summary: unknown.map(unknownText).join(" · ") }),
    };
  } catch (error) {
    if (!isKimiError(error)) {
      throw error;
    }
    return { ...named, windows: [], summary: problemText(error, login) };
  }
}
