import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { kimiVariables, writeCliLogin } from "../kit/kimi/kimi-cli.ts";
import { createHost, type Host } from "../kit/openclaw/host.ts";
import type { JsonObject } from "../kit/openclaw/layout.ts";
import { keys } from "../kit/openclaw/pty.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";

const LOGIN = ["models", "auth", "login", "--provider", "kimi-code", "--method", "cli-login"];
const QUESTION = "Let agents search the web with this Kimi login too?";
const CHOSEN = { provider: "kimi-code" };

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
    await writeCliLogin(host, standIn, standIn.issueLogin());
  }, 180_000);

  afterEach(async () => {
    await host?.dispose();
  });

  /** Signs in, answers the question, and gives what was shown. */
  const signIn = async (answer: string): Promise<string> => {
    const terminal = host.terminal(LOGIN);
    await terminal.waitFor(QUESTION, 60_000);
    terminal.send(answer);
    expect((await terminal.exited).code).toBe(0);
    expect(host.readAuthProfiles()).toHaveProperty("kimi-code:default");
    return terminal.screen();
  };

  it("is offered after a sign-in, and set up by a yes", { timeout: 180_000 }, async () => {
    expect(await signIn("y")).toContain("Agents now search the web with this Kimi login.");
    expect(await webSettings(host)).toEqual({ search: CHOSEN, fetch: CHOSEN });
  });

  it(
    "is not forced on anybody: Enter alone signs in, sets nothing and is remembered",
    { timeout: 180_000 },
    async () => {
      await signIn(keys.enter);
      expect(await webSettings(host)).toBeUndefined();
      standIn.script([{ toolCalls: [{ name: "web_search", arguments: { query: "kimi" } }] }]);
      await host.agentTurn("look it up", { model: "kimi-code/kimi-for-coding" });
      expect(standIn.count("chat")).toBeGreaterThan(0);
      expect(standIn.count("search")).toBe(0);
      const again = host.terminal(LOGIN);
      expect((await again.exited).code).toBe(0);
      expect(again.screen()).not.toContain(QUESTION);
    },
  );

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
    await terminal.waitFor("Before you remove this plugin, run:", 30_000);
    // Nobody has signed in on this host yet.
    await terminal.waitFor("OpenClaw has no Kimi login yet.", 30_000);
    await terminal.waitFor("Enable the web_fetch tool?", 30_000);
    terminal.send(keys.enter);
    expect((await terminal.exited).code).toBe(0);
    expect(await webSettings(host)).toMatchObject({ search: { ...CHOSEN, enabled: true } });
  });
});
