import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { publishedOn } from "../../src/web/results.ts";
import { AgentRuns } from "../kit/openclaw/agent-run.ts";
import type { JsonObject } from "../kit/openclaw/layout.ts";
import { registeredWebProviders } from "../kit/openclaw/provider.ts";
import { webSearch } from "../kit/openclaw/web-tools.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import { startOver } from "../kit/start-over.ts";

let standIn: StandIn;
let runs: AgentRuns;

beforeAll(async () => {
  runs = await AgentRuns.create();
});

beforeEach(async () => {
  standIn = await startStandIn();
  await startOver(runs, standIn);
});

afterEach(async () => {
  await standIn.close();
});

afterAll(async () => {
  await runs[Symbol.asyncDispose]();
});

const WRAPPED = /^\s*<<<EXTERNAL_UNTRUSTED_CONTENT id="(\w+)">>>\nSource: Web Search\n---\n/;

/** A text without the host's marks, which must be there. */
function inside(value: unknown): string {
  expect(value).toMatch(WRAPPED);
  return String(value)
    .replace(WRAPPED, "")
    .replace(/\n<<<END_EXTERNAL_UNTRUSTED_CONTENT.*>>>\s*$/s, "");
}

function rows(payload: JsonObject): JsonObject[] {
  return payload["results"] as JsonObject[];
}

/** Replaces the hits of the stand-in. */
function found(...hits: readonly unknown[]): void {
  standIn.web.searchResults.splice(0, Infinity, ...(hits as JsonObject[]));
}

describe("a search", () => {
  it("is a provider that needs no key and is picked by nobody but the user", () => {
    const { search } = registeredWebProviders();
    expect(search).toMatchObject({ id: "kimi-code-oauth", requiresCredential: false, envVars: [] });
    expect(search.getCredentialValue({ apiKey: "sk" })).toBeUndefined();
    // With this the host would pick it for every user who has signed in.
    expect(search.authProviderId).toBeUndefined();
  });

  it("gives titles, links, dates, sites and snippets, marked as foreign", async () => {
    const payload = await webSearch({ query: " kimi ", count: 2 });
    expect(payload).toMatchObject({
      query: "kimi",
      provider: "kimi-code-oauth",
      count: 2,
      externalContent: { untrusted: true, wrapped: true },
    });
    expect(rows(payload)).toHaveLength(2);
    const [first = {}] = rows(payload);
    expect(first).toMatchObject({
      url: "https://example.invalid/result/1",
      published: "2026-08-01",
    });
    expect(inside(first["title"])).toBe("Stand-in result 1");
    expect(inside(first["snippet"])).toBe("Snippet of result 1");
    expect(inside(first["siteName"])).toBe("Stand-in Site");
  });

  it("says who asks, and sends the query and the count alone", async () => {
    await webSearch({ query: "kimi", count: 3 });
    const request = standIn.requests.find(({ route }) => route === "search");
    expect(request?.json).toEqual({ text_query: "kimi", limit: 3 });
    expect(request?.headers).toMatchObject({
      "content-type": "application/json",
      "x-msh-platform": "kimi_code_oauth",
      "user-agent": expect.stringContaining("kimi-code-oauth/"),
    });
    expect(standIn.violations).toEqual([]);
  });

  it.each([
    [undefined, undefined, 5],
    [undefined, 3, 3],
    [7, 3, 7],
    [0, undefined, 1],
    [99, undefined, 10],
    [2.9, undefined, 2],
    ["4", undefined, 4],
    ["many", 3, 3],
    ["", undefined, 5],
  ])("asks for count %s, setting %s: %s hits", async (count, maxResults, wanted) => {
    found(...Array.from({ length: 20 }, (_, n) => ({ title: "t", url: `https://a.example/${n}` })));
    const payload = await webSearch({ query: "kimi", count }, { maxResults });
    expect(rows(payload)).toHaveLength(wanted);
  });

  it("leaves out what is no link, takes each link once, and names a hit without a title by its site", async () => {
    found(
      null,
      7,
      { title: "no link" },
      { title: "bad link", url: "javascript:alert(1)" },
      { title: "file", url: "file:///etc/passwd" },
      { title: "long", url: `https://a.example/${"x".repeat(3_000)}` },
      { url: "https://a.example/page", title: 5, snippet: {}, site_name: [], date: 7 },
      { url: "https://a.example/page", title: "again" },
    );
    const [only = {}, ...others] = rows(await webSearch({ query: "kimi", count: 10 }));
    expect(others).toEqual([]);
    expect(Object.keys(only)).toEqual(["title", "url"]);
    expect(inside(only["title"])).toBe("a.example");
  });

  it("shortens long texts, so that ten hits stay within the host's 20,000 characters", async () => {
    const long = {
      title: "t".repeat(9_000),
      snippet: "🙂".repeat(9_000),
      site_name: "s".repeat(900),
    };
    found(...Array.from({ length: 10 }, (_, n) => ({ ...long, url: `https://a.example/${n}` })));
    const hits = rows(await webSearch({ query: "kimi", count: 10 }));
    const texts = hits.map((hit) =>
      [hit["title"], hit["snippet"], hit["siteName"]].map(inside).join(""),
    );
    expect(texts.join("").length).toBeLessThan(20_000);
    expect(inside(hits[0]?.["snippet"])).toMatch(/^(?:🙂)+…$/u);
  });

  it("takes the page's text where there is no snippet", async () => {
    const hit = { url: "https://a.example/", title: "a", snippet: "", content: "text of the page" };
    standIn.failNext("search", { kind: "status", status: 200, body: { search_results: [hit] } });
    expect(inside(rows(await webSearch({ query: "kimi" }))[0]?.["snippet"])).toBe(
      "text of the page",
    );
  });

  it.each([
    ["an empty list", { search_results: [] }],
    ["no list, as Go writes an empty one", { search_results: null }],
  ])("says in words that nothing was found: %s", async (_what, response) => {
    standIn.failNext("search", { kind: "status", status: 200, body: response });
    const payload = await webSearch({ query: "kimi" });
    expect(payload).toMatchObject({ content: expect.stringMatching(/found nothing/) });
    expect(payload).not.toHaveProperty("error");
  });

  it.each([
    ["country", "DE", "country"],
    ["language", "de", "language"],
    ["freshness", "week", "freshness"],
    ["date_after", "2026-01-01", "dates"],
    ["domain_filter", ["a.example"], "domains"],
  ])("says that there is no filter for %s, and sends nothing", async (name, value, filter) => {
    expect(await webSearch({ query: "kimi", [name]: value })).toMatchObject({
      error: `unsupported_${filter}`,
      message: expect.stringContaining(`no filter for ${filter}`),
    });
    expect(standIn.count("search")).toBe(0);
  });

  it("takes filters that are empty for none", async () => {
    const empty = { country: "", domain_filter: [], freshness: " " };
    expect(await webSearch({ query: "kimi", ...empty })).toHaveProperty("results");
  });

  it.each([[undefined], [""], ["   "], [7]])("asks for a query instead of %j", async (query) => {
    expect(await webSearch({ query })).toMatchObject({ error: "no_query" });
    expect(standIn.count("search")).toBe(0);
  });
});

describe("a date", () => {
  const now = Date.parse("2026-10-01T12:00:00Z");

  it.each([
    ["2026-08-01", "2026-08-01"],
    ["2026-08-01T10:00:00+08:00", "2026-08-01"],
    ["2026/8/1", "2026-08-01"],
    ["2026年8月1日", "2026-08-01"],
    ["2024-02-29", "2024-02-29"],
    ["2026-10-02", "2026-10-02"],
  ])("%s is %s", (value, wanted) => {
    expect(publishedOn(value, now)).toBe(wanted);
  });

  it.each([
    "2026-02-30",
    "2025-02-29",
    "2026-13-01",
    "2026-00-10",
    "2026-10-00",
    "0001-01-01T00:00:00Z",
    "1970-01-01",
    "2026-10-04",
    "2099-01-01",
    "2026-08-011",
    "yesterday",
    "",
    undefined,
  ])("%s is left out", (value) => {
    expect(publishedOn(value, now)).toBeUndefined();
  });
});

describe("a search that was made before", () => {
  it("costs nothing within the host's time, and says that it is kept", async () => {
    const first = await webSearch({ query: "kept" });
    const again = await webSearch({ query: "kept" });
    expect(first).not.toHaveProperty("cached");
    expect(again).toEqual({ ...first, cached: true });
    expect(standIn.count("search")).toBe(1);
    await webSearch({ query: "kept", count: 2 });
    await webSearch({ query: "kept, too" });
    expect(standIn.count("search")).toBe(3);
  });

  it("is made again when the host keeps nothing", async () => {
    const settings = { cacheTtlMinutes: 0 };
    await webSearch({ query: "not kept" }, settings);
    expect(await webSearch({ query: "not kept" }, settings)).not.toHaveProperty("cached");
    await webSearch({ query: "not kept" });
    expect(standIn.count("search")).toBe(3);
  });

  it("is not another account's", async () => {
    await webSearch({ query: "mine" });
    await runs.signOut();
    expect(await webSearch({ query: "mine" })).toMatchObject({ error: "auth_missing" });
    standIn.createAccount({ id: "user-2" });
    await runs.signIn(standIn, "kimi-code:other", "user-2");
    await webSearch({ query: "mine" });
    expect(standIn.count("search")).toBe(2);
  });
});
