/**
 * The plugin's settings (`plugins.entries.kimi-code-oauth.config`). The host has checked them against
 * the manifest's schema before this code runs. Values are parsed leniently anyway: a bad setting must
 * never keep a login from working.
 */

import type { OpenClawConfig } from "openclaw/plugin-sdk/provider-auth";
import { PLUGIN_ID, PROVIDER_ID } from "../constants.ts";
import { processState } from "../process-state.ts";
import { type ProxyMode, setProxyMode } from "../protocol/proxy-mode.ts";
import type { StatedIdentity } from "../protocol/identity.ts";
import { isRecord } from "../json.ts";

/** The settings, as the manifest's `configSchema` has them. */
export interface Settings {
  /** Whose login to use when several are on the machine. */
  readonly home?: "kimi-code-cli" | "kimi-cli" | undefined;
  /** Region of a sign-in, and of the login to use when there is one for each. */
  readonly region?: "mainland-cn" | "global" | undefined;
  /** What to say to Kimi instead of this plugin's own name; only as Kimi has told the user. */
  readonly identity?: StatedIdentity;
  /** How this plugin's own requests reach Kimi; the host's rules for proxies unless set. */
  readonly proxy?: ProxyMode | undefined;
  /** Model ids that lists and pickers leave out. */
  readonly hideModels?: readonly string[] | undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
}

function oneOf<T extends string>(value: unknown, known: readonly T[]): T | undefined {
  return known.find((entry) => entry === value);
}

/** Reads settings from what the host holds for this plugin. */
function readSettings(value: unknown): Settings {
  const raw = isRecord(value) ? value : {};
  const identity = isRecord(raw.identity) ? raw.identity : {};
  const hidden = Array.isArray(raw.hideModels) ? raw.hideModels : [];
  return {
    home: oneOf(raw.home, ["kimi-code-cli", "kimi-cli"]),
    region: oneOf(raw.region, ["mainland-cn", "global"]),
    proxy: oneOf(raw.proxy, ["host", "direct"]),
    identity: { product: text(identity.product), platform: text(identity.platform) },
    hideModels: hidden.flatMap((id) => text(id) ?? []),
  };
}

/** The settings in a config. */
export function settingsOf(config: OpenClawConfig | undefined): Settings {
  return readSettings(config?.plugins?.entries?.[PLUGIN_ID]?.config);
}

/**
 * True where a deployment owns OpenClaw's config (`OPENCLAW_NIX_MODE`, `OPENCLAW_CONFIG_READONLY`): the
 * host then stores logins, and refuses everything that would change the config. Only 1 counts, as in
 * the host.
 */
export function isConfigReadOnly(env: NodeJS.ProcessEnv): boolean {
  return env.OPENCLAW_NIX_MODE === "1" || env.OPENCLAW_CONFIG_READONLY === "1";
}

function settingsHolder(): { current: Settings } {
  return processState("settings", () => ({ current: {} as Settings }));
}

/** Takes over the settings that the host hands to `register`. */
export function applySettings(value: unknown): void {
  settingsHolder().current = readSettings(value);
  setProxyMode(settingsHolder().current.proxy ?? "host");
}

/** The settings of this process, for code that no config reaches. */
export function settings(): Settings {
  return settingsHolder().current;
}

/**
 * True for a model that the user does not want to see, by its id or by its whole reference; asking for
 * it by name still works.
 */
export function isHidden(modelId: string, { hideModels }: Settings): boolean {
  return [modelId, `${PROVIDER_ID}/${modelId}`].some((name) => hideModels?.includes(name) === true);
}
