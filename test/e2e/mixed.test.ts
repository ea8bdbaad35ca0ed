import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  credentialFile,
  expireLogin,
  kimi,
  kimiVariables,
  readCredential,
  succeed,
  writeCliLogin,
} from "../kit/kimi/kimi-cli.ts";
import type { Gateway } from "../kit/openclaw/gateway.ts";
import { createHost, type Host } from "../kit/openclaw/host.ts";
import type { JsonObject } from "../kit/openclaw/layout.ts";
import { type OtherVendor, startOtherVendor } from "../kit/openclaw/other-vendor.ts";
import { type RefusingProxy, startRefusingProxy } from "../kit/openclaw/refusing-proxy.ts";
import { sharedModels } from "../kit/openclaw/shared-gateway.ts";
import { hasSshd, type SshMachine, startSshMachine } from "../kit/openclaw/ssh-machine.ts";
import { type StandIn, startStandIn, type TokenReply } from "../kit/standin/server.ts";
import { CHAT, OTHER, type Place } from "./mixed/place.ts";
import { hardTools, mixedSessions } from "./mixed/sessions.ts";
import { webTools } from "./mixed/web-tools.ts";

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

/** An agent in a sandbox, which gets no web tools unless they are allowed there. */
function boxed({ sandbox }: SshMachine): JsonObject {
  const alsoAllow = ["web_search", "web_fetch"];
  return { sandbox, tools: { sandbox: { tools: { alsoAllow } } } };
}

describe("a gateway beside another vendor's default model, a plugin that claims the same provider ids, hard tools and a sandbox", () => {
  let standIn: StandIn;
  let host: Host;
  let gateway: Gateway;
  let other: OtherVendor;
  let proxy: RefusingProxy;
  let machine: SshMachine | undefined;
  let folder: string;
  let file: string;
  let login: TokenReply;
  let replacement = "";

  const profile = (tokens: { access: string; refresh: string; expires: number }) => ({
    type: "oauth",
    provider: "kimi-code",
    authFlow: `kimi-code-cli:${standIn.cliSlot}`,
    issuer: standIn.oauthHost,
    enterpriseUrl: standIn.apiBase,
    ...tokens,
  });

  const place = (): Place => ({
    standIn,
    host,
    gateway,
    profileId: replacement,
    other,
    proxy,
  });

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "kimi-mixed-"));
    const tools = path.join(folder, "tools.json");
    await writeFile(tools, JSON.stringify(hardTools()));
    machine = hasSshd ? await startSshMachine() : undefined;
    other = await startOtherVendor();
    proxy = await startRefusingProxy();
    standIn = await startStandIn();
    standIn.account().models = sharedModels();
    host = await createHost({ env: { ...kimiVariables(standIn), ...proxy.env } });
    file = credentialFile(host, standIn);
    await succeed(kimi(host, standIn, ["login"]));
    const { access_token: access, refresh_token: refresh } = await readCredential(file);
    const tokens = { access: String(access), refresh: String(refresh) };
    await host.signIn(PROFILE, profile({ ...tokens, expires: Date.now() + 800_000 }), OTHER);
    const official = path.join(host.root, "official-kimi");
    await writeOfficialStandIn(official);
    const sandboxed = machine === undefined ? {} : { boxed: boxed(machine) };
    await host.updateConfig((config) => ({
      ...config,
      plugins: { ...(config["plugins"] as JsonObject), load: { paths: [official] } },
      agents: {
        ownership: "explicit",
        defaults: {
          ...(config["agents"] as { defaults: JsonObject }).defaults,
          systemAgent: { agentId: "main" },
        },
        entries: {
          main: {},
          helper: {},
          spare: { model: { primary: CHAT, fallbacks: [OTHER] } },
          ...sandboxed,
        },
      },
      models: { providers: other.providers },
      mcp: {
        servers: {
          "9lives": {
            command: process.execPath,
            args: [path.join(import.meta.dirname, "../kit/mcp-server.ts"), tools],
          },
        },
      },
      tools: {
        ...(config["tools"] as JsonObject | undefined),
        toolSearch: false,
        web: {
          search: { provider: "kimi-code-oauth" },
          // With the proxy, so that the host's own requests stay on this machine.
          fetch: { provider: "kimi-code-oauth", useTrustedEnvProxy: true },
        },
      },
    }));
  }, 360_000);

  afterAll(async () => {
    await gateway?.kill();
    await host?.dispose();
    await standIn?.close();
    await proxy?.[Symbol.asyncDispose]();
    other?.[Symbol.dispose]();
    await machine?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  describe("and a profile that is not as it should be", () => {
    afterAll(() => {
      host.writeAuthProfile(PROFILE, undefined);
    });

    it("because a second onboarding has staged a replacement, and a crash has left a failed fence in that, is made from the login's file again", async () => {
      login = standIn.issueLogin();
      await writeCliLogin(host, standIn, login);
      // The host keeps what works, and says how to change over.
      const staged = await host.onboard();
      replacement =
        /models auth activate (kimi-code:setup-\S+)/u.exec(staged.stdout + staged.stderr)?.[1] ??
        "";
      expect(Object.keys(host.readAuthProfiles())).toContain(replacement);
      // The file alone: the host takes a staged profile only as it was staged.
      await writeCliLogin(host, standIn, login, 0);
      standIn.clear();
      const activate = ["models", "auth", "activate", replacement, "--agent", "main"];
      await succeed(host.run(activate));
      host.writeAuthProfile(replacement, {
        type: "oauth",
        provider: "kimi-code",
        ...host.readAuthProfiles()[replacement],
        ...FAILED,
      });

      standIn.failAlways("models", { kind: "reset" });
      gateway = await host.startGateway();
      // The model of the main agent names the replacement now.
      expect(await gateway.chat("hi")).toMatchObject({ ok: true, text: "pong" });
      expect(standIn.tokenRequests().map(({ form }) => form?.["refresh_token"])).toEqual([
        login.refresh_token,
      ]);
      const { access_token, refresh_token } = await readCredential(file);
      expect(standIn.isLiveRefresh(String(refresh_token))).toBe(true);
      expect(host.readAuthProfiles()[replacement]).toMatchObject({
        access: access_token,
        refresh: refresh_token,
      });
      // The models that the plugin knows by itself are there before Kimi was ever asked for its list.
      const { models } = (await gateway.call("models.list", { provider: "kimi-code" })) as {
        models: readonly { readonly id: string }[];
      };
      expect(models.map(({ id }) => id)).toEqual(
        expect.arrayContaining(["k3", "kimi-for-coding", "kimi-for-coding-highspeed"]),
      );
    }, 240_000);

    it("because an agent has a copy of its own that is long spent is not used: the login's file is, with one refresh", async () => {
      const helper = { agent: "helper", model: CHAT };
      // The agent's store begins with its first turn.
      expect(await gateway.chat("hi", helper)).toMatchObject({ ok: true });
      const spent = {
        access: "standin-access-long-gone",
        refresh: "standin-refresh-long-gone",
        expires: 1_000,
      };
      host.writeAuthProfile(PROFILE, profile(spent), "helper");
      await expireLogin(host, file);
      const { refresh_token } = await readCredential(file);
      standIn.clear();
      expect(await gateway.chat("hi", helper)).toMatchObject({ ok: true, text: "pong" });
      expect(standIn.tokenRequests().map(({ form }) => form?.["refresh_token"])).toEqual([
        refresh_token,
      ]);
      expect(standIn.reusedRefreshTokens).toBe(0);
    });
  });

  describe("and web tools on the Kimi login", () => {
    webTools(place);
  });

  describe("and a session in which everything is mixed", () => {
    mixedSessions(place);
  });
});
