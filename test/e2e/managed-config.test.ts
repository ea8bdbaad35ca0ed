/** OpenClaw with a config that it must not change, as under Nix: what `docs/containers.md` declares is enough. */
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { documents } from "../kit/documents.ts";
import { kimiVariables } from "../kit/kimi/kimi-cli.ts";
import { createHost, type Host } from "../kit/openclaw/host.ts";
import type { JsonObject } from "../kit/openclaw/layout.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";

/** Where the document puts the plugin. */
const DOCUMENTED = "/srv/plugins/";

let standIn: StandIn;
let host: Host;
let declared: string;

/** The config in the document, with the folder of this test. */
function documentedConfig(folder: string): JsonObject {
  const code = documents()
    .find(({ file }) => file === "docs/containers.md")
    ?.code.find(({ text }) => text.startsWith("{") && text.includes(DOCUMENTED));
  return JSON.parse(code?.text.replaceAll(DOCUMENTED, `${folder}/`) ?? "") as JsonObject;
}

beforeAll(async () => {
  standIn = await startStandIn();
  host = await createHost({ env: { ...kimiVariables(standIn), OPENCLAW_NIX_MODE: "1" } });
  // The folder that npm makes of the package is the same wherever it is; nothing else is taken from the installation.
  const folder = path.join(host.root, "plugins");
  const installed = path.join(host.stateDir, "npm/projects/kimi-code-oauth/node_modules");
  await cp(installed, path.join(folder, "node_modules"), {
    recursive: true,
    verbatimSymlinks: true,
  });
  await rm(host.stateDir, { recursive: true });
  await mkdir(host.stateDir);
  const { plugins, ...config } = documentedConfig(folder);
  declared = JSON.stringify({
    ...config,
    logging: { file: host.logFile },
    plugins: { ...(plugins as JsonObject), slots: { memory: "none" } },
  });
  await writeFile(host.configFile, declared, { mode: 0o600 });
}, 180_000);

afterAll(async () => {
  await host?.dispose();
  await standIn?.close();
});

it("signs in, answers and leaves the config alone", async () => {
  const terminal = host.terminal("models auth login --provider kimi-code --device-code".split(" "));
  const { code } = await terminal.exited;
  // The question about web search would wait for an answer that could not be saved.
  expect([code, terminal.screen()]).toEqual([0, expect.stringContaining("Approved")]);
  expect(await host.agentTurn("hi", { timeoutMs: 240_000 })).toMatchObject({
    ok: true,
    text: "pong",
  });
  expect(await readFile(host.configFile, "utf8")).toBe(declared);
  expect(standIn.violations).toEqual([]);
}, 400_000);
