/** koffi, which calls the system's own functions. CommonJS with a native part, so loaded on first use. */

import { createRequire } from "node:module";

type Koffi = typeof import("koffi");

/** Kept, because the files of this copy of the plugin may be gone later. */
let loaded: Koffi | undefined;

/** @throws an error where no binary of it exists for this machine */
export function loadKoffi(): Koffi {
  loaded ??= createRequire(import.meta.url)("koffi") as Koffi;
  return loaded;
}
