import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { kimiVariables } from "../kit/kimi/kimi-cli.ts";
import { createHost, type Host } from "../kit/openclaw/host.ts";
import type { JsonObject } from "../kit/openclaw/layout.ts";
import { keys } from "../kit/openclaw/pty.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";

const CHOSEN = { provider: "kimi-code-oauth" };

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
