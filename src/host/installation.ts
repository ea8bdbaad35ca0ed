/** Who this installation is to Kimi: an id of its own, never a Kimi CLI's, and the headers with it. */

import { randomUUID } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import { createPrivateFile, writePrivateFile } from "../logins/private-file.ts";
import { processState } from "../process-state.ts";
import { identityHeaders } from "../protocol/identity.ts";
import { settings } from "./settings.ts";
import { pluginStateDir } from "./state.ts";

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Reads the device id, or makes one.
 *
 * @param folder - this plugin's folder in OpenClaw's state
 * @returns an id that lasts for this process only when the folder cannot be written
 */
export async function deviceId(folder: string): Promise<string> {
  const file = path.join(folder, "device_id");
  const stored = (await fs.readFile(file, "utf8").catch(() => "")).trim();
  if (UUID.test(stored)) {
    return stored;
  }
  const fresh = randomUUID();
  try {
    await fs.mkdir(folder, { recursive: true, mode: 0o700 });
    if (stored === "") {
      // Another process may make it at the same moment; the first one counts.
      createPrivateFile(file, fresh);
    } else {
      writePrivateFile(file, fresh);
    }
    const settled = (await fs.readFile(file, "utf8")).trim();
    return UUID.test(settled) ? settled : fresh;
  } catch {
    return fresh;
  }
}

/** Headers that identify this plugin and installation. */
export async function requestHeaders(): Promise<Record<string, string>> {
  const device = processState("device", (): { id?: Promise<string> } => ({}));
  device.id ??= deviceId(pluginStateDir());
  return identityHeaders(await device.id, settings().identity);
}

/** Tells the user something once in this process. */
export function noticeOnce(message: string): void {
  const notices = processState("notices", () => new Set<string>());
  if (!notices.has(message)) {
    notices.add(message);
    process.emitWarning(message, { type: "KimiCodeOAuth" });
  }
}
