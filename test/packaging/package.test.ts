/** What a user gets: the package as npm packs it, in two checkouts of this project. */
import { execFile } from "node:child_process";
import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BundledPackage, bundledPackages } from "../../scripts/bundled.ts";
import { billOfMaterials } from "../../scripts/sbom.ts";
import { PLUGIN_VERSION } from "../../src/constants.ts";
import { checkOut } from "../kit/checkout.ts";
import { importsOf } from "../kit/imports.ts";
import { projectDir } from "../kit/openclaw/layout.ts";

/** Each file of the package, and why it is there. The host copies all of them at each start. */
const FILES = {
  "package.json": "npm and the host: dependencies, entry, hosts that can load it",
  "openclaw.plugin.json": "the host, before any code runs: providers, sign-ins, settings",
  "README.md": "npm's and ClawHub's page",
  "CHANGELOG.md": "what an update brings",
  LICENSE: "ours",
  "dist/THIRD-PARTY-LICENSES.txt": "those of what is bundled",
  "dist/index.js": "the entry, loaded with every command",
  "dist/light.js": "what the entry shares with the rest",
  "dist/rolldown-runtime.js": "how the chunks load CommonJS modules",
  "dist/runtime.js": "the plugin, loaded on first use",
  "dist/proper-lockfile.js": "loaded when a lock is taken",
  "dist/undici.js": "loaded when a request is made",
  "dist/socks.js": "loaded when a SOCKS proxy is used",
};

/** Two users: where they have the project, how they set up their machine, which rights their files get. */
const USERS = [
  { folder: "one", mode: 0o644, umask: "022", env: { TZ: "UTC", LANG: "C.UTF-8" } },
  {
    folder: "somewhere/else/another name",
    mode: 0o600,
    umask: "077",
    env: { TZ: "Asia/Tokyo", LANG: "tr_TR.UTF-8" },
  },
];

interface PackageFile {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly engines: object;
  readonly openclaw: {
    readonly compat: object;
    readonly build: object;
    readonly install: object;
  };
}

const run = promisify(execFile);
const json = (file: string): unknown =>
  JSON.parse(readFileSync(path.join(projectDir, file), "utf8"));

let scratch: string;
const archives: string[] = [];
/** The first archive, unpacked. */
let unpacked: string;
let bundled: BundledPackage[];

beforeAll(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), "kimi-package-"));
  for (const { folder, mode, umask, env } of USERS) {
    const checkout = path.join(scratch, folder);
    await mkdir(checkout, { recursive: true });
    await checkOut(checkout, mode);
    const { stdout } = await run("sh", ["-c", `umask ${umask} && npm pack --silent`], {
      cwd: checkout,
      env: { ...process.env, HOME: scratch, ...env },
    });
    archives.push(path.join(checkout, stdout.trim().split("\n").at(-1) ?? ""));
  }
  await run("tar", ["xzf", archives[0] ?? "", "-C", scratch]);
  unpacked = path.join(scratch, "package");
  bundled = await bundledPackages();
}, 120_000);

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

/** The modules of the bundle, with what they import. */
function modules() {
  return globSync("dist/*.js", { cwd: unpacked }).map(
    (file) => [file, importsOf(path.join(unpacked, file))] as const,
  );
}

describe("the tarball", () => {
  it("has the same bytes for another user, in another folder", async () => {
    const [left, right] = await Promise.all(archives.map(async (file) => await readFile(file)));
    expect(archives[0]).not.toBe(archives[1]);
    expect(left?.equals(right ?? Buffer.alloc(0))).toBe(true);
  });

  it("has these files, which everybody can read and nobody runs", async () => {
    const { stdout } = await run("tar", ["tvzf", archives[1] ?? ""]);
    const entries = stdout.trim().split("\n");
    expect(entries.map((line) => line.replace(/^.* package\//u, "")).toSorted()).toEqual(
      Object.keys(FILES).toSorted(),
    );
    expect(entries.filter((line) => !line.startsWith("-rw-r--r-- 0/0 "))).toEqual([]);
  });

  it("has no path of the machine that packed it", () => {
    for (const file of Object.keys(FILES)) {
      const text = readFileSync(path.join(unpacked, file), "utf8");
      for (const folder of [scratch, projectDir, "/node_modules/"]) {
        expect(text.includes(folder), `${folder} in ${file}`).toBe(false);
      }
    }
  });

  it("has no chunk that nothing loads", () => {
    // The second entry is loaded by a name that is put together.
    const reached = new Set(["dist/index.js", "dist/runtime.js"]);
    for (const file of reached) {
      for (const { specifier } of importsOf(path.join(unpacked, file))) {
        if (specifier.startsWith(".")) {
          reached.add(path.posix.join("dist", specifier));
        }
      }
    }
    expect(Array.from(reached).toSorted()).toEqual(
      modules()
        .map(([file]) => file)
        .toSorted(),
    );
  });

  it("imports Node, koffi and subpaths of the host's SDK that have types, and nothing else", () => {
    const { exports } = json("node_modules/openclaw/package.json") as {
      exports: Readonly<Record<string, { readonly types?: string }>>;
    };
    const outside = modules().flatMap(([file, imports]) =>
      imports
        .filter(({ specifier }) => !/^(?:\.|$)/u.test(specifier) && !isBuiltin(specifier))
        .map((one) => ({ file, ...one })),
    );
    const ofHost = outside.filter(({ specifier }) => specifier.startsWith("openclaw/"));
    expect(ofHost.map(({ specifier }) => specifier)).toContain("openclaw/plugin-sdk/plugin-entry");
    // The one computed name is held against its types in `monorepo.test.ts`.
    for (const { file, specifier } of ofHost.filter(({ isComputed }) => !isComputed)) {
      const types = exports[specifier.replace("openclaw/", "./")]?.types ?? "none";
      expect(existsSync(path.join(projectDir, "node_modules/openclaw", types)), file).toBe(true);
    }
    const others = outside.filter(({ specifier }) => !specifier.startsWith("openclaw/"));
    expect(new Set(others.map(({ specifier }) => specifier))).toEqual(new Set(["koffi"]));
    expect(Object.keys((json("package.json") as PackageFile).dependencies)).toEqual(["koffi"]);
  });
});

function licenseTexts(): string {
  return readFileSync(path.join(unpacked, "dist/THIRD-PARTY-LICENSES.txt"), "utf8");
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/gu, " ").trim();
}

describe("the licenses", () => {
  it("of all that is bundled are there, with name and version", () => {
    expect(bundled.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["proper-lockfile", "socks", "undici", "zod"]),
    );
    for (const { name, version, location } of bundled) {
      const folder = path.join(projectDir, location);
      const own = readdirSync(folder).filter((file) => /^licen[cs]e/iu.test(file));
      expect(own, name).toHaveLength(1);
      expect(licenseTexts()).toContain(`Name: ${name}\nVersion: ${version}\n`);
      expect(oneLine(licenseTexts())).toContain(
        oneLine(readFileSync(path.join(folder, own[0] ?? ""), "utf8")),
      );
    }
    expect(licenseTexts().match(/^Name: /gmu)).toHaveLength(bundled.length);
  });

  it("of the code that undici took from others are there too", () => {
    const folder = path.join(projectDir, "node_modules/undici/lib");
    const inner = globSync("**/LICENSE*", { cwd: folder });
    expect(inner.length).toBeGreaterThan(0);
    for (const file of inner) {
      expect(licenseTexts()).toContain(readFileSync(path.join(folder, file), "utf8").trim());
    }
    // Its package has the parser and not the parser's license.
    expect(existsSync(path.join(folder, "llhttp"))).toBe(true);
    expect(licenseTexts()).toContain("Copyright Fedor Indutny, 2018.");
  });
});

describe("the version", () => {
  const pack = json("package.json") as PackageFile;

  it("is one everywhere", () => {
    const lock = json("package-lock.json") as {
      readonly version: string;
      readonly packages: Readonly<Record<string, PackageFile>>;
    };
    expect(pack.version).toBe(PLUGIN_VERSION);
    expect(lock.version).toBe(PLUGIN_VERSION);
    expect(lock.packages[""]?.version).toBe(PLUGIN_VERSION);
    // The host takes the package's where the manifest has none.
    expect(json("openclaw.plugin.json")).not.toHaveProperty("version");
    expect(readFileSync(path.join(unpacked, "dist/light.js"), "utf8")).toContain(
      `PLUGIN_VERSION = "${PLUGIN_VERSION}"`,
    );
    const changelog = readFileSync(path.join(projectDir, "CHANGELOG.md"), "utf8");
    const [released] = Array.from(changelog.matchAll(/^## (\d\S*)/gmu), (found) => found[1]);
    // Before the first release there is none.
    expect(released ?? PLUGIN_VERSION).toBe(PLUGIN_VERSION);
  });

  it("of each dependency, and of Node, is the same in the lock file", () => {
    const root = (json("package-lock.json") as { packages: Record<string, PackageFile> }).packages;
    const { dependencies, devDependencies, peerDependencies, engines } = pack;
    expect(root[""]).toMatchObject({ dependencies, devDependencies, peerDependencies, engines });
  });

  it("of the oldest host is one, and so is that of the host it was built with", () => {
    const oldest = pack.peerDependencies["openclaw"] ?? "";
    const built = pack.devDependencies["openclaw"];
    expect(pack.openclaw).toMatchObject({
      compat: { pluginApi: oldest, minGatewayVersion: oldest.replace(">=", "") },
      install: { minHostVersion: oldest },
      build: { openclawVersion: built, pluginSdkVersion: built },
    });
    expect(readFileSync(path.join(projectDir, "README.md"), "utf8")).toContain(
      `OpenClaw ${oldest.replace(">=", "")} or newer`,
    );
  });
});

/** Runs ClawHub's own command. It has no account and no server: whatever it asked of one would fail. */
async function clawhub(...args: string[]): Promise<unknown> {
  const entry = path.join(projectDir, "node_modules/clawhub/bin/clawdhub.js");
  const { stdout } = await run(process.execPath, [entry, "--no-input", "package", ...args], {
    cwd: scratch,
    env: {
      PATH: process.env["PATH"],
      NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"],
      HOME: scratch,
      CLAWHUB_REGISTRY: "http://127.0.0.1:9",
    },
    maxBuffer: 16 * 1024 ** 2,
  });
  return JSON.parse(stdout);
}

describe("ClawHub", () => {
  it("finds nothing to say about the package", async () => {
    const host = path.join(projectDir, "node_modules/openclaw");
    const args = ["--openclaw", host, "--out", path.join(scratch, "reports"), "--json"];
    expect(await clawhub("validate", unpacked, ...args)).toMatchObject({
      status: "pass",
      summary: { breakageCount: 0, warningCount: 0, deprecationWarningCount: 0, issueCount: 0 },
      targetOpenClaw: { status: "ok" },
      issues: [],
    });
  });

  it("would publish the tarball as it is", async () => {
    const commit = "0".repeat(40);
    const source = ["--source-repo", "example/kimi-code-oauth", "--source-commit", commit];
    expect(
      await clawhub("publish", archives[0] ?? "", "--dry-run", "--json", ...source),
    ).toMatchObject({
      name: "kimi-code-oauth",
      family: "code-plugin",
      version: PLUGIN_VERSION,
      commit,
      files: Object.keys(FILES).length,
      totalBytes: (await readFile(archives[0] ?? "")).length,
    });
  });
});

describe("the bill of materials", () => {
  let bom: Awaited<ReturnType<typeof billOfMaterials>>;

  beforeAll(async () => {
    bom = await billOfMaterials();
  });

  it("names what is bundled and what is installed, with versions and licenses, and nothing else", () => {
    const { components, dependencies, metadata } = bom;
    expect(metadata.component).toMatchObject({ name: "kimi-code-oauth", version: PLUGIN_VERSION });
    const { version: koffi } = json("node_modules/koffi/package.json") as PackageFile;
    const { optionalDependencies } = json("node_modules/koffi/package.json") as {
      optionalDependencies: Readonly<Record<string, string>>;
    };
    const native = Object.entries(optionalDependencies).map(([name, at]) => `${name}@${at}`);
    const inBundle = bundled.map(({ name, version }) => `${name}@${version}`);
    expect(components.map((one) => one["bom-ref"]).toSorted()).toEqual(
      [...inBundle, `koffi@${koffi}`, ...native].toSorted(),
    );
    for (const { "bom-ref": ref, licenses, properties } of components) {
      expect(licenses, ref).toEqual([{ license: { id: expect.any(String) as string } }]);
      expect(properties, ref).toEqual(
        inBundle.includes(ref) ? [{ name: "cdx:npm:package:bundled", value: "true" }] : [],
      );
    }
    const direct = dependencies.find(({ ref }) => ref === metadata.component["bom-ref"]);
    expect(direct?.dependsOn.map((ref) => ref.replace(/@[^@]*$/u, "")).toSorted()).toEqual([
      "koffi",
      "proper-lockfile",
      "socks",
      "undici",
      "zod",
    ]);
  });

  it("is what `npm run sbom` prints, each time the same", async () => {
    const { stdout } = await run("npm", ["run", "--silent", "sbom"], { cwd: projectDir });
    expect(JSON.parse(stdout)).toEqual(bom);
    expect(stdout).not.toMatch(/"(?:timestamp|serialNumber)"/u);
  });
});
