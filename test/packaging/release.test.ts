import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PLUGIN_VERSION } from "../../src/constants.ts";
import { checkOut } from "../kit/checkout.ts";
import { projectDir } from "../kit/openclaw/layout.ts";

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
  const commitAll = async (): Promise<void> => {
    await git("add", ".");
    await git("commit", "--quiet", "--message", "first");
  };

  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), "kimi-release-"));
    await git("init", "--quiet");
    await git("config", "user.email", "someone@example.invalid");
    await git("config", "user.name", "Someone");
  });

  afterEach(async () => {
    await rm(root, { recursive: true, force: true });
  });

  describe("in a checkout", () => {
    beforeEach(async () => {
      await checkOut(root);
      await writeFile(path.join(root, "CHANGELOG.md"), CHANGELOG);
    });

    it("sets the version everywhere and leaves all that is published, a commit and a tag", async () => {
      await writeFile(
        path.join(root, "docs", "named.md"),
        `kimi-code-oauth@${PLUGIN_VERSION} and kimi-code-oauth-${PLUGIN_VERSION}.tgz, not ${PLUGIN_VERSION}\n`,
      );
      await commitAll();
      const lock = (await read("package-lock.json")).split("\n");
      const { stdout, stderr } = await release("9.8.7", "--skip-checks");

      expect(JSON.parse(await read("package.json"))).toMatchObject({ version: "9.8.7" });
      const changed = (await read("package-lock.json"))
        .split("\n")
        .flatMap((line, index) =>
          line === lock[index] ? [] : [[lock[index]?.trim(), line.trim()]],
        );
      const version = [`"version": "${PLUGIN_VERSION}",`, '"version": "9.8.7",'];
      expect(changed).toEqual([version, version]);
      expect(JSON.parse(await read("package-lock.json"))).toMatchObject({
        version: "9.8.7",
        packages: { "": { version: "9.8.7" } },
      });
      expect(await read("src/constants.ts")).toContain('PLUGIN_VERSION = "9.8.7"');
      expect(await read("docs/named.md")).toBe(
        `kimi-code-oauth@9.8.7 and kimi-code-oauth-9.8.7.tgz, not ${PLUGIN_VERSION}\n`,
      );
      const today = new Date().toISOString().slice(0, 10);
      expect(await read("CHANGELOG.md")).toBe(
        `# Changelog\n\n## Unreleased\n\n## 9.8.7 - ${today}\n\n### Added\n\n- A thing.\n\n## 0.0.1\n\n- Before.\n`,
      );

      const folder = path.join(root, "release");
      expect((await readdir(folder)).toSorted()).toEqual([
        "NOTES.md",
        "SHA256SUMS",
        "kimi-code-oauth-9.8.7.cdx.json",
        "kimi-code-oauth-9.8.7.tgz",
      ]);
      expect(await read("release/NOTES.md")).toBe("### Added\n\n- A thing.\n");
      expect((await run("sha256sum", ["--check", "SHA256SUMS"], { cwd: folder })).stdout).toBe(
        "kimi-code-oauth-9.8.7.tgz: OK\nkimi-code-oauth-9.8.7.cdx.json: OK\n",
      );
      expect(JSON.parse(await read("release/kimi-code-oauth-9.8.7.cdx.json"))).toMatchObject({
        bomFormat: "CycloneDX",
        metadata: { component: { name: "kimi-code-oauth", version: "9.8.7" } },
      });
      await run("tar", ["xzf", path.join(folder, "kimi-code-oauth-9.8.7.tgz"), "-C", folder]);
      for (const file of ["package.json", "dist/light.js", "CHANGELOG.md"]) {
        expect(await read(`release/package/${file}`), file).toContain("9.8.7");
      }

      expect(await git("log", "-1", "--format=%s")).toBe("chore: release 9.8.7");
      expect(await git("status", "--porcelain")).toBe("");
      // The commands that it prints do what they are for: this one takes the tag along.
      expect(stdout).toContain("\n  git push --follow-tags\n");
      expect(stdout).toContain("\n  npm publish release/kimi-code-oauth-9.8.7.tgz\n");
      expect(stdout).toContain(`--source-commit ${await git("rev-parse", "HEAD")} `);
      const remote = path.join(root, "release", "remote.git");
      await git("init", "--quiet", "--bare", remote);
      await git("push", "--quiet", "--follow-tags", remote, "HEAD:refs/heads/main");
      expect(await git("ls-remote", "--tags", remote)).toContain("refs/tags/v9.8.7");
      // A fork that has its own addresses is not told so.
      const hasPlaceholder = (await read("package.json")).includes("example.invalid");
      expect(stderr.includes("package.json has addresses at example.invalid")).toBe(hasPlaceholder);
    }, 120_000);

    it("releases nothing when the tarball depends on where it is packed", async () => {
      const pack = JSON.parse(await read("package.json")) as { scripts: Record<string, string> };
      const prepack = "mkdir -p dist && pwd > dist/index.js";
      await writeFile(
        path.join(root, "package.json"),
        JSON.stringify({ ...pack, scripts: { ...pack.scripts, prepack } }),
      );
      await commitAll();
      await expect(release("9.8.7", "--skip-checks")).rejects.toMatchObject({
        code: 1,
        stderr: expect.stringContaining("other bytes.\nNothing was released.") as string,
      });
      expect(await git("status", "--porcelain")).toBe("");
      expect(await git("tag")).toBe("");
      expect(await git("log", "--format=%s")).toBe("first");
    }, 120_000);
  });

  describe("before it begins", () => {
    beforeEach(async () => {
      await mkdir(path.join(root, "src"));
      for (const file of FILES) {
        await cp(path.join(projectDir, file), path.join(root, file));
      }
      await writeFile(path.join(root, "CHANGELOG.md"), CHANGELOG);
      await commitAll();
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
      ["a version before this one", "0.0.1", async () => undefined],
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
          await run("git", ["commit", "--all", "--quiet", "--message", "empty"], {
            cwd: act.root,
          });
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
});

/** Asks a registry that answers with these advisories, by package. */
async function audit(advisories: object | undefined): Promise<{ code: number; stdout: string }> {
  const registry = createServer((request, response) => {
    const isQuestion = request.url?.endsWith("/advisories/bulk") === true;
    response.statusCode = isQuestion && advisories !== undefined ? 200 : 405;
    response.end(response.statusCode === 200 ? JSON.stringify(advisories) : "");
  }).listen(0, "127.0.0.1");
  await once(registry, "listening");
  const { port } = registry.address() as AddressInfo;
  try {
    return await run(process.execPath, ["scripts/audit.ts"], {
      cwd: projectDir,
      env: {
        ...process.env,
        npm_config_registry: `http://127.0.0.1:${port}`,
        npm_config_fetch_retries: "0",
      },
    }).then(
      ({ stdout }) => ({ code: 0, stdout }),
      (error: unknown) => error as { code: number; stdout: string },
    );
  } finally {
    registry.closeAllConnections();
    registry.close();
  }
}

describe("npm run audit", () => {
  const advisory = {
    id: 1,
    url: "https://example.invalid/1",
    title: "A fault",
    severity: "high",
    vulnerable_versions: ">=0",
    cwe: [],
    cvss: { score: 7, vectorString: null },
  };

  it.each([
    [
      "bundled packages and dependencies, which ends with 1",
      1,
      { zod: [advisory], koffi: [advisory], knip: [advisory] },
      /gets:\n {2}koffi: A fault \(high\).*\n {2}zod: A fault \(high\).*\nIn what only contributors have:\n {2}knip: /u,
    ],
    [
      "development packages, which fails nothing",
      0,
      { knip: [advisory] },
      /^No known vulnerability in what a user gets\.\nIn what only contributors have:\n {2}knip: /u,
    ],
    ["a registry that answers no such question", 2, undefined, /could not be asked .*: 405/u],
  ])("tells of %s", async (_what, code, advisories, text) => {
    const result = await audit(advisories);
    expect(result).toMatchObject({ code, stdout: expect.stringMatching(text) as string });
  });
});
