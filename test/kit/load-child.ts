/** Loads one plugin entry in this fresh process: `node load-child.ts <url> time|packages`. */

import { registerHooks } from "node:module";

/** What loading came to. */
export interface LoadAnswer {
  /** Import and `register`, in ms. */
  readonly ms: number;
  /** Packages that the entry's own modules loaded. */
  readonly packages: readonly string[];
}

const [url = "", mode] = process.argv.slice(2);
const packages = new Set<string>();

// The host has these loaded before it loads a plugin, and reads its profiles in any case; its first look costs it
// half a second, with any plugin.
await import("openclaw/plugin-sdk/plugin-entry");
await import("openclaw/plugin-sdk/state-paths");
const { ensureAuthProfileStore } = await import("openclaw/plugin-sdk/provider-auth");
ensureAuthProfileStore(undefined, { allowKeychainPrompt: false });

if (mode === "packages") {
  const folder = url.slice(0, url.lastIndexOf("/"));
  registerHooks({
    resolve: (specifier, context, next) => {
      if (
        context.parentURL?.startsWith(folder) === true &&
        /^[@a-z]/u.test(specifier) &&
        !specifier.includes(":")
      ) {
        packages.add(specifier);
      }
      return next(specifier, context);
    },
  });
}

interface Entry {
  readonly default: { register(api: unknown): void };
}

const start = performance.now();
const { default: entry } = (await import(url)) as Entry;
entry.register({
  registrationMode: "full",
  registerProvider: () => undefined,
  registerWebSearchProvider: () => undefined,
  registerWebFetchProvider: () => undefined,
  registerService: () => undefined,
});
const ms = performance.now() - start;
const foreign = [...packages].filter((name) => !name.startsWith("openclaw/"));
console.log(`\n${JSON.stringify({ ms, packages: foreign } satisfies LoadAnswer)}`);
