import { readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, vi } from "vitest";
import type { StandIn } from "../../kit/standin/server.ts";
import type { Gateway, Host } from "../../kit/openclaw/host.ts";
import { it, SETTINGS } from "../../kit/openclaw/shared-gateway.ts";
import { credentialFile, expireLogin, succeed } from "../../kit/kimi/kimi-cli.ts";

const CONFIG = "plugins.entries.kimi-code-oauth.config";
/** The device id of the Kimi Code CLI in the same home. */
const KIMI_CLI_DEVICE = "0b7ad1c2-0000-4000-8000-00000000c1c1";

describe("the settings", () => {
  let standIn: StandIn;
  let host: Host;
  let gateway: Gateway;

  it.beforeAll(async ({ shared }) => {
    ({ standIn, host, gateway } = shared);
    await shared.reset();
    await writeFile(path.join(host.home, ".kimi-code", "device_id"), KIMI_CLI_DEVICE);
  }, 240_000);

  it.afterAll(async () => {
    const applied = await reloads();
    // A file that changes right after a turn is read and not applied: the host still holds the plugin.
    await succeed(host.run(["config", "set", CONFIG, JSON.stringify(SETTINGS)]));
    await vi.waitUntil(async () => (await reloads()) > applied, { timeout: 60_000 });
  }, 120_000);

  /** How often the gateway has taken over a change of these settings. */
  const reloads = async (): Promise<number> =>
    (await readFile(host.logFile, "utf8")).match(/config hot reload applied .*identity/gu)
      ?.length ?? 0;

  /** Headers of a model call that say who is asking. */
  const identity = async (): Promise<Record<string, string>> => {
    standIn.clear();
    await gateway.chat("hi");
    const headers = standIn.requests.find(({ route }) => route === "chat")?.headers ?? {};
    return Object.fromEntries(
      Object.entries(headers).filter(
        ([name]) => name === "user-agent" || name.startsWith("x-msh-"),
      ),
    );
  };

  it("say by default who is really asking, with a device id of this installation's own", async () => {
    const headers = await identity();
    const file = path.join(host.stateDir, "kimi-code-oauth", "device_id");
    expect(headers).toMatchObject({
      "user-agent": expect.stringMatching(
        /^kimi-code-oauth\/\d+\.\d+\.\d+ \(OpenClaw\)$/u,
      ) as string,
      "x-msh-platform": "kimi_code_oauth",
      "x-msh-device-id": await readFile(file, "utf8"),
    });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(headers["x-msh-device-id"]).not.toBe(KIMI_CLI_DEVICE);
  });

  it("refuse a wrong value with a sentence", async () => {
    const before = await host.config();
    const { code, stderr } = await host.run(["config", "set", `${CONFIG}.region`, '"mars"']);
    expect(code).toBe(1);
    expect(stderr).toContain(
      `Config validation failed: ${CONFIG}.region: invalid config: must be equal to one of the allowed values (allowed: "mainland-cn", "global")`,
    );
    expect(await host.config()).toEqual(before);
  });

  it("are taken all at once, and reach a running gateway's next turns", async () => {
    const entries = {
      home: "kimi-code-cli",
      region: "global",
      identity: { product: "my-agent/2.5", platform: "my_platform" },
      hideModels: ["k3-256k"],
    };
    const batch = Object.entries(entries).map(([name, value]) => ({
      path: `${CONFIG}.${name}`,
      value,
    }));
    const applied = await reloads();
    const { code, stderr } = await host.run([
      "config",
      "set",
      "--batch-json",
      JSON.stringify(batch),
    ]);
    expect(code, stderr).toBe(0);
    const plugins = (await host.config())["plugins"] as { entries: Record<string, unknown> };
    expect(plugins.entries["kimi-code-oauth"]).toMatchObject({ config: entries });
    await vi.waitUntil(async () => (await reloads()) > applied, { timeout: 30_000 });
    expect(await identity()).toMatchObject({
      "user-agent": "my-agent/2.5",
      "x-msh-platform": "my_platform",
      "x-msh-version": "2.5",
    });
    // The host has deleted the copy of the plugin that opened the login.
    await expireLogin(host, credentialFile(host, standIn));
    standIn.clear();
    expect(await gateway.chat("hi")).toMatchObject({ ok: true, text: "pong" });
    expect(standIn.tokenRequests()).toHaveLength(1);
  }, 90_000);

  it("have labels and help in the Control UI", async () => {
    const { uiHints } = (await gateway.call("config.schema", {})) as {
      uiHints: Record<string, { label?: string; help?: string }>;
    };
    const names = [
      "home",
      "region",
      "identity",
      "identity.product",
      "identity.platform",
      "hideModels",
    ];
    for (const name of names) {
      const hint = uiHints[`${CONFIG}.${name}`];
      expect(hint?.label, name).toMatch(/^[A-Z]/u);
      expect(hint?.help, name).toMatch(/\.$/u);
    }
  });
});
