/** Mutation tests; run them with `npm run mutants`, which adds the source file and its tests. */
export default {
  testRunner: "vitest",
  plugins: ["@stryker-mutator/vitest-runner"],
  // A worker thread cannot become another user.
  vitest: { configFile: "vitest.mutants.config.ts", pool: "forks", related: false },
  coverageAnalysis: "perTest",
  concurrency: 1,
  // Both far above what the tests take, because a mutant that ends by time counts as killed.
  timeoutMS: 30_000,
  timeoutFactor: 4,
  // TypeScript 7 has no API that Stryker could rewrite it with, and no test reads it.
  tsconfigFile: "none",
  tempDirName: ".cache/stryker",
  reporters: ["json"],
  jsonReporter: { fileName: process.env.MUTANTS_REPORT ?? ".cache/mutants.json" },
  warnings: { slow: false },
};
