/** Plugin entry: the registration table. Everything that needs a package loads with the first hook. */

import { createRequire } from "node:module";
import path from "node:path";
import { definePluginEntry } from "openclaw/plugin-sdk/plugin-entry";
import type { OpenClawConfig } from "openclaw/plugin-sdk/provider-auth";
import {
  CLI_LOGIN_METHOD_ID,
  DEFAULT_MODEL_REF,
  DEVICE_CODE_METHOD_ID,
  PLUGIN_ID,
  PROVIDER_ID,
} from "./constants.ts";
import { healAtStart } from "./host/fence-check.ts";
import { applySettings } from "./host/settings.ts";
import {
  gatewayStarted,
  gatewayStopped,
  settleBeforeEnd,
  settleBeforeStop,
  STOP_HOOK_TIMEOUT_MS,
} from "./host/lifetime.ts";
import { unwatchHomes, watchHomes } from "./host/home-watch.ts";
import { isSameAccount } from "./host/profile-shape.ts";
import { registerWebProviders } from "./host/web-providers.ts";

// This module and that one have the same ending: `.ts` in the sources, `.js` in the package.
const runtimeFile = `./runtime${path.extname(import.meta.filename)}`;
const load = createRequire(import.meta.url);

/**
 * The code behind the hooks. It loads with the first hook and not with the plugin, because the host
 * loads each plugin with every command. `require`, because half of the hooks are synchronous.
 */
function runtime(): typeof import("./runtime.ts") {
  return load(runtimeFile) as typeof import("./runtime.ts");
}

const CLI_LOGIN_LABEL = "Kimi Code (use the Kimi CLI's login)";
const DEVICE_LABEL = "Kimi Code (browser sign-in)";
/** The group of Moonshot's providers, as in the manifest. */
const GROUP = {
  groupId: "moonshot",
  groupLabel: "Moonshot AI (Kimi)",
  groupHint: "Kimi Code subscription or API key",
};

export default definePluginEntry({
  id: PLUGIN_ID,
  name: "Kimi Code OAuth",
  description:
    "Run OpenClaw agents on a Kimi Code subscription: one sign-in, shared safely with the Kimi CLI.",
  register(api) {
    // The host registers in other modes too, where it hands over no settings.
    if (api.registrationMode === "full" || api.pluginConfig !== undefined) {
      applySettings(api.pluginConfig);
    }
    api.registerProvider({
      id: PROVIDER_ID,
      label: "Kimi Code",
      auth: [
        {
          id: CLI_LOGIN_METHOD_ID,
          label: CLI_LOGIN_LABEL,
          hint: "Shares the login of `kimi login`; no API key",
          kind: "oauth",
          starterModel: DEFAULT_MODEL_REF,
          // Older hosts find the choice here and not by the manifest; 2026.9.5 needs it no more.
          wizard: { ...GROUP, choiceId: "kimi-code-oauth", choiceLabel: CLI_LOGIN_LABEL },
          run: async (ctx) => await runtime().runCliLogin(ctx),
          runNonInteractive: async (ctx) => await runtime().runCliLoginNonInteractive(ctx),
          validateNonInteractive: async (ctx) => await runtime().checkCliLoginNonInteractive(ctx),
        },
        {
          id: DEVICE_CODE_METHOD_ID,
          label: DEVICE_LABEL,
          hint: "On any device",
          kind: "device_code",
          starterModel: DEFAULT_MODEL_REF,
          wizard: { ...GROUP, choiceId: "kimi-code-device", choiceLabel: DEVICE_LABEL },
          matchesPersonalAccount: isSameAccount,
          run: async (ctx) => await runtime().runDeviceCode(ctx),
          runNonInteractive: async (ctx) => await runtime().runDeviceCodeNonInteractive(ctx),
          validateNonInteractive: async (ctx) => await runtime().checkDeviceCodeNonInteractive(ctx),
        },
      ],
      catalog: {
        order: "profile",
        run: async (ctx) => await runtime().runCatalog(ctx),
      },
      staticCatalog: {
        order: "profile",
        run: async () => ({ provider: runtime().starterProvider() }),
      },
      // No `normalizeModelId`: the host calls that hook of the old copy while it updates the plugin, and
      // the update fails. Old ids are in the manifest (`modelIdNormalization`).
      // The account's own list knows more than any row that the host has kept.
      preferRuntimeResolvedModel: () => true,
      prepareDynamicModel: async (ctx) => await runtime().prepareDynamicModel(ctx),
      resolveDynamicModel: (ctx) => runtime().resolveDynamicModel(ctx),
      resolveThinkingProfile: (ctx) => runtime().resolveThinkingProfile(ctx),
      // Kimi has no faster tier for a model; the faster one is a model of its own.
      resolveFastModeSupport: () => false,
      normalizeToolSchemas: (ctx) => runtime().normalizeToolSchemas(ctx),
      inspectToolSchemas: (ctx) => runtime().inspectToolSchemas(ctx),
      buildReplayPolicy: (ctx) => runtime().replayPolicy(ctx),
      refreshOAuth: async (credential) => await runtime().refreshKimiCodeOAuth(credential),
      prepareRuntimeAuth: async (ctx) => await runtime().prepareRuntimeAuth(ctx),
      wrapStreamFn: (ctx) =>
        ctx.streamFn === undefined ? undefined : runtime().wrapStream(ctx.streamFn, ctx),
      wrapSimpleCompletionStreamFn: (ctx) =>
        ctx.streamFn === undefined ? undefined : runtime().wrapStream(ctx.streamFn, ctx),
      classifyFailoverReason: (ctx) => runtime().classifyFailure(ctx),
      matchesContextOverflowError: (ctx) => runtime().isContextOverflow(ctx),
      buildAuthDoctorHint: async (ctx) => await runtime().authDoctorHint(ctx),
      buildMissingAuthMessage: (ctx) => runtime().missingAuthMessage(ctx),
      resolveUsageAuth: (ctx) => runtime().resolveUsageAuth(ctx),
      fetchUsageSnapshot: async (ctx) => await runtime().fetchUsageSnapshot(ctx),
    });
    registerWebProviders(api, runtime);
    api.registerMediaUnderstandingProvider?.({
      id: PROVIDER_ID,
      capabilities: ["video"],
      describeVideo: async (request) => await runtime().describeVideo(request),
    });
    // Each copy of the plugin in this process may have a refresh under way.
    api.lifecycle?.onDispose?.(settleBeforeEnd);
    if (api.registrationMode === "full") {
      healAtStart(() => runtime().healProfiles());
      api.on?.("gateway_stop", settleBeforeStop, { timeoutMs: STOP_HOOK_TIMEOUT_MS });
      api.registerService({
        id: PLUGIN_ID,
        start: () => {
          gatewayStarted();
          watchHomes(async () => {
            await runtime().sweepHomes(api.runtime.config.current() as OpenClawConfig);
          });
        },
        stop: () => {
          gatewayStopped();
          unwatchHomes();
        },
      });
    }
  },
});
