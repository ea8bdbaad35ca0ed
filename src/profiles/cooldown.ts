/**
 * The cooldown that the host imposes on a profile after a failed call: 30 s at first, then longer.
 *
 * While it lasts, the host asks Kimi at most once in 30 s, and in between tells the user that the
 * provider "is in cooldown" and not what is wrong. With another profile that can serve or a fallback
 * model, the cooldown saves a pointless request, so it stays, and after a used-up quota it lasts until the
 * quota is there again. Without one it only hides the reason and delays a user who has already fixed the
 * problem, so it ends: for all profiles, because nobody knows which one is fixed first.
 */

import type { OpenClawConfig } from "openclaw/plugin-sdk/provider-auth";
import { PROVIDER_ID } from "../constants.ts";
import { isRecord } from "../json.ts";
import { processState } from "../process-state.ts";
import type { BoundLogin } from "./bound-login.ts";
import { homeOfProfile } from "./profiles.ts";
import { isKimiProfile } from "../host/profile-shape.ts";
import { pollUntil } from "../host/poll-until.ts";
import { agentScopeSdk, providerAuthSdk } from "../host/sdk.ts";

type Store = ReturnType<ReturnType<typeof providerAuthSdk>["ensureAuthProfileStore"]>;
type Usage = NonNullable<Store["usageStats"]>[string];

/** Where a call was made. */
export interface CallSite {
  readonly agentDir?: string | undefined;
  readonly config?: OpenClawConfig | undefined;
}

/** How long the host may take to impose the cooldown after the call has failed, in ms. */
const IMPOSED_WITHIN_MS = 5_000;
/** Longest cooldown for a used-up quota, in ms: a user may have bought more of it. */
const MAX_QUOTA_COOLDOWN_MS = 60 * 60_000;
/** Reasons whose cooldown is cleared; what the host disables a profile for is left alone. */
const CLEARED_COOLDOWN_REASONS: ReadonlySet<string | undefined> = new Set([
  "rate_limit",
  "model_not_found",
  "timeout",
  "auth",
]);

/** True when the agent that made a call has a model to fall back to; one with a model of its own has none but its own. */
function hasFallbacks({ agentDir, config = {} }: CallSite): boolean {
  const { defaults, entries = {} } = config.agents ?? {};
  const { resolveAgentDir } = agentScopeSdk();
  const agent = Object.keys(entries).find((id) => resolveAgentDir(config, id) === agentDir);
  const model: unknown =
    (agent === undefined ? undefined : entries[agent]?.model) ?? defaults?.model;
  return isRecord(model) && Array.isArray(model.fallbacks) && model.fallbacks.length > 0;
}

/** A login's profile in a store, and the provider's others. */
interface StoredProfile {
  readonly id: string;
  readonly others: readonly string[];
}

function storedProfileOf(store: Store, { home }: BoundLogin): StoredProfile | undefined {
  const all = Object.entries(store.profiles).filter(([, { provider }]) => provider === PROVIDER_ID);
  for (const [id, profile] of all) {
    try {
      if (isKimiProfile(profile) && homeOfProfile(profile, process.env).file === home.file) {
        return { id, others: all.map(([other]) => other).filter((other) => other !== id) };
      }
    } catch {
      // A profile that names no home is another one.
    }
  }
  return undefined;
}

/** True unless the host leaves a profile out for now. */
function canServe(store: Store, profileId: string, nowMs: number): boolean {
  const { cooldownUntil, disabledUntil, blockedUntil } = store.usageStats?.[profileId] ?? {};
  return Math.max(cooldownUntil ?? 0, disabledUntil ?? 0, blockedUntil ?? 0) <= nowMs;
}

/** True for a cooldown that may be changed, after a failure at `sinceMs` or later. */
function isCooldownSince(usage: Usage | undefined, sinceMs: number): boolean {
  return (
    usage !== undefined &&
    (usage.lastFailureAt ?? 0) >= sinceMs &&
    CLEARED_COOLDOWN_REASONS.has(usage.cooldownReason) &&
    usage.disabledUntil === undefined &&
    usage.blockedUntil === undefined
  );
}

/** Takes the cooldown out of a store; what else the host knows of the profile's use stays. */
function clearCooldown(store: Store, profileId: string): boolean {
  const usage = store.usageStats?.[profileId];
  if (usage?.cooldownUntil === undefined || !isCooldownSince(usage, 0)) {
    return false;
  }
  const {
    cooldownUntil: _until,
    cooldownReason: _reason,
    cooldownModel: _model,
    failureCounts: _counts,
    ...rest
  } = usage;
  store.usageStats = { ...store.usageStats, [profileId]: { ...rest, errorCount: 0 } };
  return true;
}

/** Makes the cooldown last; a used-up quota is so for every model of the account. */
function extendCooldown(store: Store, profileId: string, sinceMs: number, holdMs: number): boolean {
  const usage = store.usageStats?.[profileId];
  if (usage === undefined || !isCooldownSince(usage, sinceMs)) {
    return false;
  }
  const { cooldownModel: _model, ...rest } = usage;
  const untilMs = sinceMs + Math.min(holdMs, MAX_QUOTA_COOLDOWN_MS);
  const cooldownUntil = Math.max(usage.cooldownUntil ?? 0, untilMs);
  store.usageStats = { ...store.usageStats, [profileId]: { ...rest, cooldownUntil } };
  return true;
}

/** The last call of each login that failed, by the login's file, while the host's cooldown for it is awaited. */
const awaitedCooldowns = (): Map<string, object> =>
  processState("awaited-cooldowns", () => new Map<string, object>());

/** Leaves the cooldown that the host is about to impose as it is, whatever failed just before. */
export function keepNextCooldown({ home }: BoundLogin): void {
  awaitedCooldowns().delete(home.file);
}

/**
 * Corrects the cooldown that the host is about to impose; never throws. A later failure of the same login
 * takes its place, so that the cooldown of that one is not taken for this one's.
 *
 * @param holdMs - for how long another call is pointless, in ms; absent where it may help at once
 */
export function correctNextCooldown(
  login: BoundLogin,
  { agentDir, config }: CallSite,
  holdMs?: number,
): void {
  const sinceMs = Date.now();
  const call = {};
  awaitedCooldowns().set(login.home.file, call);
  pollUntil(IMPOSED_WITHIN_MS, () => {
    if (awaitedCooldowns().get(login.home.file) !== call) {
      return true;
    }
    try {
      const sdk = providerAuthSdk();
      const store = sdk.ensureAuthProfileStore(agentDir, { allowKeychainPrompt: false });
      const found = storedProfileOf(store, login);
      if (found === undefined) {
        return true;
      }
      const { id: profileId, others } = found;
      const isAlone =
        !others.some((other) => canServe(store, other, sinceMs)) &&
        !hasFallbacks({ agentDir, config });
      if (!isAlone && holdMs === undefined) {
        return true;
      }
      if (!isCooldownSince(store.usageStats?.[profileId], sinceMs)) {
        return false;
      }
      // The failure is counted where the profile lives: with the agent, or in the store that all share.
      for (const place of agentDir === undefined ? [{}] : [{ agentDir }, {}]) {
        void sdk
          .updateAuthProfileStoreWithLock({
            ...place,
            profileId,
            updater: (fresh) =>
              isAlone || holdMs === undefined
                ? [profileId, ...others].map((id) => clearCooldown(fresh, id)).includes(true)
                : extendCooldown(fresh, profileId, sinceMs, holdMs),
          })
          .catch(() => undefined);
      }
      return true;
    } catch {
      return true;
    }
  });
}
