import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const E2E = "test/e2e/**/*.test.ts";

function startsHost({ moduleId }: TestSpecification): boolean {
  return /\/test\/e2e\//u.test(moduleId);
}

/** The files that start the real host take longest; started first, they leave no long one for the end. */
class HostsFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return files.toSorted(
      (left, right) =>
        Number(startsHost(right)) - Number(startsHost(left)) ||
        right.moduleId.localeCompare(left.moduleId),
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
    sequence: { sequencer: HostsFirst },
    coverage: {
      provider: "v8",
      include: ["src/logins/**", "src/protocol/**"],
      reporter: ["text"],
    },
    projects: [
      // No OpenClaw and no CLI process.
      { extends: true, test: { name: "unit", include: ["test/**/*.test.ts"], exclude: [E2E] } },
      {
        extends: true,
        test: { name: "e2e", include: [E2E], globalSetup: "test/kit/openclaw/global-setup.ts" },
      },
    ],
  },
});
