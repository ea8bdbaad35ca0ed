/**
 * The parts of OpenClaw's plugin SDK that are used at run time, loaded on first use. Only typed,
 * public subpaths; the list is tested against the host's exports.
 */

import { createRequire } from "node:module";

type ProviderAuthSdk = typeof import("openclaw/plugin-sdk/provider-auth");
type StatePathsSdk = typeof import("openclaw/plugin-sdk/state-paths");
type MediaSdk = typeof import("openclaw/plugin-sdk/media-runtime");
type AgentScopeSdk = typeof import("openclaw/plugin-sdk/agent-scope-runtime");
type SsrfSdk = typeof import("openclaw/plugin-sdk/ssrf-runtime");
type SecuritySdk = typeof import("openclaw/plugin-sdk/security-runtime");

// Synchronous, because the host's `register` cannot wait; the host has these modules loaded.
const load = createRequire(import.meta.url);
/** Kept, because each `require` goes through the host's resolver again, which takes 1 ms. */
const loaded = new Map<string, unknown>();

function sdk(name: string): unknown {
  if (!loaded.has(name)) {
    loaded.set(name, load(`openclaw/plugin-sdk/${name}`));
  }
  return loaded.get(name);
}

/** Auth profiles: read, write, apply to the config. */
export function providerAuthSdk(): ProviderAuthSdk {
  return sdk("provider-auth") as ProviderAuthSdk;
}

/** Where OpenClaw keeps its state. */
export function statePathsSdk(): StatePathsSdk {
  return sdk("state-paths") as StatePathsSdk;
}

/** Which agents a config has, and where each keeps its state. */
export function agentScopeSdk(): AgentScopeSdk {
  return sdk("agent-scope-runtime") as AgentScopeSdk;
}

/** QR codes, among much else: for sign-ins only. */
export function mediaSdk(): MediaSdk {
  return sdk("media-runtime") as MediaSdk;
}

/** Which addresses are private, by number and by name. */
export function ssrfSdk(): SsrfSdk {
  return sdk("ssrf-runtime") as SsrfSdk;
}

/** How content from outside is marked. */
export function securitySdk(): SecuritySdk {
  return sdk("security-runtime") as SecuritySdk;
}
