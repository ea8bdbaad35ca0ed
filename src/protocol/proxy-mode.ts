/** Whether this process uses proxies. Loads nothing, because the setting is read with the plugin. */

import { processState } from "../process-state.ts";

/** `host`: the proxy that the host or the environment names. `direct`: around every proxy. */
export type ProxyMode = "host" | "direct";

function holder(): { mode: ProxyMode } {
  return processState("proxy", () => ({ mode: "host" as ProxyMode }));
}

/** Sets it for this process. */
export function setProxyMode(mode: ProxyMode): void {
  holder().mode = mode;
}

/** What is set for this process. */
export function proxyMode(): ProxyMode {
  return holder().mode;
}
