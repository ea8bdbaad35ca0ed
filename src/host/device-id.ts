/** The id of this OpenClaw installation: ours alone, never a Kimi CLI's. */

import { randomUUID } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import { createPrivateFile, writePrivateFile } from "../logins/private-file.ts";

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
