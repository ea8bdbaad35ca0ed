/** The default model: set for a user who has none. */

import type { OpenClawConfig } from "openclaw/plugin-sdk/provider-auth";
import { DEFAULT_MODEL_REF } from "../constants.ts";

/** The model that the user's agents use now. */
function primaryModel(config: OpenClawConfig): string | undefined {
  const model = config.agents?.defaults?.model;
  const primary = typeof model === "string" ? model : model?.primary;
  return primary?.trim() ? primary.trim() : undefined;
}

/** Makes our model the default where the user has none; leaves any other choice alone. */
export function withDefaultModel(config: OpenClawConfig): OpenClawConfig {
  const defaults = config.agents?.defaults;
  if (primaryModel(config) !== undefined) {
    return config;
  }
  const fallbacks = typeof defaults?.model === "object" ? defaults.model.fallbacks : undefined;
  return {
    ...config,
    agents: {
      ...config.agents,
      defaults: {
        ...defaults,
        model: { ...(fallbacks === undefined ? {} : { fallbacks }), primary: DEFAULT_MODEL_REF },
        models: {
          ...defaults?.models,
          [DEFAULT_MODEL_REF]: defaults?.models?.[DEFAULT_MODEL_REF] ?? {},
        },
      },
    },
  };
}
