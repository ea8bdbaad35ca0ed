/** This plugin's folder in OpenClaw's state. */

import path from "node:path";
import { PLUGIN_ID } from "../constants.ts";
import { statePathsSdk } from "./sdk.ts";

/** The folder; it is made when something is stored in it. */
export function pluginStateDir(): string {
  return path.join(statePathsSdk().resolveStateDir(process.env), PLUGIN_ID);
}
