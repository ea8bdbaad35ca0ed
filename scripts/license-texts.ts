/** The license texts of what is bundled: of each package, and of the code that a package took from others. */

import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Dependency } from "rollup-plugin-license";

const project = path.dirname(import.meta.dirname);
const SEPARATOR = "\n\n---\n\n";

function textOf(file: string): string {
  return readFileSync(file, "utf8").trim();
}

/** License files below a package's own, in the folders of code that it took over, e.g. undici's `lib/milo`. */
function innerTexts(name: string): string[] {
  const root = path.join(project, "node_modules", name);
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /^(?:LICEN[CS]E|COPYING|NOTICE)/u.test(entry.name))
    .map(({ parentPath, name: file }) => path.relative(root, path.join(parentPath, file)))
    .filter((file) => file.includes(path.sep) && !file.split(path.sep).includes("node_modules"))
    .toSorted()
    .map((file) => `${name}/${file.replaceAll(path.sep, "/")}\n\n${textOf(path.join(root, file))}`);
}

/** The texts that packages leave out though they carry the code. */
function addedTexts(): string[] {
  const folder = path.join(project, "licenses");
  return readdirSync(folder)
    .filter((file) => file.endsWith(".txt"))
    .toSorted()
    .map((file) => textOf(path.join(folder, file)));
}

/** All texts, for `THIRD-PARTY-LICENSES.txt`; in an order that does not depend on the build. */
export function licenseTexts(dependencies: readonly Dependency[]): string {
  const sorted = dependencies.toSorted((left, right) =>
    (left.name ?? "") < (right.name ?? "") ? -1 : 1,
  );
  const inner = sorted.flatMap(({ name }) => innerTexts(name ?? ""));
  const texts = [
    ...sorted.map((dependency) => dependency.text().trim()),
    ...inner,
    ...addedTexts(),
  ];
  return `${texts.join(SEPARATOR)}\n`;
}
