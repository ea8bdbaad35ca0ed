/**
 * Modules behind the host's synchronous hooks, loaded on the first call of one. A synchronous hook
 * cannot await an import, so they are required; Node gives the same module either way.
 */

import { createRequire } from "node:module";
import path from "node:path";

// `.ts` in the sources, `.js` in the package.
const ending = path.extname(import.meta.filename);
const load = createRequire(import.meta.url);

type KnownModels = typeof import("./known-models.ts");
type Failures = typeof import("./failures.ts");
type Replay = typeof import("./replay.ts");

/** What is known of models. */
export function knownModels(): KnownModels {
  return load(`./known-models${ending}`) as KnownModels;
}

/** What failures mean. */
export function failures(): Failures {
  return load(`./failures${ending}`) as Failures;
}

/** How history is replayed. */
export function replay(): Replay {
  return load(`./replay${ending}`) as Replay;
}
