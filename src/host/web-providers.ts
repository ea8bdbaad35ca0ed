/**
 * What OpenClaw is told of web search and fetch when the plugin registers.
 *
 * Both are providers that need no key, which OpenClaw never picks by itself: searches go to Kimi only
 * after a user has chosen that (OpenClaw's docs/tools/web.md, "Auto-detection").
 */

import type { OpenClawPluginApi } from "openclaw/plugin-sdk/plugin-entry";
import { WEB_PROVIDER_ID } from "../constants.ts";

type SearchProvider = Parameters<OpenClawPluginApi["registerWebSearchProvider"]>[0];
type FetchProvider = Parameters<OpenClawPluginApi["registerWebFetchProvider"]>[0];
type Setup = NonNullable<SearchProvider["runSetup"]>;

/** What is behind the providers, and loads when one is used. */
export interface WebRuntime {
  readonly webSearchTool: SearchProvider["createTool"];
  readonly webFetchTool: FetchProvider["createTool"];
  readonly setUpWebSearch: Setup;
}

/** There is no key, so there is no place for one. */
const NO_API_KEY = {
  requiresCredential: false,
  placeholder: "(sign in to Kimi Code)",
  signupUrl: "https://www.kimi.com/code",
  credentialPath: "",
  getCredentialValue: () => undefined,
  setCredentialValue: () => undefined,
} as const;
/** After every provider of OpenClaw's; the order of those that are chosen by hand only. */
const LAST_IN_ORDER = 300;

/** Registers both. */
export function registerWebProviders(
  api: Pick<OpenClawPluginApi, "registerWebSearchProvider" | "registerWebFetchProvider">,
  runtime: () => WebRuntime,
): void {
  api.registerWebSearchProvider?.({
    ...NO_API_KEY,
    id: WEB_PROVIDER_ID,
    label: "Kimi Code",
    hint: "Uses your Kimi Code sign-in",
    envVars: [],
    onboardingScopes: ["text-inference"],
    autoDetectOrder: LAST_IN_ORDER,
    // No settings of its own.
    configPath: null,
    runSetup: async (ctx) => await runtime().setUpWebSearch(ctx),
    createTool: (ctx) => runtime().webSearchTool(ctx),
  });
  api.registerWebFetchProvider?.({
    ...NO_API_KEY,
    id: WEB_PROVIDER_ID,
    label: "Kimi Code",
    hint: "Uses your Kimi Code sign-in",
    envVars: [],
    autoDetectOrder: LAST_IN_ORDER,
    createTool: (ctx) => runtime().webFetchTool(ctx),
  });
}
