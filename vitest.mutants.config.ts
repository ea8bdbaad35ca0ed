import { defineConfig } from "vitest/config";

/**
 * The tests that mutants run against, each file in a process of its own, so that tables are mutated too.
 * `scripts/mutants.mjs` names them here: Stryker 10.1 does not activate mutants of tables with its own
 * `testFiles`.
 */
export default defineConfig({
  test: {
    env: { HOME: "/nonexistent", USERPROFILE: "/nonexistent" },
    // A mutant that hangs is found by its test, which is cheaper than by Stryker's own limit.
    testTimeout: 12_000,
    hookTimeout: 20_000,
    include: process.env["MUTANTS_TESTS"]?.split(",") ?? [],
  },
});
