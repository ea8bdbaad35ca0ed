/** What is known of a model right now, without asking anyone. Synchronous, for the host's hooks. */

import type { ProviderPlugin } from "openclaw/plugin-sdk/plugin-entry";
import { isHidden, settings } from "../host/settings.ts";
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
  const login = bindLogin(ctx.agentDir, ctx.authProfileId);
  const apiBase = (login?.home.endpoints ?? REGIONS["mainland-cn"]).apiBase;
  return runtimeModel(knownModel(ctx.modelId, login), apiBase);
}

/** What `/think` offers for a model. */
export function resolveThinkingProfile({ modelId }: { readonly modelId: string }) {
  return thinkingProfile(knownModel(modelId, undefined));
}
