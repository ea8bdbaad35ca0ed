/** What is known of a model right now, without asking anyone. Synchronous, for the host's hooks. */

import type { ProviderPlugin } from "openclaw/plugin-sdk/plugin-entry";
import type { OpenClawConfig } from "openclaw/plugin-sdk/provider-auth";
import { isHidden, settings } from "../host/settings.ts";
import { processState } from "../process-state.ts";
import { bindLogin, type BoundLogin } from "../profiles/bound-login.ts";
import { REGIONS } from "../protocol/endpoints.ts";
import { findModel, modelLists, readModelList } from "./store.ts";
import {
  type ModelRow,
  normalizeModelId,
  providerEntry,
  runtimeModel,
  STATIC_MODELS,
  staticModel,
} from "./models.ts";
import { thinkingProfile } from "./thinking.ts";

type DynamicContext = Parameters<NonNullable<ProviderPlugin["resolveDynamicModel"]>>[0];

/** How long a binding serves, in ms: the host asks several times for each turn. */
const BINDING_KEPT_MS = 250;

interface KeptBinding {
  readonly login: BoundLogin | undefined;
  /** By the monotonic clock, in ms. */
  readonly untilMs: number;
}

/**
 * Binds a profile as {@link bindLogin} does, and remembers that for the rest of the turn. Only for
 * what a model looks like: the token of a run always comes from the profile as it is then.
 */
export function bindForTurn(
  agentDir: string | undefined,
  profileId: string | undefined,
  config?: OpenClawConfig,
): BoundLogin | undefined {
  const kept = processState("bindings", () => new Map<string, KeptBinding>());
  const key = `${agentDir ?? ""}\0${profileId ?? ""}`;
  const known = kept.get(key);
  const now = performance.now();
  if (known !== undefined && now < known.untilMs) {
    return known.login;
  }
  const login = bindLogin(agentDir, profileId, config);
  kept.set(key, { login, untilMs: now + BINDING_KEPT_MS });
  return login;
}

/**
 * The row of a model: the login's own list first, then any other login's, then the static rows.
 *
 * @param modelId - also an old id
 */
export function knownModel(modelId: string, login: BoundLogin | undefined): ModelRow {
  const id = normalizeModelId(modelId);
  const own =
    login === undefined ? undefined : readModelList(login.key)?.models.find((row) => row.id === id);
  return own ?? findModel(id) ?? staticModel(id);
}

/**
 * The rows to start with before the server was asked in this process: what it said last, else the
 * static rows. A run gets its region's address from its login.
 */
export function starterProvider() {
  const last = modelLists()[0]?.models ?? [];
  const rows = last.length > 0 ? last : STATIC_MODELS;
  return providerEntry(
    rows.filter((row) => !isHidden(row.id, settings())),
    REGIONS["mainland-cn"].apiBase,
  );
}

/** Describes a run's model to the host, with the address of the run's login. */
export function resolveDynamicModel(
  ctx: Pick<DynamicContext, "modelId" | "agentDir" | "authProfileId">,
) {
  const login = bindForTurn(ctx.agentDir, ctx.authProfileId);
  const apiBase = (login?.home.endpoints ?? REGIONS["mainland-cn"]).apiBase;
  return runtimeModel(knownModel(ctx.modelId, login), apiBase);
}

/** Models whose levels were offered before the account's own list was there, and the default then. */
function guesses(): Map<string, string> {
  return processState("thinking-guesses", () => new Map<string, string>());
}

/** What `/think` offers for a model: the host does not say for whom, so it is the first profile's. */
export function resolveThinkingProfile({ modelId }: { readonly modelId: string }) {
  const id = normalizeModelId(modelId);
  const row = knownModel(id, bindForTurn(undefined, undefined));
  const profile = thinkingProfile(row);
  if (STATIC_MODELS.includes(row) || findModel(id) === undefined) {
    guesses().set(id, profile.defaultLevel ?? "");
  } else {
    guesses().delete(id);
  }
  return profile;
}

/**
 * The level that a call asks for. In the first turn of a new login, the host takes a default that it
 * was offered before the account's list was there; that is nobody's wish, and the account's default
 * counts.
 */
export function wishedLevel(modelId: string, level: string | undefined): string | undefined {
  return level !== undefined && guesses().get(normalizeModelId(modelId)) === level
    ? "adaptive"
    : level;
}
