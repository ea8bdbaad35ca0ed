/** What the plugin's parts share in one process: logins with their dependencies, and a logger. */

import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { PLUGIN_ID } from "../constants.ts";
import type { Home } from "../logins/homes.ts";
import type { Login } from "../logins/login.ts";
import { openLogin } from "../logins/registry.ts";
import { identityHeaders } from "../protocol/identity.ts";
import { settings } from "./config.ts";
import { deviceId } from "./device-id.ts";
import { statePathsSdk } from "./sdk.ts";

let device: Promise<string> | undefined;
const noticed = new Set<string>();

/** This plugin's folder in OpenClaw's state. */
export function pluginStateDir(): string {
  return path.join(statePathsSdk().resolveStateDir(process.env), PLUGIN_ID);
}

/** Headers that identify this plugin and installation. */
export async function requestHeaders(): Promise<Record<string, string>> {
  device ??= deviceId(pluginStateDir());
  return identityHeaders(await device, settings().identity);
}

/** Tells the user something once in this process. */
export function noticeOnce(message: string): void {
  if (!noticed.has(message)) {
    noticed.add(message);
    process.emitWarning(message, { type: "KimiCodeOAuth" });
  }
}

/** The login of a home, with this process's clock, identity and notices. */
export function loginOf(home: Home): Login {
  return openLogin(home, {
    headers: requestHeaders,
    notice: noticeOnce,
    now: Date.now,
    sleep: async (ms) => {
      await sleep(ms);
    },
  });
}
