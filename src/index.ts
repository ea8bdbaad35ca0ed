/** Plugin entry: what is registered, and where each part is. Nothing is loaded before it is used. */

import { definePluginEntry } from "openclaw/plugin-sdk/plugin-entry";
import {
  CLI_LOGIN_METHOD_ID,
  DEVICE_CODE_METHOD_ID,
  PLUGIN_ID,
  PROVIDER_ID,
} from "./constants.ts";
import { healAtStart } from "./host/at-start.ts";
import { useSettings } from "./host/config.ts";
import {
  gatewayStarted,
  gatewayStopped,
  settleBeforeEnd,
  settleBeforeStop,
  STOP_HOOK_TIMEOUT_MS,
} from "./host/lifetime.ts";
import { missingAuthMessage } from "./host/missing-auth.ts";
import { unwatchOwnHomes, watchOwnHomes } from "./host/own-home-watch.ts";
import { isSameAccount } from "./host/profile-shape.ts";
import { onUse } from "./lazy.ts";

export default definePluginEntry({
  id: PLUGIN_ID,
  name: "Kimi Code OAuth",
  description: "Run OpenClaw agents on a Kimi Code subscription, without an API key.",
  register(api) {
    // The host registers in other modes too, where it hands over no settings.
    if (api.registrationMode === "full" || api.pluginConfig !== undefined) {
      useSettings(api.pluginConfig);
    }
    api.registerProvider({
      id: PROVIDER_ID,
      label: "Kimi Code",
      auth: [
        {
          id: CLI_LOGIN_METHOD_ID,
          label: "Kimi Code (use the Kimi CLI's login)",
          hint: "Shares the login of `kimi login`; no API key",
          kind: "oauth",
          run: async (ctx) => await (await import("./on-use.ts")).runCliLogin(ctx),
          runNonInteractive: async (ctx) =>
            await (await import("./on-use.ts")).runCliLoginNonInteractive(ctx),
        },
        {
          id: DEVICE_CODE_METHOD_ID,
          label: "Kimi Code (sign in with a browser)",
          hint: "Device code, on any device; needs no Kimi CLI",
          kind: "device_code",
          matchesPersonalAccount: isSameAccount,
          run: async (ctx) => await (await import("./on-use.ts")).runDeviceCode(ctx),
        },
      ],
      catalog: {
        order: "profile",
        run: async (ctx) => await (await import("./on-use.ts")).runCatalog(ctx),
      },
      staticCatalog: { order: "profile", run: async () => ({ provider: onUse().starterProvider() }) },
      // No `normalizeModelId`: the host calls that hook of the old copy while it updates the plugin, and
      // the update fails. Old ids are in the manifest (`modelIdNormalization`).
      //
      // The account's own list knows more than any row that the host has kept.
      preferRuntimeResolvedModel: () => true,
      prepareDynamicModel: async (ctx) =>
        await (await import("./on-use.ts")).prepareDynamicModel(ctx),
      resolveDynamicModel: (ctx) => onUse().resolveDynamicModel(ctx),
      resolveThinkingProfile: (ctx) => onUse().resolveThinkingProfile(ctx),
      buildReplayPolicy: (ctx) => onUse().replayPolicy(ctx),
      refreshOAuth: async (credential) =>
        await (await import("./on-use.ts")).refreshKimiCodeOAuth(credential),
      prepareRuntimeAuth: async (ctx) =>
        await (await import("./on-use.ts")).prepareRuntimeAuth(ctx),
      wrapStreamFn: (ctx) =>
        ctx.streamFn === undefined ? undefined : onUse().wrapStream(ctx.streamFn, ctx),
      wrapSimpleCompletionStreamFn: (ctx) =>
        ctx.streamFn === undefined ? undefined : onUse().wrapStream(ctx.streamFn, ctx),
      classifyFailoverReason: (ctx) => onUse().classifyFailure(ctx),
      matchesContextOverflowError: (ctx) => onUse().isContextOverflow(ctx),
      buildAuthDoctorHint: async (ctx) =>
        (await import("./on-use.ts")).authDoctorHint(ctx),
      buildMissingAuthMessage: (ctx) => missingAuthMessage(ctx),
      resolveUsageAuth: async (ctx) =>
        await (await import("./on-use.ts")).resolveUsageAuth(ctx),
      fetchUsageSnapshot: async (ctx) =>
        await (await import("./on-use.ts")).fetchUsageSnapshot(ctx),
    });
    // Each copy of the plugin in this process may have a refresh under way.
    api.lifecycle?.onDispose?.(settleBeforeEnd);
    if (api.registrationMode === "full") {
      healAtStart();
      api.on?.("gateway_stop", settleBeforeStop, { timeoutMs: STOP_HOOK_TIMEOUT_MS });
      api.registerService({
        id: PLUGIN_ID,
        start: () => {
          gatewayStarted();
          watchOwnHomes(api.runtime.config.current);
        },
        stop: () => {
          gatewayStopped();
          unwatchOwnHomes();
        },
      });
    }
  },
});
