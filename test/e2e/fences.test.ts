import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type StandIn, startStandIn, type TokenReply } from "../kit/standin/server.ts";
import { createHost, type Gateway, type Host } from "../kit/openclaw/host.ts";
import type { JsonObject } from "../kit/openclaw/layout.ts";
import {
  credentialFile,
  expireLogin,
  kimiVariables,
  readCredential,
  succeed,
  writeCliLogin,
} from "../kit/kimi/kimi-cli.ts";

const PROFILE = "kimi-code:default";
const CLAIM = "0123456789abcdef0123456789abcdef";
const DIGEST = "ab".repeat(32);
/** What an older version left behind. */
const FAILED = {
  access: `openclaw-oauth-refresh-fence:v1:${CLAIM}:failed:access:${DIGEST}`,
  refresh: `openclaw-oauth-refresh-fence:v1:${CLAIM}:failed:refresh:${DIGEST}`,
  expires: 1,
};

/** A plugin that claims the provider ids that the official API-key plugin claims. */
async function writeOfficialStandIn(folder: string): Promise<void> {
  await mkdir(path.join(folder, "dist"), { recursive: true });
  await writeFile(
    path.join(folder, "package.json"),
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
    path.join(folder, "openclaw.plugin.json"),
    JSON.stringify({
      id: "kimi",
      name: "Kimi",
      providers: ["kimi", "kimi-code", "kimi-coding"],
      activation: { onStartup: false },
      configSchema: { type: "object", additionalProperties: false, properties: {} },
    }),
  );
  await writeFile(
    path.join(folder, "dist", "index.js"),
    `import { definePluginEntry } from "openclaw/plugin-sdk/plugin-entry";
export default definePluginEntry({
  id: "kimi", name: "Kimi", description: "Stand-in",
  register(api) { api.registerProvider({ id: "kimi", label: "Kimi", aliases: ["kimi-code", "kimi-coding"], auth: [] }); },
});`,
  );
}

/** Another vendor's model, as the default of all agents. */
function withOtherDefault(config: JsonObject): JsonObject {
  const agents = config["agents"] as JsonObject;
  const defaults = { ...(agents["defaults"] as JsonObject), model: "other/m" };
  const m = { id: "m", name: "M", contextWindow: 200_000, maxTokens: 8_000, input: ["text"] };
  const vendor = {
    baseUrl: "http://127.0.0.1:9/v1",
    apiKey: "none",
    api: "openai-completions",
    models: [{ ...m, reasoning: false }],
  };
  return { ...config, agents: { ...agents, defaults }, models: { providers: { other: vendor } } };
}

describe("a profile that is not as it should be", () => {
  let standIn: StandIn;
  let host: Host;
  let gateway: Gateway;
  let file: string;
  let pair: TokenReply;

  const profile = (tokens: { access: string; refresh: string; expires: number }) => ({
    type: "oauth",
    provider: "kimi-code",
    authFlow: `kimi-code-cli:${standIn.cliSlot}`,
    issuer: standIn.oauthHost,
    enterpriseUrl: standIn.apiBase,
    ...tokens,
  });

  beforeAll(async () => {
    standIn = await startStandIn();
    host = await createHost({ env: kimiVariables(standIn) });
    file = credentialFile(host, standIn);
    pair = standIn.issueLogin();
    await writeCliLogin(host, standIn, pair);
    await host.signIn(PROFILE, profile(FAILED), "kimi-code/kimi-for-coding");
    await host.updateConfig((config) => ({
      ...config,
      agents: { ...(config.agents as JsonObject), entries: { main: {}, helper: {} } },
    }));
    gateway = await host.startGateway();
  }, 180_000);

  afterAll(async () => {
    await gateway?.kill();
    await host?.dispose();
    await standIn?.close();
  });

  beforeEach(() => {
    standIn.clear();
  });

  it("because an older version left a failed fence there is made from its home again", async () => {
    expect(await gateway.chat("hi")).toMatchObject({ ok: true, text: "pong" });
    expect(host.readAuthProfiles()[PROFILE]).toMatchObject({
      access: pair.access_token,
      refresh: pair.refresh_token,
    });
    expect(standIn.tokenRequests()).toEqual([]);
  });

  it("because an agent has a copy of its own that is long spent is not used: the home is, with one refresh", async () => {
    // The agent's store begins with its first turn.
    expect(await gateway.chat("hi", { agent: "helper" })).toMatchObject({ ok: true });
    const spent = {
      access: "standin-access-long-gone",
      refresh: "standin-refresh-long-gone",
      expires: 1_000,
    };
    host.writeAuthProfile(PROFILE, profile(spent), "helper");
    await expireLogin(host, file);
    standIn.clear();
    expect(await gateway.chat("hi", { agent: "helper" })).toMatchObject({ ok: true, text: "pong" });
    expect(standIn.tokenRequests().map(({ form }) => form?.["refresh_token"])).toEqual([
      pair.refresh_token,
    ]);
    expect(standIn.reusedRefreshTokens).toBe(0);
  });

  it("because a second onboarding has staged a replacement, beside another default model and a plugin that claims the same provider ids, shares the login with it", async () => {
    await gateway.kill();
    const official = path.join(host.root, "official-kimi");
    await writeOfficialStandIn(official);
    await host.updateConfig((config) => {
      const plugins = config["plugins"] as JsonObject;
      return withOtherDefault({ ...config, plugins: { ...plugins, load: { paths: [official] } } });
    });
    pair = standIn.issueLogin();
    await writeCliLogin(host, standIn, pair);
    // The host keeps what works, and says how to change over.
    const staged = await host.onboard();
    const replacement = /models auth activate (kimi-code:setup-\S+)/u.exec(
      staged.stdout + staged.stderr,
    )?.[1];
    expect(Object.keys(host.readAuthProfiles())).toContain(replacement);
    // The home alone: the host takes a staged profile only as it was staged.
    await writeCliLogin(host, standIn, pair, 0);
    standIn.clear();
    await succeed(host.run(["models", "auth", "activate", String(replacement), "--agent", "main"]));
    gateway = await host.startGateway();
    expect(await gateway.chat("hi", { model: "kimi-code/kimi-for-coding" })).toMatchObject({
      ok: true,
      text: "pong",
    });
    expect(standIn.tokenRequests()).toHaveLength(1);
    expect(standIn.isLiveRefresh(String((await readCredential(file)).refresh_token))).toBe(true);
  }, 120_000);
});
