import { defineConfig } from "vitest/config";

/** The tests that mutants run against, in one process each; `scripts/mutants.mjs` says which. */
export default defineConfig({
  test: {
    env: { HOME: "/nonexistent", USERPROFILE: "/nonexistent" },
    testTimeout: 20_000,
    hookTimeout: 20_000,
    isolate: false,
    include: ["test/**/*.test.ts"],
    exclude: ["test/e2e/**"],
  },
});
