/** Looks for secrets in everything a host has left on disk. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** A file, or its name, that holds one of the secrets looked for. */
export interface SecretTrace {
  readonly path: string;
  /** Index of the secret in the list that was asked for; a report never shows the secret itself. */
  readonly index: number;
}

/** Searches the bytes of every regular file below the folders, databases and logs included. */
export async function findTraces(
  folders: readonly string[],
  secrets: readonly string[],
): Promise<SecretTrace[]> {
  const needles = secrets.map((secret) => Buffer.from(secret));
  if (needles.some((needle) => needle.length === 0)) {
    throw new Error("an empty secret is in every file");
  }
  const traces: SecretTrace[] = [];
  for (const folder of folders) {
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      // A file that a running host has just removed holds nothing.
      const bytes = entry.isFile()
        ? await readFile(path).catch(() => Buffer.alloc(0))
        : Buffer.alloc(0);
      for (const [index, needle] of needles.entries()) {
        if (bytes.includes(needle) || entry.name.includes(needle.toString())) {
          traces.push({ path, index });
        }
      }
    }
  }
  return traces;
}
