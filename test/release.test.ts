import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PLUGIN_VERSION } from "../src/constants.ts";
import { projectDir } from "./kit/openclaw/layout.ts";

const run = promisify(execFile);
const FILES = ["package.json", "package-lock.json", "CHANGELOG.md", "src/constants.ts"];
const CHANGELOG =
  "# Changelog\n\n## Unreleased\n\n### Added\n\n- A thing.\n\n## 0.0.1\n\n- Before.\n";

describe("scripts/release.mjs", () => {
  let root: string;

  const git = async (...args: string[]): Promise<string> =>
    (await run("git", args, { cwd: root })).stdout.trim();
  const read = async (file: string): Promise<string> =>
    await readFile(path.join(root, file), "utf8");
  const release = async (...args: string[]) =>
    await run(process.execPath, [path.join(projectDir, "scripts/release.mjs"), ...args], {
      cwd: root,
    });

  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), "kimi-release-"));
    await mkdir(path.join(root, "src"));
    for (const file of FILES) {
      await cp(path.join(projectDir, file), path.join(root, file));
    }
    await writeFile(path.join(root, "CHANGELOG.md"), CHANGELOG);
    await git("init", "--quiet");
    await git("config", "user.email", "someone@example.invalid");
    await git("config", "user.name", "Someone");
    await git("add", ".");
    await git("commit", "--quiet", "--message", "first");
  });

  afterEach(async () => {
    await rm(root, { recursive: true, force: true });
  });

  it("sets the version everywhere, dates the changelog, commits and tags", async () => {
    const { stdout } = await release("9.8.7", "--skip-checks");
    expect(stdout).toContain("npm publish kimi-code-oauth-9.8.7.tgz --provenance");
    expect(JSON.parse(await read("package.json"))).toMatchObject({ version: "9.8.7" });
    expect(JSON.parse(await read("package-lock.json"))).toMatchObject({
      version: "9.8.7",
      packages: { "": { version: "9.8.7" } },
    });
    expect(await read("src/constants.ts")).toContain('PLUGIN_VERSION = "9.8.7"');
    const today = new Date().toISOString().slice(0, 10);
    expect(await read("CHANGELOG.md")).toBe(
      `# Changelog\n\n## Unreleased\n\n## 9.8.7 - ${today}\n\n### Added\n\n- A thing.\n\n## 0.0.1\n\n- Before.\n`,
    );
    expect(await git("log", "-1", "--format=%s")).toBe("chore: release 9.8.7");
    expect(await git("tag", "--points-at", "HEAD")).toBe("v9.8.7");
    expect(await git("status", "--porcelain")).toBe("");
  });

  it("changes nothing but the versions in a lock file", async () => {
    const before = await read("package-lock.json");
    await release("9.8.7", "--skip-checks");
    const after = (await read("package-lock.json")).split("\n");
    const changed = before.split("\n").filter((line, index) => line !== after[index]);
    expect(changed.map((line) => line.trim())).toEqual([
      `"version": "${PLUGIN_VERSION}",`,
      `"version": "${PLUGIN_VERSION}",`,
    ]);
  });

  it("writes nothing in a dry run", async () => {
    const { stdout } = await release("9.8.7", "--dry-run");
    expect(stdout).toContain("package-lock.json");
    expect(await git("status", "--porcelain")).toBe("");
    expect(await git("tag")).toBe("");
  });

  it.each<[string, string, (act: { root: string }) => Promise<unknown>]>([
    ["no version", "", async () => undefined],
    ["a version that is none", "1.x", async () => undefined],
    [
      "changes that are not committed",
      "9.8.7",
      async (act) => await writeFile(path.join(act.root, "stray"), ""),
    ],
    [
      "a version that has a tag",
      "9.8.7",
      async (act) => await run("git", ["tag", "v9.8.7"], { cwd: act.root }),
    ],
    [
      "an empty changelog",
      "9.8.7",
      async (act) => {
        await writeFile(path.join(act.root, "CHANGELOG.md"), "# Changelog\n\n## Unreleased\n");
        await run("git", ["commit", "--all", "--quiet", "--message", "empty"], { cwd: act.root });
      },
    ],
  ])("refuses %s, and writes nothing", async (_what, version, make) => {
    await make({ root });
    const before = await git("status", "--porcelain");
    await expect(release(version, "--skip-checks")).rejects.toMatchObject({ code: 1 });
    expect(await git("status", "--porcelain")).toBe(before);
    expect(JSON.parse(await read("package.json"))).toMatchObject({ version: PLUGIN_VERSION });
  });
});

it("the plugin's version is the package's", async () => {
  const manifest: unknown = JSON.parse(
    await readFile(path.join(projectDir, "package.json"), "utf8"),
  );
  expect(manifest).toMatchObject({ version: PLUGIN_VERSION });
});
