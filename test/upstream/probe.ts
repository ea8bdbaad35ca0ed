/**
 * A plugin that does nothing but register a provider and note which of its hooks the host calls. What a reproduction shows with it
 * is the host's own behavior.
 */
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Id of the provider, and of the plugin. */
export const PROVIDER = "probe";
/** The provider's only model. */
export const MODEL = `${PROVIDER}/one`;
/** The file that each of the plugin's extra files is named after. */
export const FILLER = "filler-";

/** How a probe is made. */
export interface ProbeOptions {
  readonly version?: string;
  /** Files that the package has beside its three own ones. */
  readonly files?: number;
  /** True for a provider with the hook `normalizeModelId`. */
  readonly normalizes?: boolean;
}

/** Variables of the host that the probe reads. */
export interface ProbeVariables {
  /** File that each call of a hook is noted in, a line of JSON each. */
  readonly PROBE_LOG: string;
  /** Address of the model's server. */
  readonly PROBE_BASE_URL: string;
  /** What a refresh does; it succeeds unless told otherwise. */
  readonly PROBE_REFRESH?: "hang" | "throw";
  /** What `prepareRuntimeAuth` throws; it succeeds unless told otherwise. */
  readonly PROBE_AUTH_ERROR?: string;
  /** What `preferRuntimeResolvedModel` says. */
  readonly PROBE_PREFERS?: "yes" | "no";
}

function entry(normalizes: boolean): string {
  return `import { appendFileSync } from "node:fs";
import { definePluginEntry } from "openclaw/plugin-sdk/plugin-entry";

const env = process.env;
const note = (hook, ctx) => {
  if (env.PROBE_LOG) {
    const members = Object.keys(ctx ?? {}).filter((name) => ctx[name] !== undefined);
    appendFileSync(env.PROBE_LOG, JSON.stringify({ hook, members, profileId: ctx?.profileId }) + "\\n");
  }
};
const model = () => ({
  id: "one", name: "one", provider: "${PROVIDER}", api: "openai-completions", baseUrl: env.PROBE_BASE_URL,
  reasoning: false, input: ["text"], cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
  contextWindow: 200000, maxTokens: 8000,
});
const hour = () => Date.now() + 3600000;
const login = () => ({ type: "oauth", provider: "${PROVIDER}", access: "new", refresh: "new", expires: hour() });

export default definePluginEntry({
  id: "${PROVIDER}",
  name: "Probe",
  description: "Notes which hooks are called.",
  register(api) {
    note("register", { [api.registrationMode]: true });
    api.registerProvider({
      id: "${PROVIDER}",
      label: "Probe",
      auth: [{
        id: "oauth", label: "Probe", kind: "oauth", starterModel: "${MODEL}",
        run: async () => ({ profiles: [{ profileId: "${PROVIDER}:default", credential: login() }] }),
      }],
      catalog: { order: "profile", run: async () => ({ provider: { api: "openai-completions", baseUrl: env.PROBE_BASE_URL, models: [model()] } }) },
      preferRuntimeResolvedModel: () => env.PROBE_PREFERS !== "no",
      prepareDynamicModel: async (ctx) => note("prepareDynamicModel", ctx),
      resolveDynamicModel: (ctx) => (note("resolveDynamicModel", ctx), model()),
      refreshOAuth: async (...args) => {
        note("refreshOAuth", Object.fromEntries(args.map((_arg, index) => ["argument " + (index + 1), true])));
        if (env.PROBE_REFRESH === "hang") await new Promise((resolve) => setTimeout(resolve, 600000));
        if (env.PROBE_REFRESH === "throw") throw new Error("fetch failed: connect ECONNREFUSED");
        return { ...args[0], ...login() };
      },
      prepareRuntimeAuth: async (ctx) => {
        note("prepareRuntimeAuth", ctx);
        if (env.PROBE_AUTH_ERROR) throw new Error(env.PROBE_AUTH_ERROR);
        return { apiKey: ctx.apiKey, baseUrl: env.PROBE_BASE_URL };
      },
      wrapStreamFn: (ctx) => (note("wrapStreamFn", ctx), ctx.streamFn),
      resolveUsageAuth: (ctx) => (note("resolveUsageAuth", ctx), { token: "t" }),
      fetchUsageSnapshot: async (ctx) => (note("fetchUsageSnapshot", ctx), { provider: "${PROVIDER}", displayName: "Probe", windows: [{ label: "5h", usedPercent: 1 }] }),
      ${normalizes ? 'normalizeModelId: (ctx) => (note("normalizeModelId", ctx), ctx.modelId),' : ""}
    });
  },
});
`;
}

/** Writes the plugin below `folder` and packs it; the path of the archive. */
export async function packProbe(
  folder: string,
  { version = "1.0.0", files = 0, normalizes = false }: ProbeOptions = {},
): Promise<string> {
  const root = path.join(folder, `probe-${version}-${String(files)}-${String(normalizes)}`);
  await mkdir(path.join(root, "dist"), { recursive: true });
  const json = async (name: string, value: unknown): Promise<void> => {
    await writeFile(path.join(root, name), JSON.stringify(value, null, 2));
  };
  await json("package.json", {
    name: PROVIDER,
    version,
    type: "module",
    openclaw: {
      extensions: ["./dist/index.js"],
      compat: { pluginApi: ">=2026.9.6" },
      build: { openclawVersion: "2026.9.6" },
    },
  });
  await json("openclaw.plugin.json", {
    id: PROVIDER,
    name: "Probe",
    description: "Notes which hooks are called.",
    categories: ["models"],
    activation: { onStartup: true },
    providers: [PROVIDER],
    providerAuthChoices: [
      { provider: PROVIDER, method: "oauth", choiceId: "probe-oauth", choiceLabel: "Probe" },
    ],
    contracts: { usageProviders: [PROVIDER] },
    modelCatalog: { discovery: { [PROVIDER]: "runtime" } },
    configSchema: { type: "object", additionalProperties: false, properties: {} },
  });
  await writeFile(path.join(root, "dist", "index.js"), entry(normalizes));
  for (let index = 0; index < files; index += 1) {
    await writeFile(path.join(root, "dist", `${FILLER}${String(index)}.js`), "x".repeat(10_000));
  }
  const args = ["pack", "--json", "--ignore-scripts", "--pack-destination", root];
  const { stdout } = await run("npm", args, { cwd: root });
  const [packed] = Object.values(JSON.parse(stdout) as object) as { filename: string }[];
  return path.join(root, packed?.filename ?? "");
}
