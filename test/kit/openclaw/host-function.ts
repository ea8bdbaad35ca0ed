/** Functions of the host that it exports to nobody: how it reads and words a failure. */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { projectDir } from "./layout.ts";

const DIST = path.join(projectDir, "node_modules", "openclaw", "dist");

/** A function of the host by its name; the host exports it, under a letter that changes with each build. */
export async function hostFunction<T>(name: string): Promise<T> {
  for (const file of (await readdir(DIST)).filter((entry) => entry.endsWith(".mjs"))) {
    if ((await readFile(path.join(DIST, file), "utf8")).includes(`\nfunction ${name}(`)) {
      const exported = (await import(pathToFileURL(path.join(DIST, file)).href)) as Record<
        string,
        unknown
      >;
      const found = Object.values(exported).find(
        (value) => typeof value === "function" && value.name === name,
      );
      if (found !== undefined) {
        return found as T;
      }
    }
  }
  throw new Error(`this host has no ${name}`);
}

/** What the host makes of a failed turn for a chat channel such as Telegram. */
export type Summarize = (failure: {
  error: unknown;
  message: string;
  reason: string;
}) => { kind: string; text: string } | undefined;
