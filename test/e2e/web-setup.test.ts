import { rm } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { kimiVariables, signInWithCliLogin, succeed } from "../kit/kimi/kimi-cli.ts";
import { createHost, type Host, packPlugin } from "../kit/openclaw/host.ts";
import type { JsonObject } from "../kit/openclaw/layout.ts";
import { packOlder } from "../kit/openclaw/older-plugin.ts";
import { keys } from "../kit/openclaw/pty.ts";
import { installEnvironment } from "../kit/openclaw/template.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";

const CHOSEN = { provider: "kimi-code-oauth" };
const CHOOSE = ["config", "set", "tools.web.search.provider", "kimi-code-oauth"];

let standIn: StandIn;

beforeEach(async () => {
  standIn = await startStandIn();
});

afterEach(async () => {
  await standIn?.close();
});

/** The host's settings of web tools. */
async function webSettings(host: Host): Promise<JsonObject | undefined> {
  return ((await host.config())["tools"] as { web?: JsonObject } | undefined)?.web;
}

describe("web search in a fresh host", () => {
  let host: Host;

  beforeEach(async () => {
    host = await createHost({ env: kimiVariables(standIn) });
  }, 180_000);

  afterEach(async () => {
    await host?.dispose();
  });

  it("is in the list of `configure --section web`", { timeout: 180_000 }, async () => {
    const terminal = host.terminal(["configure", "--section", "web"]);
    await terminal.waitFor("Enable the web_search tool?", 60_000);
    terminal.send(keys.enter);
    await terminal.waitFor(/● Skip for now/, 60_000);
    expect(terminal.screen()).toContain("Kimi Code (Uses your Kimi Code sign-in · key-free)");
    terminal.send("Kimi Code");
    await terminal.waitFor(/● Kimi Code/, 30_000);
    terminal.send(keys.enter);
    await terminal.waitFor("Kimi Code works without an API key.", 30_000);
    await terminal.waitFor("Searches of your agents now go to Kimi.", 30_000);
    // Nobody has signed in on this host yet.
    await terminal.waitFor("OpenClaw has no Kimi login yet.", 30_000);
    await terminal.waitFor("Enable the web_fetch tool?", 30_000);
    terminal.send(keys.enter);
    expect((await terminal.exited).code).toBe(0);
    expect(await webSettings(host)).toMatchObject({ search: { ...CHOSEN, enabled: true } });
  });
});

describe("an update from the version without web tools", () => {
  it(
    "needs consent, which a script gives with a flag; the login stays, and an uninstall leaves a valid config",
    { timeout: 400_000 },
    async () => {
      const archive = await packPlugin();
      const older = await packOlder(archive, { usageProviders: ["kimi-code"] });
      const host = await createHost({ env: kimiVariables(standIn), plugin: older.archive });
      try {
        await signInWithCliLogin(host, standIn);
        const version = async (): Promise<unknown> => {
          const { stdout } = await host.run(["plugins", "inspect", "kimi-code-oauth", "--json"]);
          return (JSON.parse(stdout) as { plugin: { version: string } }).plugin.version;
        };
        expect((await host.run(CHOOSE)).code).toBe(1);

        const update = ["plugins", "install", `npm-pack:${archive}`, "--force"];
        const env = installEnvironment();
        const refused = await host.run(update, { env });
        expect(refused.code).toBe(1);
        expect(refused.stdout + refused.stderr).toMatch(
          /requires capability consent\. The plugin was not updated\..*--accept-capabilities/s,
        );
        expect(await version()).toBe("0.0.9");

        await succeed(host.run([...update, "--accept-capabilities"], { env }));
        await succeed(host.run(CHOOSE));
        expect(await host.agentTurn("hi")).toMatchObject({ ok: true, text: "pong" });

        // The choice outlives the plugin, and no other command minds.
        await succeed(host.run(["plugins", "uninstall", "kimi-code-oauth", "--force"]));
        expect(await webSettings(host)).toEqual({ search: CHOSEN });
        const valid = await host.run(["config", "validate"]);
        expect(valid).toMatchObject({ code: 0 });
        expect(valid.stdout + valid.stderr).toContain("stale web search plugin config ignored");
      } finally {
        await host.dispose();
        await rm(older.folder, { recursive: true, force: true });
      }
    },
  );
});
