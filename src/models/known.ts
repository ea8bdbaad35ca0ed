/** What is known of a model right now, without asking anyone. Synchronous, for the host's hooks. */

import type { ProviderPlugin } from "openclaw/plugin-sdk/plugin-entry";
import type { OpenClawConfig } from "openclaw/plugin-sdk/provider-auth";
import { isHidden, settings } from "../host/settings.ts";
import { processState } from "../process-state.ts";
import { bindLogin, type BoundLogin } from "../profiles/bound-login.ts";
import { REGIONS } from "../protocol/endpoints.ts";
import { readModelList } from "./store.ts";
import {
  type ModelRow,
  normalizeModelId,
  providerEntry,
  runtimeModel,
  type StatedModel,
  statedThinking,
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
 * The row of a model: from the login's own list, else a static one. What other logins may use says
 * nothing about this one.
 *
 * @param modelId - also an old id
 */
export function knownModel(modelId: string, login: BoundLogin | undefined): ModelRow {
  const id = normalizeModelId(modelId);
  const own =
    login === undefined ? undefined : readModelList(login.key)?.models.find((row) => row.id === id);
  return own ?? staticModel(id);
}

/**
 * The rows to start with before the server was asked in this process: what it said last to the login
 * that a run uses by default, else the static rows. A run gets its region's endpoint from its login.
 */
export function starterProvider() {
  const login = bindForTurn(undefined, undefined);
  const last = login === undefined ? [] : (readModelList(login.key)?.models ?? []);
  const rows = last.length > 0 ? last : STATIC_MODELS;
  return providerEntry(
    rows.filter((row) => !isHidden(row.id, settings())),
    REGIONS["mainland-cn"].apiBase,
  );
}

/** Describes a run's model to the host, with the endpoint of the run's login. */
export function resolveDynamicModel(
  ctx: Pick<DynamicContext, "modelId" | "agentDir" | "authProfileId">,
) {
  const login = bindForTurn(ctx.agentDir, ctx.authProfileId);
  const apiBase = (login?.home.endpoints ?? REGIONS["mainland-cn"]).apiBase;
  return runtimeModel(knownModel(ctx.modelId, login), apiBase);
}

/**
 * What `/think` offers for a model. The host does not say for which login; where it holds the row of
 * one, that row counts.
 */
export function resolveThinkingProfile({
  modelId,
  ...stated
}: { readonly modelId: string } & StatedModel) {
  const thinking = statedThinking(stated);
  return thinkingProfile(
    thinking === undefined ? knownModel(modelId, bindForTurn(undefined, undefined)) : { thinking },
  );
}
