/** Which packages the bundle holds: asked of Rolldown, by the modules that it puts into `dist`. */

import { readFileSync } from "node:fs";
import path from "node:path";
import { build } from "rolldown";
import { z } from "zod";
import config from "../rolldown.config.ts";

/** A package of which the bundle holds modules. */
export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  /** Its folder, relative to the project, as in the lock file: `node_modules/undici`. */
  readonly location: string;
}

const Installed = z.object({ name: z.string(), version: z.string() });
const Lock = z.object({
  packages: z.record(z.string(), z.object({ version: z.string().optional() })),
});

const project = path.dirname(import.meta.dirname);
const FOLDER = "node_modules/";

function readJson<T>(schema: z.ZodType<T>, ...parts: string[]): T {
  return schema.parse(JSON.parse(readFileSync(path.join(project, ...parts), "utf8")));
}

/** The folder of the package that a module belongs to; undefined for a module of ours. */
function locationOf(moduleId: string): string | undefined {
  const file = moduleId.replaceAll("\\", "/");
  const start = file.indexOf(`/${FOLDER}`);
  if (start === -1) {
    return undefined;
  }
  const end = file.lastIndexOf(`/${FOLDER}`) + 1 + FOLDER.length;
  const [scope = "", name = ""] = file.slice(end).split("/");
  return file.slice(start + 1, end) + (scope.startsWith("@") ? `${scope}/${name}` : scope);
}

/**
 * Bundles without writing, and reads what was bundled.
 *
 * @returns the packages by name
 * @throws Error when an installed package is not the one of `package-lock.json`
 */
export async function bundledPackages(): Promise<BundledPackage[]> {
  // How the chunks are written does not matter here.
  const { output: _, ...input } = config;
  const { output } = await build({ ...input, cwd: project, plugins: [], write: false });
  const locations = new Set<string>();
  for (const chunk of output) {
    for (const moduleId of chunk.type === "chunk" ? chunk.moduleIds : []) {
      const location = locationOf(moduleId);
      if (location !== undefined) {
        locations.add(location);
      }
    }
  }
  const { packages: locked } = readJson(Lock, "package-lock.json");
  return Array.from(locations)
    .toSorted()
    .map((location) => {
      const { name, version } = readJson(Installed, location, "package.json");
      if (locked[location]?.version !== version) {
        throw new Error(
          `${location} is not the version of package-lock.json. Run \`npm ci\`, then try again.`,
        );
      }
      return { name, version, location };
    });
}
