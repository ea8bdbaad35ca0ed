/**
 * `npm run --silent sbom`: the software bill of materials of the package, in CycloneDX's JSON format.
 *
 * npm knows what is in the lock file, but takes the bundled packages for development ones. So this is
 * npm's own document, reduced to what a user gets: what is installed with the package, and what is in
 * its bundle. Nothing in it depends on the time or the machine but npm's own version.
 */

import { execFileSync } from "node:child_process";
import path from "node:path";
import { z } from "zod";
import { bundledPackages } from "./bundled.ts";

const Property = z.object({ name: z.string(), value: z.string() });
const Component = z.looseObject({
  "bom-ref": z.string(),
  name: z.string(),
  version: z.string(),
  properties: z.array(Property),
  licenses: z.array(z.unknown()).optional(),
});
const Bom = z.looseObject({
  metadata: z.looseObject({ component: Component }),
  components: z.array(Component),
  dependencies: z.array(z.object({ ref: z.string(), dependsOn: z.array(z.string()) })),
});

/** The terms of CycloneDX for npm packages. */
const DEVELOPMENT = "cdx:npm:package:development";
const BUNDLED = { name: "cdx:npm:package:bundled", value: "true" };

function isDevelopment({ properties }: z.infer<typeof Component>): boolean {
  return properties.some(({ name }) => name === DEVELOPMENT);
}

/** The document as an object that JSON can hold. */
export async function billOfMaterials(): Promise<z.infer<typeof Bom>> {
  const project = path.dirname(import.meta.dirname);
  const args = ["sbom", "--sbom-format", "cyclonedx", "--package-lock-only"];
  const text = execFileSync("npm", args, {
    cwd: project,
    encoding: "utf8",
    maxBuffer: 64 * 1024 ** 2,
  });
  const { serialNumber: _, ...all } = Bom.parse(JSON.parse(text));
  const { timestamp: __, ...metadata } = all.metadata;
  const bundled = new Set(
    (await bundledPackages()).map(({ name, version }) => `${name}@${version}`),
  );
  const root = metadata.component;
  const components = all.components
    .filter((one) => bundled.has(one["bom-ref"]) || !isDevelopment(one))
    .map((one) =>
      bundled.has(one["bom-ref"])
        ? {
            ...one,
            properties: [...one.properties.filter(({ name }) => name !== DEVELOPMENT), BUNDLED],
          }
        : one,
    );
  const kept = new Set([root["bom-ref"], ...components.map((one) => one["bom-ref"])]);
  return {
    ...all,
    // npm names it after the folder.
    metadata: {
      ...metadata,
      component: { ...root, name: root["bom-ref"].replace(/@[^@]*$/u, "") },
    },
    components,
    dependencies: all.dependencies
      .filter(({ ref }) => kept.has(ref))
      .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((to) => kept.has(to)) })),
  };
}

if (import.meta.main) {
  process.stdout.write(`${JSON.stringify(await billOfMaterials(), null, 2)}\n`);
}
