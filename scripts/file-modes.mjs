#!/usr/bin/env node
/**
 * Gives the files of the package the rights that they have in everybody's package, before npm packs
 * them: a checkout has those of its user's umask, and they are part of the tarball's bytes.
 */

import { chmodSync, globSync } from "node:fs";

const FILES = "{package.json,openclaw.plugin.json,*.md,LICENSE,dist/*}";

for (const file of globSync(FILES)) {
  chmodSync(file, 0o644);
}
