import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import { createHost, type Host } from "../kit/openclaw/host.ts";
import type { JsonObject } from "../kit/openclaw/layout.ts";
import { kimiVariables, writeCliLogin } from "../kit/kimi/kimi-cli.ts";

let standIn: StandIn;
let host: Host;
let other: string;

beforeEach(async () => {
  standIn = await startStandIn();
  host = await createHost({ env: kimiVariables(standIn) });
  other = await mkdtemp(path.join(tmpdir(), "official-kimi-"));
}, 120_000);

afterEach(async () => {
  await host?.dispose();
  await standIn?.close();
  await rm(other, { recursive: true, force: true });
});

/** A plugin that claims the provider ids that the official API-key plugin claims. */
async function writeOfficialStandIn(): Promise<void> {
  await mkdir(path.join(other, "dist"), { recursive: true });
  await writeFile(
    path.join(other, "package.json"),
    JSON.stringify({
      name: "kimi",
      version: "1.0.0",
      type: "module",
      openclaw: {
        extensions: ["./dist/index.js"],
        compat: { pluginApi: ">=2026.9.6" },
        build: { openclawVersion: "2026.9.6" },
      },
    }),
  );
  await writeFile(
    path.join(other, "openclaw.plugin.json"),
    JSON.stringify({
      id: "kimi",
      name: "Kimi",
      providers: ["kimi", "kimi-code", "kimi-coding"],
      activation: { onStartup: false },
      configSchema: { type: "object", additionalProperties: false, properties: {} },
    }),
  );
  await writeFile(
    path.join(other, "dist", "index.js"),
    `import { definePluginEntry } from "openclaw/plugin-sdk/plugin-entry";
export default definePluginEntry({
  id: "kimi", name: "Kimi", description: "Stand-in",
  register(api) { api.registerProvider({ id: "kimi", label: "Kimi", aliases: ["kimi-code", "kimi-coding"], auth: [] }); },
});`,
  );
}

it("works beside a plugin that claims the same provider ids", async () => {
  await writeOfficialStandIn();
  await host.updateConfig((config) => {
    const plugins = config.plugins as JsonObject;
    return { ...config, plugins: { ...plugins, load: { paths: [other] } } };
  });
  await writeCliLogin(host, standIn, standIn.issueLogin());
  const onboarded = await host.onboard();
  expect(onboarded.code, onboarded.stderr).toBe(0);
  expect(await host.agentTurn("hi")).toMatchObject({ ok: true, text: "pong" });
  expect(standIn.count("chat")).toBe(1);
}, 180_000);

describe("an installation with another default model", () => {
  it("takes another login, and activates it when that is asked for", async () => {
    await writeCliLogin(host, standIn, standIn.issueLogin());
    expect((await host.onboard()).code).toBe(0);
    await host.updateConfig((config) => {
      const agents = config.agents as JsonObject;
      const defaults = { ...(agents["defaults"] as JsonObject), model: "other/m" };
      const m = { id: "m", name: "M", contextWindow: 200_000, maxTokens: 8_000, input: ["text"] };
      const vendor = {
        baseUrl: "http://127.0.0.1:9/v1",
        apiKey: "none",
        api: "openai-completions",
        models: [{ ...m, reasoning: false }],
      };
      return {
        ...config,
        agents: { ...agents, defaults },
        models: { providers: { other: vendor } },
      };
    });
    // The host keeps what works, and says how to change over.
    const again = await host.onboard();
    const saved = /models auth activate (kimi-code:\S+)/.exec(again.stdout + again.stderr)?.[1];
    const activated = await host.run([
      "models",
      "auth",
      "activate",
      saved ?? "none",
      "--agent",
      "main",
    ]);
    expect(activated.code, activated.stderr).toBe(0);
    expect(await host.agentTurn("hi", { model: "kimi-code/kimi-for-coding" })).toMatchObject({
      ok: true,
      text: "pong",
    });
  }, 180_000);
});
