import path from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const E2E = "test/e2e/**/*.test.ts";
const PACKAGING = "test/packaging/**/*.test.ts";
/** Processes that a test starts take half of their time to strip and compile what they load. */
const COMPILED = { NODE_COMPILE_CACHE: path.resolve(".cache/node") };

/** Unit tests with many processes or rounds. */
const LONG =
  /\/test\/(?:logins\/(?:processes|stale-locks|home-file)|soak\/|fuzz\/|live\/|inference\/(?:uploads|schemas\/meaning)|containers\/|packaging\/)/u;

/** The longest of those that start the real host, in this order. */
const LONGEST = ["gateway", "install", "mixed", "accounts", "people"];

/** How early a file starts: those that start the real host first, then other long ones. */
function rankOf({ moduleId }: TestSpecification): number {
  if (!moduleId.includes("/test/e2e/")) {
    return LONG.test(moduleId) ? 1 : 0;
  }
  const place = LONGEST.indexOf(path.basename(moduleId, ".test.ts"));
  return place === -1 ? 2 : 2 + LONGEST.length - place;
}

/** Long files start first, so that none is left for the end. */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return files.toSorted(
      (left, right) => rankOf(right) - rankOf(left) || right.moduleId.localeCompare(left.moduleId),
    );
  }
}

export default defineConfig({
  test: {
    // No user's own logins are looked at.
    env: { HOME: "/nonexistent", USERPROFILE: "/nonexistent" },
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // The real host needs a core for itself.
    maxWorkers: 2,
    sequence: { sequencer: LongFirst },
    coverage: {
      provider: "istanbul",
      include: ["src/logins/**", "src/protocol/**"],
      reporter: ["text"],
    },
    projects: [
      // No OpenClaw and no CLI process.
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: [E2E, PACKAGING],
          // The host's SDK takes longer to load than most files take to run.
          isolate: false,
          setupFiles: "test/kit/as-found.ts",
          env: COMPILED,
        },
      },
      // What npm makes of this project, and the scripts that publish it: builds and packs, again and again.
      {
        extends: true,
        test: { name: "packaging", include: [PACKAGING], env: COMPILED },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          include: [E2E],
          globalSetup: "test/kit/openclaw/global-setup.ts",
          // Files share a gateway.
          isolate: false,
        },
      },
    ],
  },
});
