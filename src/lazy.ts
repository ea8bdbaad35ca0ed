/** `on-use.ts` for code that cannot wait for an import: the host's synchronous hooks, and `register`. */

import { createRequire } from "node:module";
import path from "node:path";

// This module and that one have the same ending: `.ts` in the sources, `.js` in the package.
const file = `./on-use${path.extname(import.meta.filename)}`;
const load = createRequire(import.meta.url);

/** What is loaded on first use; Node gives the same module to `require` and to `import`. */
export function onUse(): typeof import("./on-use.ts") {
  return load(file) as typeof import("./on-use.ts");
}
