/**
 * Builds the package. The host copies every installed file several times at each start, so the
 * libraries are bundled; only koffi stays outside, because its native code is a package of its own.
 */

import path from "node:path";
import { defineConfig, type RolldownPlugin } from "rolldown";
import license from "rollup-plugin-license";
import { licenseTexts } from "./scripts/license-texts.ts";

// The package is CommonJS and its types are those of an ES module with a default export.
const licenses = license as unknown as typeof license.default;

/** Names for chunks that Rolldown would name after some file in them. */
function chunkName({ moduleIds }: { readonly moduleIds: readonly string[] }): string {
  if (moduleIds.some((id) => id.includes("/node_modules/socks/"))) {
    return "socks.js";
  }
  // What `index` and `runtime` share loads with the plugin.
  return moduleIds.some((id) => id.endsWith("/src/constants.ts")) ? "light.js" : "[name].js";
}

export default defineConfig({
  // `index` is all that loads with the plugin; `runtime` is everything else, for the first hook.
  input: { index: "src/index.ts", runtime: "src/runtime.ts" },
  platform: "node",
  external: [/^openclaw\//u, "koffi"],
  plugins: [
    licenses({
      thirdParty: {
        output: {
          file: path.join(import.meta.dirname, "dist", "THIRD-PARTY-LICENSES.txt"),
          template: licenseTexts,
        },
      },
    }) as RolldownPlugin,
  ],
  // Without the paths of modules as comments: they say where the packages lie on this machine.
  experimental: { attachDebugInfo: "none" },
  output: {
    dir: "dist",
    format: "esm",
    minify: false,
    // They are a tenth of the bytes; the licenses have a file of their own.
    comments: { legal: false, annotation: false, jsdoc: false },
    cleanDir: true,
    chunkFileNames: chunkName,
  },
});
