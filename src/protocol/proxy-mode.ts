/** Whether this process uses proxies. Loads nothing, because the setting is read with the plugin. */

import { processState } from "../process-state.ts";

/** `host`: the proxy that the host or the environment names. `direct`: around every proxy. */
export type ProxyMode = "host" | "direct";

function modeHolder(): { mode: ProxyMode } {
  return processState("proxy", () => ({ mode: "host" as ProxyMode }));
}

/** Sets it for this process. */
export function setProxyMode(mode: ProxyMode): void {
  modeHolder().mode = mode;
}

/** What is set for this process. */
export function proxyMode(): ProxyMode {
  return modeHolder().mode;
}
