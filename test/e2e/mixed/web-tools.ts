import { writeFile } from "node:fs/promises";
import { beforeEach, expect, it } from "vitest";
import { credentialFile, kimi, readCredential } from "../../kit/kimi/kimi-cli.ts";
import type { Gateway } from "../../kit/openclaw/gateway.ts";
import type { Host } from "../../kit/openclaw/host.ts";
import type { JsonObject } from "../../kit/openclaw/layout.ts";
import type { OtherVendor, ToolCall } from "../../kit/openclaw/other-vendor.ts";
import { REFUSAL, type RefusingProxy } from "../../kit/openclaw/refusing-proxy.ts";
import { hasSshd } from "../../kit/openclaw/ssh-machine.ts";
import { PAGE_REFUSED, QUOTA_WEEKLY, SERVER_ERROR } from "../../kit/standin/bodies.ts";
import type { StandIn } from "../../kit/standin/server.ts";
import { CHAT, MESSAGES, OTHER, type Place, RESPONSES } from "./place.ts";

/** A public address of its own for each page, because the host keeps pages for a while. */
let pages = 0;
const newPage = (): string => `http://93.184.216.34/page/${String((pages += 1))}`;

/** Searches and pages, for agents and for the Kimi Code CLI. */
export function webTools(place: () => Place): void {
  let standIn: StandIn;
  let host: Host;
  let gateway: Gateway;
  let other: OtherVendor;
  let proxy: RefusingProxy;

  beforeEach(() => {
    ({ standIn, host, gateway, other, proxy } = place());
    standIn.heal();
    standIn.clear();
    standIn.violations.length = 0;
    proxy.answer = REFUSAL;
    other.calls = [];
  });

  /** Lets the model make these calls, one after another, and gives what it was sent at the end. */
  const turnWith = async (
    model: string,
    calls: readonly ToolCall[],
    agent = "main",
  ): Promise<string> => {
    if (model === OTHER) {
      other.calls = [...calls];
    } else {
      standIn.script([...calls.map((call) => ({ toolCalls: [call] })), { text: "done" }]);
    }
    const turn = await gateway.chat("look it up", {
      agent,
      session: crypto.randomUUID(),
      model,
    });
    expect(turn).toMatchObject({ ok: true, text: "done" });
    const last = standIn.requests.findLast(({ route }) =>
      ["chat", "messages", "responses"].includes(route),
    );
    // Quotes within quotes are of no interest.
    return (model === OTHER ? other.lastBody : (last?.body ?? "")).replaceAll("\\", "");
  };

  it.each([
    ["chat completions", CHAT],
    ["Anthropic messages", MESSAGES],
    ["OpenAI responses", RESPONSES],
    ["another vendor's model", OTHER],
  ])("an agent searches, then reads what it found, on %s", async (_what, model) => {
    const url = newPage();
    const query = `kimi on ${model}`;
    const found = { title: `Title of ${url}`, url, snippet: "Snippet", date: "2026-02-30" };
    standIn.web.searchResults.splice(0, Infinity, found, { ...found, url: `${url}/2` });
    const sent = await turnWith(model, [
      { name: "web_search", arguments: { query, count: 1 } },
      { name: "web_fetch", arguments: { url } },
    ]);
    expect(standIn.requests.filter(({ route }) => route === "search")).toMatchObject([
      { status: 200, json: { text_query: query, limit: 1 } },
    ]);
    expect(standIn.requests.filter(({ route }) => route === "fetch")).toMatchObject([
      { status: 200, json: { url } },
    ]);
    // The host has tried by itself before it asked Kimi.
    expect(proxy.asked).toContain("93.184.216.34");
    expect(sent).toMatch(/EXTERNAL_UNTRUSTED_CONTENT id="\w+">>>nSource: Web Search/);
    expect(sent).toContain(`Title of ${url}`);
    expect(sent).not.toContain("2026-02-30");
    expect(sent).not.toContain(`${url}/2`);
    expect(sent).toMatch(/EXTERNAL_UNTRUSTED_CONTENT id="\w+">>>nSource: Web Fetch/);
    expect(sent).toContain(`Text of ${url}`);
    expect(standIn.violations).toEqual([]);
  });

  it("a refused search and a refused page come to the model in plain words", async () => {
    standIn.failNext("search", { kind: "status", ...QUOTA_WEEKLY });
    standIn.failNext("fetch", { kind: "status", ...PAGE_REFUSED });
    const sent = await turnWith(CHAT, [
      { name: "web_search", arguments: { query: crypto.randomUUID() } },
      { name: "web_fetch", arguments: { url: newPage() } },
    ]);
    expect(sent).toContain("You have reached your Kimi plan's weekly usage limit");
    expect(sent).toContain("Kimi will not fetch this page because it considers it unsafe");
  });

  it("a page that OpenClaw can read is not asked of Kimi", async () => {
    const text = "A sentence that is long enough to be taken for the article of a page. ".repeat(
      20,
    );
    const body = `<html><head><title>Read here</title></head><body><article><p>${text}</p></article></body></html>`;
    proxy.answer = { status: 200, body };
    const sent = await turnWith(CHAT, [{ name: "web_fetch", arguments: { url: newPage() } }]);
    expect(sent).toContain("A sentence that is long enough");
    expect(standIn.count("fetch")).toBe(0);
  });

  it("OpenClaw makes do with its own poor reading when Kimi fails, too", async () => {
    // Nested too deeply for OpenClaw's reader of articles.
    proxy.answer = { status: 200, body: `<html><body>${"<div>".repeat(3_500)}poor reading` };
    standIn.failNext("fetch", { kind: "status", ...SERVER_ERROR });
    const sent = await turnWith(CHAT, [{ name: "web_fetch", arguments: { url: newPage() } }]);
    expect(standIn.count("fetch")).toBe(1);
    expect(sent).toContain("poor reading");
  });

  it("no private address reaches Kimi, not by a redirect either", async () => {
    proxy.answer = { status: 302, location: "http://127.0.0.1:9/secret" };
    const sent = await turnWith(CHAT, [
      { name: "web_fetch", arguments: { url: "http://127.0.0.1:9/" } },
      { name: "web_fetch", arguments: { url: "http://[::ffff:10.0.0.1]/" } },
      { name: "web_fetch", arguments: { url: newPage() } },
    ]);
    expect(sent.match(/Blocked hostname or private/g)).toHaveLength(3);
    expect(standIn.count("fetch")).toBe(0);
    expect(standIn.violations).toEqual([]);
  });

  it("Settings shows the provider, tests it, and says what is wrong", async () => {
    const status = await gateway.call("webSearch.status", { agentId: "main" });
    expect(status).toMatchObject({
      enabled: true,
      provider: "kimi-code-oauth",
      route: { kind: "managed", provider: "kimi-code-oauth", testable: true },
      providers: expect.arrayContaining([
        expect.objectContaining({
          id: "kimi-code-oauth",
          label: "Kimi Code",
          configured: true,
          available: true,
        }),
      ]) as unknown,
    });
    const test = async (): Promise<JsonObject> =>
      await gateway.call("webSearch.test", {
        agentId: "main",
        query: "hello",
        providerId: "kimi-code-oauth",
      });
    expect(await test()).toMatchObject({ status: "ok", provider: "kimi-code-oauth" });
    standIn.failNext("search", { kind: "status", ...QUOTA_WEEKLY });
    expect(await test()).toMatchObject({ error: expect.stringContaining("account or rate limit") });
    expect(standIn.count("search")).toBe(2);
  });

  it("the Kimi Code CLI keeps its login, and searches with it", async () => {
    const file = credentialFile(host, standIn);
    const before = await readCredential(file);
    standIn.script([
      { toolCalls: [{ name: "WebSearch", arguments: { query: "from the CLI" } }] },
      { text: "cli done" },
    ]);
    const { code, stdout, stderr } = await kimi(host, standIn, ["-p", "look it up"]);
    expect(code, stderr).toBe(0);
    expect(stdout).toContain("cli done");
    expect(standIn.requests.find(({ route }) => route === "search")).toMatchObject({
      status: 200,
      json: { text_query: "from the CLI" },
    });
    expect(standIn.violations).toEqual([]);
    // Nobody had to renew or end anything in all of this.
    expect(await readCredential(file)).toEqual(before);
    expect(standIn.reusedRefreshTokens).toBe(0);
  });

  it("goes on after Kimi has rejected the bearer, with one refresh that the CLI sees", async () => {
    const file = credentialFile(host, standIn);
    const before = await readCredential(file);
    const aged = { ...before, expires_at: Number(before["expires_at"]) - 120 };
    await writeFile(file, JSON.stringify(aged, null, 2), { mode: 0o600 });
    standIn.failNext("search", {
      kind: "status",
      status: 401,
      body: {
        error: { type: "invalid_authentication_error", message: "Invalid Authentication" },
      },
    });
    const sent = await turnWith(CHAT, [
      { name: "web_search", arguments: { query: crypto.randomUUID() } },
    ]);
    expect(sent).toContain("Source: Web Search");
    expect(standIn.requests.filter(({ route }) => route === "search").map((r) => r.status)).toEqual(
      [401, 200],
    );
    expect(standIn.tokenRequests("refresh_token")).toHaveLength(1);
    expect((await readCredential(file))["access_token"]).not.toBe(before["access_token"]);
    expect((await kimi(host, standIn, ["-p", "pong"])).code).toBe(0);
    expect(standIn.tokenRequests("refresh_token")).toHaveLength(1);
  });

  it.skipIf(!hasSshd)(
    "an agent in a sandbox searches, too, where its tools are allowed; pages it reads without Kimi",
    { timeout: 400_000 },
    async () => {
      const calls = [
        { name: "exec", arguments: { command: "echo over ssh from $SSH_CLIENT" } },
        { name: "web_search", arguments: { query: "from a sandbox" } },
        { name: "web_fetch", arguments: { url: newPage() } },
      ];
      const sent = await turnWith(CHAT, calls, "boxed");
      expect(sent).toContain("over ssh from 127.0.0.1 ");
      expect(sent).toContain("Source: Web Search");
      expect(standIn.count("search")).toBe(1);
      // OpenClaw lets only its own providers fetch for a sandbox.
      expect(sent).toContain("Web fetch failed");
      expect(standIn.count("fetch")).toBe(0);
      expect(standIn.violations).toEqual([]);
    },
  );
}
