/** An installed host, made once per test run; each test gets a copy. */
import { randomUUID } from "node:crypto";
import { constants, rmSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, realpath, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, relative, sep } from "node:path";
import { rewriteStoredPaths } from "./auth-store.ts";
import {
  hostEnvironment,
  hostLayout,
  hostsDir,
  openclawEntry,
  projectDir,
  type HostLayout,
} from "./layout.ts";
import { runCommand, startCommand, tail, type CommandOptions } from "./process.ts";
import { requestTemplate } from "./template-server.ts";

/** Limit of a build, a pack or an install, ms. */
const INSTALL_TIMEOUT_MS = 240_000;

/** What npm needs to reach its registry the way the developer's npm does. */
const NPM_VARIABLES = [
  "NODE_EXTRA_CA_CERTS",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "npm_config_registry",
  "npm_config_cafile",
];

/** Makes installed hosts for one test run; the same plugin is installed once. */
export class Templates {
  readonly #runDir: string;
  readonly #byPlugin = new Map<string, Promise<string>>();
  #packed: Promise<string> | undefined;

  /** @param runDir - an existing folder that the owner of the run removes. */
  constructor(runDir: string) {
    this.#runDir = runDir;
  }

  /** Builds and packs this project; the path of the archive. */
  pack(): Promise<string> {
    this.#packed ??= packProject(this.#runDir);
    return this.#packed;
  }

  /** Installs a plugin archive (default: this project) into a fresh host; the host's root folder. */
  async install(archive?: string): Promise<string> {
    const plugin = archive ?? (await this.pack());
    const root =
      this.#byPlugin.get(plugin) ??
      installPlugin(plugin, join(this.#runDir, `template-${randomUUID()}`));
    this.#byPlugin.set(plugin, root);
    return root;
  }
}

let ownTemplates: Promise<Templates> | undefined;

/**
 * The root folder of a host with the plugin (default: this project) installed and nothing else done.
 * Under vitest's global setup the whole run shares it; without one, this process makes its own and removes it when it ends.
 */
export async function hostTemplate(archive?: string): Promise<string> {
  const shared = await requestTemplate("install", archive);
  return shared ?? (await localTemplates()).install(archive);
}

/** Builds and packs this project once per test run; the path of the .tgz. */
export async function packPlugin(): Promise<string> {
  const shared = await requestTemplate("pack");
  return shared ?? (await localTemplates()).pack();
}

/** Copies an installed host to `layout`; about 0.2 s. */
export async function copyTemplate(template: string, layout: HostLayout): Promise<void> {
  const source = hostLayout(template);
  await cp(source.home, layout.home, {
    recursive: true,
    // Links inside node_modules are relative and stay so.
    verbatimSymlinks: true,
    mode: constants.COPYFILE_FICLONE,
    filter: (path) => !isScratch(relative(source.home, path)),
  });
  await mkdir(layout.tempDir, { recursive: true });
  // The install left absolute paths in two places: the config file and the plugin index in the state database.
  const config = await readFile(layout.configFile, "utf8");
  await writeFile(layout.configFile, config.replaceAll(source.root + sep, layout.root + sep), {
    mode: 0o600,
  });
  rewriteStoredPaths(layout.stateDir, source.root + sep, layout.root + sep);
}

/** Logs and captured code of the install are not part of a fresh host. */
function isScratch(path: string): boolean {
  return path === ".npm" || path === join(".openclaw", "tmp") || path === join(".openclaw", "logs");
}

async function packProject(runDir: string): Promise<string> {
  const env = { ...installEnvironment(), HOME: homedir() };
  await mustRun({ file: "npm", args: ["run", "build"], cwd: projectDir, env });
  const args = ["pack", "--ignore-scripts", "--json", "--pack-destination", runDir];
  const packed: unknown = JSON.parse(
    (await mustRun({ file: "npm", args, cwd: projectDir, env })).stdout,
  );
  // npm 11 lists the packages, npm 12 keys them by name.
  const [entry] = Object.values(packed ?? {}) as { filename?: string }[];
  if (entry?.filename === undefined) {
    throw new Error("npm pack named no archive");
  }
  return join(runDir, entry.filename);
}

async function installPlugin(archive: string, root: string): Promise<string> {
  const layout = hostLayout(root);
  await mkdir(layout.stateDir, { recursive: true });
  await mkdir(layout.tempDir);
  // Without a memory plugin a turn spends a third less time, and none of what is tested here concerns it.
  const config = { logging: { file: layout.logFile }, plugins: { slots: { memory: "none" } } };
  await writeFile(layout.configFile, JSON.stringify(config), { mode: 0o600 });
  const install = async (...consent: string[]): Promise<unknown> =>
    await mustRun({
      file: process.execPath,
      args: [openclawEntry, "plugins", "install", `npm-pack:${archive}`, "--force", ...consent],
      cwd: root,
      env: hostEnvironment(layout, installEnvironment()),
    });
  await install("--accept-capabilities").catch(async (error: unknown) => {
    // Releases of 2026.7 and before ask for no consent.
    if (!(error instanceof Error) || !error.message.includes("does not recognize option")) {
      throw error;
    }
    await install();
  });
  return root;
}

/** The developer's own npm settings and cache; dependencies come from the cache where it has them. */
export function installEnvironment(): Record<string, string> {
  const inherited = NPM_VARIABLES.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(inherited),
    PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`,
    npm_config_userconfig: process.env["npm_config_userconfig"] ?? join(homedir(), ".npmrc"),
    npm_config_cache: process.env["npm_config_cache"] ?? join(homedir(), ".npm"),
    npm_config_prefer_offline: "true",
  };
}

async function mustRun(command: CommandOptions): Promise<{ stdout: string }> {
  const result = await runCommand(startCommand(command), { timeoutMs: INSTALL_TIMEOUT_MS });
  if (result.code !== 0) {
    throw new Error(
      `${command.file} ${command.args.join(" ")} failed:\n${tail(result.stdout + result.stderr)}`,
    );
  }
  return result;
}

function localTemplates(): Promise<Templates> {
  ownTemplates ??= makeRunDir().then((runDir) => {
    process.once("exit", () => rmSync(runDir, { recursive: true, force: true }));
    return new Templates(runDir);
  });
  return ownTemplates;
}

/** A folder for what one test run makes; by its real path, which is what the host stores. */
export async function makeRunDir(): Promise<string> {
  return realpath(await mkdtemp(join(hostsDir(), "openclaw-hosts-")));
}
