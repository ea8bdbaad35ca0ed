#!/usr/bin/env node
/**
 * Gives the files of the package the rights that they have in everybody's package, before npm packs
 * them: a checkout has those of its user's umask, and they are part of the tarball's bytes.
 */

import { chmodSync, readdirSync } from "node:fs";

const PACKED = /^(?:package\.json|openclaw\.plugin\.json|LICENSE|.*\.md)$/u;

const files = [
  ...readdirSync(".").filter((name) => PACKED.test(name)),
  ...readdirSync("dist").map((name) => `dist/${name}`),
];
for (const file of files) {
  chmodSync(file, 0o644);
}
