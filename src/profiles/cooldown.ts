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

/** How long the host may take to impose the pause after the call has failed, in ms. */
const SETTLE_LIMIT_MS = 5_000;
/** Longest cooldown for a used-up quota, in ms: a user may have bought more of it. */
const MAX_HOLD_MS = 60 * 60_000;
/** What the host pauses a profile for; what it disables one for is left alone. */
const LIFTED: ReadonlySet<string | undefined> = new Set([
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
interface Place {
  readonly id: string;
  readonly others: readonly string[];
}

function placeIn(store: Store, { home }: BoundLogin): Place | undefined {
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

function isComing(usage: Usage | undefined, sinceMs: number): boolean {
  return (
    usage !== undefined &&
    (usage.lastFailureAt ?? 0) >= sinceMs &&
    LIFTED.has(usage.cooldownReason) &&
    usage.disabledUntil === undefined &&
    usage.blockedUntil === undefined
  );
}

/** Takes the pause out of a store; what else the host knows of the profile's use stays. */
function unpause(store: Store, profileId: string): boolean {
  const usage = store.usageStats?.[profileId];
  if (usage?.cooldownUntil === undefined || !isComing(usage, 0)) {
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

/** Makes the pause last; a used-up quota is so for every model of the account. */
function hold(store: Store, profileId: string, sinceMs: number, holdMs: number): boolean {
  const usage = store.usageStats?.[profileId];
  if (usage === undefined || !isComing(usage, sinceMs)) {
    return false;
  }
  const { cooldownModel: _model, ...rest } = usage;
  const untilMs = sinceMs + Math.min(holdMs, MAX_HOLD_MS);
  const cooldownUntil = Math.max(usage.cooldownUntil ?? 0, untilMs);
  store.usageStats = { ...store.usageStats, [profileId]: { ...rest, cooldownUntil } };
  return true;
}

/** The last call of each login that failed, by the login's file, while the host's pause for it is awaited. */
const awaited = (): Map<string, object> =>
  processState("awaited-pauses", () => new Map<string, object>());

/** Leaves the pause that the host is about to impose as it is, whatever failed just before. */
export function keepComingCooldown({ home }: BoundLogin): void {
  awaited().delete(home.file);
}

/**
 * Corrects the pause that the host is about to impose; never throws. A later failure of the same login
 * takes its place, so that the pause of that one is not taken for this one's.
 *
 * @param holdMs - for how long another call is pointless, in ms; absent where it may help at once
 */
export function correctComingCooldown(
  login: BoundLogin,
  { agentDir, config }: CallSite,
  holdMs?: number,
): void {
  const sinceMs = Date.now();
  const call = {};
  awaited().set(login.home.file, call);
  pollUntil(SETTLE_LIMIT_MS, () => {
    if (awaited().get(login.home.file) !== call) {
      return true;
    }
    try {
      const sdk = providerAuthSdk();
      const store = sdk.ensureAuthProfileStore(agentDir, { allowKeychainPrompt: false });
      const found = placeIn(store, login);
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
      if (!isComing(store.usageStats?.[profileId], sinceMs)) {
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
                ? [profileId, ...others].map((id) => unpause(fresh, id)).includes(true)
                : hold(fresh, profileId, sinceMs, holdMs),
          })
          .catch(() => undefined);
      }
      return true;
    } catch {
      return true;
    }
  });
}
