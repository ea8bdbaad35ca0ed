import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

function startsHost({ moduleId }: TestSpecification): boolean {
  return /\/test\/host\//u.test(moduleId);
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
    include: ["test/**/*.test.ts"],
    globalSetup: "test/support/global-setup.ts",
    // Nobody's own logins are looked at.
    env: { HOME: "/nonexistent", USERPROFILE: "/nonexistent" },
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // The real host needs a core for itself.
    maxWorkers: 2,
    sequence: { sequencer: HostsFirst },
  },
});
