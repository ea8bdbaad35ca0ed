/**
 * What the host's hooks call. Loaded with the first of them and not with the plugin, because the host
 * loads each plugin with every command; everything that needs a package is behind this module.
 */

export { fetchUsageSnapshot, resolveUsageAuth } from "./account/usage-hook.ts";
export { authDoctorHint, missingAuthMessage } from "./account/doctor.ts";
export { healProfiles } from "./profiles/fences.ts";
export { sweepHomes } from "./profiles/home-sweep.ts";
export { prepareDynamicModel, runCatalog } from "./models/catalog.ts";
export { classifyFailure, isContextOverflow } from "./inference/failures.ts";
export { resolveDynamicModel, resolveThinkingProfile, starterProvider } from "./models/known.ts";
export { replayPolicy } from "./inference/replay.ts";
export { prepareRuntimeAuth } from "./inference/runtime-auth.ts";
export { inspectToolSchemas, normalizeToolSchemas } from "./inference/tool-schemas.ts";
export { wrapStream } from "./inference/stream.ts";
export { describeVideo } from "./inference/video.ts";
export { refreshKimiCodeOAuth } from "./kimi-code-oauth.ts";
export {
  checkCliLoginNonInteractive,
  runCliLogin,
  runCliLoginNonInteractive,
} from "./onboarding/cli-login.ts";
export { runDeviceCode } from "./onboarding/device-code.ts";
export {
  checkDeviceCodeNonInteractive,
  runDeviceCodeNonInteractive,
} from "./onboarding/device-code-unattended.ts";
export { webFetchTool } from "./web/fetch.ts";
export { setUpWebSearch, webSearchTool } from "./web/search.ts";
