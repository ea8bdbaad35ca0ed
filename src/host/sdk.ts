/**
 * The parts of OpenClaw's plugin SDK that are used at run time, loaded on first use. Only typed,
 * public subpaths; the list is tested against the host's exports.
 */

import { createRequire } from "node:module";

type ProviderAuthSdk = typeof import("openclaw/plugin-sdk/provider-auth");
type StatePathsSdk = typeof import("openclaw/plugin-sdk/state-paths");
type AgentScopeSdk = typeof import("openclaw/plugin-sdk/agent-scope-runtime");

// Synchronous, because the host's `register` cannot wait; the host has these modules loaded.
const load = createRequire(import.meta.url);

/** Auth profiles: read, write, apply to the config. */
export function providerAuthSdk(): ProviderAuthSdk {
  return load("openclaw/plugin-sdk/provider-auth") as ProviderAuthSdk;
}

/** Where OpenClaw keeps its state. */
export function statePathsSdk(): StatePathsSdk {
  return load("openclaw/plugin-sdk/state-paths") as StatePathsSdk;
}

/** Which agents a config has, and where each keeps its state. */
export function agentScopeSdk(): AgentScopeSdk {
  return load("openclaw/plugin-sdk/agent-scope-runtime") as AgentScopeSdk;
}
