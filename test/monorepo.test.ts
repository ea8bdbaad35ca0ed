/**
 * The rules for a folder in OpenClaw's own `extensions/`, so that this one can be moved there as it is. Each rule names the
 * page of the host's documentation that it comes from (`node_modules/openclaw/docs/plugins/`).
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { isBuiltin } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import entry from "../src/index.ts";
import { DEFAULT_MODEL_REF } from "../src/constants.ts";
import { type Import, importsOf } from "./kit/imports.ts";
import { projectDir } from "./kit/openclaw/layout.ts";
import { registeredProvider, registrations } from "./kit/openclaw/provider.ts";

interface AuthChoice {
  readonly provider: string;
  readonly method: string;
  readonly choiceId: string;
  readonly choiceLabel: string;
  readonly choiceHint: string;
  readonly appGuidedAuth?: string;
  readonly credentialOnly?: boolean;
  readonly channelLogin?: object;
  readonly personalAccount?: boolean;
}

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean;
}

interface Manifest {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly categories: readonly string[];
  readonly providers: readonly string[];
  readonly providerAuthChoices: readonly AuthChoice[];
  readonly contracts: Readonly<Record<string, readonly string[]>>;
  readonly modelCatalog: { readonly discovery: Readonly<Record<string, string>> };
  readonly modelIdNormalization: {
    readonly providers: Readonly<Record<string, { readonly aliases: Record<string, string> }>>;
  };
  readonly configSchema: Schema;
  readonly uiHints: Readonly<Record<string, { readonly label?: string; readonly help?: string }>>;
  readonly [other: string]: unknown;
}

interface Package {
  readonly name: string;
  readonly type: string;
  readonly main?: string;
  readonly exports?: unknown;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly openclaw: {
    readonly extensions: readonly string[];
    readonly runtimeExtensions: readonly string[];
    readonly providers: readonly string[];
    readonly [other: string]: unknown;
  };
}

const at = (...parts: string[]): string => path.join(projectDir, ...parts);
const json = (file: string): unknown => JSON.parse(readFileSync(at(file), "utf8"));
const manifest = json("openclaw.plugin.json") as Manifest;
const pack = json("package.json") as Package;
const host = at("node_modules", "openclaw");
const hostExports = (
  JSON.parse(readFileSync(path.join(host, "package.json"), "utf8")) as {
    exports: Record<string, { types?: string } | string>;
  }
).exports;

function filesBelow(folder: string): string[] {
  return readdirSync(at(folder), { recursive: true, encoding: "utf8" })
    .filter((file) => /\.m?ts$/u.test(file))
    .map((file) => path.join(folder, file));
}

const sources = filesBelow("src").map((file) => [file, importsOf(at(file))] as const);
const others = [...filesBelow("test"), ...filesBelow("scripts")].map(
  (file) => [file, importsOf(at(file))] as const,
);

/** The name of the package that a specifier belongs to. */
function packageOf(specifier: string): string {
  const [scope = "", name = ""] = specifier.split("/");
  return specifier.startsWith("@") ? `${scope}/${name}` : scope;
}

const isLocal = (specifier: string): boolean => specifier.startsWith(".");
const isPackage = ({ specifier, isComputed }: Import): boolean =>
  !isLocal(specifier) && !isBuiltin(specifier) && !(isComputed && specifier === "");
const importsOfHost = sources.flatMap(([file, imports]) =>
  imports
    .filter(({ specifier }) => packageOf(specifier) === "openclaw")
    .map((one) => [file, one] as const),
);

function registeredIds(mode: "discovery" | "full"): string[] {
  return registrations(mode)
    .filter(({ method }) => method === "registerProvider")
    .map(({ args }) => (args[0] as { id: string }).id);
}

describe("what the sources import", () => {
  it("is read in every way of importing", () => {
    const all = sources.flatMap(([, imports]) => imports);
    // An import type, `createRequire`, a type's import, a text that is put together.
    expect(all).toContainEqual({
      specifier: "openclaw/plugin-sdk/state-paths",
      atRuntime: false,
      isComputed: false,
    });
    expect(all).toContainEqual({ specifier: "koffi", atRuntime: true, isComputed: false });
    expect(all).toContainEqual({
      specifier: "openclaw/plugin-sdk/",
      atRuntime: true,
      isComputed: true,
    });
    expect(all.length).toBeGreaterThan(400);
  });

  // sdk-testing: no-monolithic-plugin-sdk-entry-imports; building-plugins: focused `plugin-sdk/<subpath>` paths.
  it("of the host is one subpath of its plugin SDK, with types and not a deprecated one", () => {
    // Deprecated as too broad, and the only places for QR codes and for marking foreign content (docs/upstream.md).
    const exceptions = new Set([
      "openclaw/plugin-sdk/media-runtime",
      "openclaw/plugin-sdk/security-runtime",
    ]);
    const deprecated = new Set<string>();
    const catalog = readFileSync(path.join(host, "docs/plugins/sdk-subpaths.md"), "utf8");
    const subpaths = importsOfHost.filter(([, { isComputed }]) => !isComputed);
    expect(subpaths.length).toBeGreaterThan(20);
    for (const [file, { specifier }] of subpaths) {
      expect(specifier, file).toMatch(/^openclaw\/plugin-sdk\/[a-z-]+$/u);
      const subpath = specifier.replace("openclaw/", "");
      expect(hostExports[`./${subpath}`], specifier).toHaveProperty("types");
      const rows = catalog.split("\n").filter((line) => line.includes(`| \`${subpath}\` `));
      expect(rows, specifier).toHaveLength(1);
      expect(rows[0], specifier).not.toMatch(/\| Private-local/u);
      if (rows[0]?.includes("| Deprecated") === true) {
        deprecated.add(specifier);
      }
    }
    expect(deprecated).toEqual(exceptions);
  });

  it("of the host with a computed name is in one module, which has its names as types", () => {
    const computed = importsOfHost.filter(([, { isComputed }]) => isComputed);
    expect(computed.map(([file, { specifier }]) => [file, specifier])).toEqual([
      ["src/host/sdk.ts", "openclaw/plugin-sdk/"],
    ]);
    const text = readFileSync(at("src/host/sdk.ts"), "utf8");
    const asked = Array.from(text.matchAll(/sdk\("(?<name>[^"]+)"\)/gu), (one) => one[1]);
    const typed = importsOf(at("src/host/sdk.ts")).flatMap(({ specifier, atRuntime }) =>
      atRuntime ? [] : [specifier.replace("openclaw/plugin-sdk/", "")],
    );
    expect(new Set(asked)).toEqual(new Set(typed));
  });

  // sdk-testing: no-extension-src-imports; manifest/package-json: entries must stay inside the folder.
  it.each([...sources, ...others])("of %s that is local is inside this folder", (file, imports) => {
    for (const { specifier } of imports.filter((one) => isLocal(one.specifier))) {
      const target = path.resolve(at(path.dirname(file)), specifier);
      expect(path.relative(projectDir, target), specifier).not.toMatch(/^\.\.(?:\/|$)/u);
      expect(path.relative(projectDir, target), specifier).not.toContain("node_modules");
    }
  });

  it("is never a test or a script", () => {
    for (const [file, imports] of sources) {
      for (const { specifier } of imports.filter((one) => isLocal(one.specifier))) {
        const target = path.resolve(at(path.dirname(file)), specifier);
        expect(path.relative(at("src"), target), `${file}: ${specifier}`).not.toMatch(/^\.\./u);
      }
    }
  });

  // sdk-overview/imports: no self-imports through the SDK, and no other plugin's.
  it("is never this plugin by its own name, nor another plugin", () => {
    const plugins = readdirSync(path.join(host, "dist/extensions"));
    for (const [file, imports] of [...sources, ...others]) {
      for (const { specifier } of imports.filter(isPackage)) {
        expect(packageOf(specifier), file).not.toBe(pack.name);
        expect(specifier, file).not.toMatch(/^openclaw\/.*(?:kimi|moonshot)/u);
        expect(plugins, file).not.toContain(specifier.replace("openclaw/plugin-sdk/", ""));
      }
    }
  });

  // dependency-resolution: runtime imports are dependencies, or compiled into `dist`.
  it("of packages is a dependency with an exact version; what is bundled is a development one", () => {
    const packages = sources.flatMap(([, imports]) => imports.filter(isPackage));
    const names = new Set(packages.map(({ specifier }) => packageOf(specifier)));
    names.delete("openclaw");
    for (const name of names) {
      const version = pack.dependencies[name] ?? pack.devDependencies[name];
      expect(version, name).toMatch(/^\d+\.\d+\.\d+$/u);
    }
    // CONTRIBUTING says which four become dependencies when the folder moves.
    const guide = readFileSync(at("CONTRIBUTING.md"), "utf8");
    const bundled = Array.from(names).filter((name) => pack.dependencies[name] === undefined);
    expect(bundled.toSorted()).toEqual(["proper-lockfile", "socks", "undici", "zod"]);
    expect(guide).toContain("`proper-lockfile`, `socks`, `undici` and `zod`");
  });
});

// sdk-testing: no-extension-test-core-imports.
describe("what tests and scripts import of the host", () => {
  it("is its plugin SDK, and none of its test helpers", () => {
    const specifiers = new Set(
      others.flatMap(([, imports]) => imports.map(({ specifier }) => specifier)),
    );
    const ofHost = Array.from(specifiers).filter((name) => packageOf(name) === "openclaw");
    expect(ofHost.length).toBeGreaterThan(3);
    for (const specifier of ofHost) {
      expect(specifier).toMatch(/^openclaw\/plugin-sdk\/[a-z-]+$/u);
      expect(hostExports[specifier.replace("openclaw", ".")]).toHaveProperty("types");
    }
  });
});

describe("package.json", () => {
  // manifest/package-json, building-plugins.
  it("names entries inside the folder, and the entry is an ES module of the SDK's form", () => {
    expect(pack.type).toBe("module");
    expect(pack.openclaw.extensions).toEqual(["./src/index.ts"]);
    expect(pack.openclaw.runtimeExtensions).toEqual(["./dist/index.js"]);
    expect(existsSync(at("src/index.ts"))).toBe(true);
    expect(importsOf(at("src/index.ts"))).toContainEqual({
      specifier: "openclaw/plugin-sdk/plugin-entry",
      atRuntime: true,
      isComputed: false,
    });
    // Nothing reaches in from outside: a plugin is what it registers.
    expect(pack).not.toHaveProperty("exports");
    expect(pack).not.toHaveProperty("main");
  });

  // manifest/setup-and-auth: a file of one of these names is an entry without being declared.
  it("has no setup entry, and no file that the host would take for one", () => {
    expect(Object.keys(pack.openclaw)).not.toContain("setupEntry");
    expect(manifest).not.toHaveProperty("setup");
    const public_ = /^(?:setup-api|setup-entry|[a-z-]*-api|api)\.(?:[cm]?[jt]s)$/u;
    expect(readdirSync(projectDir).filter((name) => public_.test(name))).toEqual([]);
    expect(filesBelow("src").filter((file) => public_.test(path.basename(file)))).toEqual([]);
  });
});

describe("the manifest, without running code", () => {
  const provider = registeredProvider();
  let stateDir: string;

  beforeAll(() => {
    stateDir = mkdtempSync(path.join(tmpdir(), "kimi-monorepo-"));
    vi.stubEnv("OPENCLAW_STATE_DIR", stateDir);
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    rmSync(stateDir, { recursive: true, force: true });
  });

  it("says who the plugin is, as its code does", () => {
    expect({ id: entry.id, name: entry.name, description: entry.description }).toEqual({
      id: manifest.id,
      name: manifest.name,
      description: manifest.description,
    });
    // In the monorepo it has a scope.
    expect(pack.name.replace("@openclaw/", "")).toBe(manifest.id);
    expect(manifest.categories).toEqual(["models"]);
  });

  it("has only members that the host documents", () => {
    const page = readFileSync(path.join(host, "docs/plugins/manifest.md"), "utf8");
    for (const member of Object.keys(manifest)) {
      expect(page, member).toMatch(new RegExp(`^\\| \`${member}\` `, "mu"));
    }
  });

  it("has the providers that are registered", () => {
    expect(registeredIds("discovery")).toEqual(manifest.providers);
    expect(registeredIds("full")).toEqual(manifest.providers);
    expect(pack.openclaw.providers).toEqual(manifest.providers);
  });

  it("has the contracts of what is registered, beside a service and a hook of the gateway", () => {
    const all = registrations("full");
    const methods = all.map(({ method, args }) =>
      method === "on" ? `on ${String(args[0])}` : method,
    );
    expect(methods.toSorted()).toEqual([
      "on gateway_stop",
      "registerMediaUnderstandingProvider",
      "registerProvider",
      "registerService",
      "registerWebFetchProvider",
      "registerWebSearchProvider",
    ]);
    const idsOf = (wanted: string): unknown[] =>
      all
        .filter(({ method }) => method === wanted)
        .map(({ args }) => (args[0] as { readonly id: unknown }).id);
    expect(manifest.contracts).toEqual({
      usageProviders: provider.fetchUsageSnapshot === undefined ? [] : manifest.providers,
      mediaUnderstandingProviders: idsOf("registerMediaUnderstandingProvider"),
      webSearchProviders: idsOf("registerWebSearchProvider"),
      webFetchProviders: idsOf("registerWebFetchProvider"),
    });
  });

  it("has the auth choices that are registered, in their order and words", () => {
    expect(
      manifest.providerAuthChoices.map((choice) => ({
        provider: choice.provider,
        id: choice.method,
        label: choice.choiceLabel,
        hint: choice.choiceHint,
      })),
    ).toEqual(
      provider.auth.map(({ id, label, hint }) => ({ provider: provider.id, id, label, hint })),
    );
    const ids = manifest.providerAuthChoices.map(({ choiceId }) => choiceId);
    expect(new Set(ids).size).toBe(ids.length);
    // A choice of its provider's or a plugin's name would take the place of another one's.
    expect(ids.every((id) => id.startsWith("kimi-code-"))).toBe(true);
  });

  it.each(manifest.providerAuthChoices.map((choice) => [choice.choiceId, choice] as const))(
    "%s promises what its method can do",
    (_id, choice) => {
      const method = provider.auth.find(({ id }) => id === choice.method);
      expect(choice.appGuidedAuth === "device-code").toBe(method?.kind === "device_code");
      expect(choice.personalAccount === true).toBe(method?.matchesPersonalAccount !== undefined);
      // setup-and-auth: `channelLogin` requires `credentialOnly`.
      expect(choice.channelLogin === undefined || choice.credentialOnly === true).toBe(true);
      expect(method).toMatchObject({
        starterModel: DEFAULT_MODEL_REF,
        run: expect.any(Function),
        runNonInteractive: expect.any(Function),
        validateNonInteractive: expect.any(Function),
      });
    },
  );

  it("says that the models are the account's, and maps old names to the starter models", async () => {
    expect(manifest.modelCatalog.discovery).toEqual({ [provider.id]: "runtime" });
    expect(provider.catalog?.run).toBeTypeOf("function");
    const listed = await provider.staticCatalog?.run({} as never);
    const ids = (listed as { provider: { models: { id: string }[] } }).provider.models.map(
      ({ id }) => id,
    );
    expect(ids.map((id) => `${provider.id}/${id}`)).toContain(DEFAULT_MODEL_REF);
    const { aliases = {} } = manifest.modelIdNormalization.providers[provider.id] ?? {};
    for (const [old, now] of Object.entries(aliases)) {
      expect(ids, old).toContain(now);
      expect(ids, old).not.toContain(old);
    }
    expect(provider.normalizeModelId).toBeUndefined();
  });

  it("has a label and a help for each setting, and refuses any other setting", () => {
    const names = (schema: Schema, prefix = ""): string[] =>
      Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => [
        prefix + name,
        ...names(inner, `${prefix}${name}.`),
      ]);
    const closed = (schema: Schema): boolean =>
      schema.properties === undefined ||
      (schema.additionalProperties === false && Object.values(schema.properties).every(closed));
    expect(Object.keys(manifest.uiHints).toSorted()).toEqual(
      names(manifest.configSchema).toSorted(),
    );
    for (const [name, hint] of Object.entries(manifest.uiHints)) {
      expect(hint, name).toMatchObject({ label: expect.any(String), help: expect.any(String) });
    }
    expect(closed(manifest.configSchema)).toBe(true);
  });
});
