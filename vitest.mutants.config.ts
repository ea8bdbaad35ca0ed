import { defineConfig } from "vitest/config";

/** The tests that mutants run against, in one process each; `scripts/mutants.mjs` says which. */
export default defineConfig({
  test: {
    env: { HOME: "/nonexistent", USERPROFILE: "/nonexistent" },
    // A mutant that hangs is found by its test, which is cheaper than by Stryker's own limit.
    testTimeout: 4_000,
    hookTimeout: 10_000,
    isolate: false,
    include: ["test/**/*.test.ts"],
    exclude: ["test/e2e/**"],
  },
});
