/** The id of this OpenClaw installation: ours alone, never a Kimi CLI's. */

import { randomUUID } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";

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
  const temp = `${file}.${String(process.pid)}.${fresh.slice(0, 8)}`;
  try {
    await fs.mkdir(folder, { recursive: true, mode: 0o700 });
    await fs.writeFile(temp, fresh, { mode: 0o600, flag: "wx" });
    // A link fails where a rename would replace the id that another process has just made.
    await fs.link(temp, file).catch(async () => {
      if (!UUID.test((await fs.readFile(file, "utf8").catch(() => "")).trim())) {
        await fs.copyFile(temp, file);
        await fs.chmod(file, 0o600);
      }
    });
    const settled = (await fs.readFile(file, "utf8")).trim();
    return UUID.test(settled) ? settled : fresh;
  } catch {
    return fresh;
  } finally {
    await fs.rm(temp, { force: true }).catch(() => undefined);
  }
}
