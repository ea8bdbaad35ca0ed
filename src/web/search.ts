/** OpenClaw's `web_search` by `POST /search`. */

import type { OpenClawPluginApi } from "openclaw/plugin-sdk/plugin-entry";
import { WEB_PROVIDER_ID } from "../constants.ts";
import { securitySdk } from "../host/sdk.ts";
import { parseJson } from "../json.ts";
import { say } from "../messages.ts";
import { bindLogin } from "../profiles/bound-login.ts";
import {
  askKimi,
  type CallContext,
  loginForWeb,
  timeoutOf,
  unexpectedResponse,
  WebToolError,
} from "./ask.ts";
import { type Hit, parseHits } from "./results.ts";
import { cached, cacheTimeOf, keepSearch } from "./search-cache.ts";

type Provider = Parameters<OpenClawPluginApi["registerWebSearchProvider"]>[0];
type ToolContext = Parameters<Provider["createTool"]>[0];
type SetupContext = Parameters<NonNullable<Provider["runSetup"]>>[0];
type Payload = Record<string, unknown>;

/** Largest response read, in bytes; a real one without crawled pages has some kB for each hit. */
const MAX_BYTES = 1024 * 1024;
/** OpenClaw's bounds for the number of hits. */
const MAX_COUNT = 10;
const DEFAULT_COUNT = 5;
/** Longest query sent, in characters. */
const MAX_QUERY = 2_000;

/** Parameters of OpenClaw's tool for which Kimi has nothing. */
const FILTERS: Readonly<Record<string, string>> = {
  country: "country",
  language: "language",
  search_lang: "language",
  freshness: "freshness",
  date_after: "dates",
  date_before: "dates",
  domain_filter: "domains",
};

function isFilterSet(value: unknown): boolean {
  return typeof value === "string" ? value.trim() !== "" : Array.isArray(value) && value.length > 0;
}

/** The first filter that was asked for. A filter that is silently left out makes hits look filtered. */
function unsupportedFilterIn(args: Payload): string | undefined {
  const name = Object.keys(FILTERS).find((key) => isFilterSet(args[key]));
  return name === undefined ? undefined : FILTERS[name];
}

function countOf(wanted: unknown, fallback: unknown): number {
  const isText = typeof wanted === "string" && wanted.trim() !== "";
  const count = [isText ? Number(wanted) : wanted, fallback].find(
    (value) => typeof value === "number" && Number.isFinite(value),
  );
  return Math.max(1, Math.min(MAX_COUNT, Math.floor(Number(count ?? DEFAULT_COUNT))));
}

function wrapForeignText(text: string): string {
  return securitySdk().wrapWebContent(text, "web_search");
}

function payloadOf(query: string, hits: readonly Hit[], tookMs: number): Payload {
  const base = {
    query,
    provider: WEB_PROVIDER_ID,
    tookMs,
    externalContent: {
      untrusted: true,
      source: "web_search",
      provider: WEB_PROVIDER_ID,
      wrapped: true,
    },
  };
  if (hits.length === 0) {
    return { ...base, content: say.nothingFound() };
  }
  const results = hits.map(({ title, url, snippet, published, siteName }) => ({
    title: wrapForeignText(title),
    url,
    ...(snippet === undefined ? {} : { snippet: wrapForeignText(snippet) }),
    ...(published === undefined ? {} : { published }),
    ...(siteName === undefined ? {} : { siteName: wrapForeignText(siteName) }),
  }));
  return { ...base, count: results.length, results };
}

async function search(
  { agentDir, config, searchConfig = {} }: ToolContext,
  args: Payload,
  context: CallContext,
): Promise<Payload> {
  const query = typeof args.query === "string" ? args.query.trim().slice(0, MAX_QUERY) : "";
  if (query === "") {
    throw new WebToolError("no_query", say.noQuery());
  }
  const filter = unsupportedFilterIn(args);
  if (filter !== undefined) {
    throw new WebToolError(`unsupported_${filter}`, say.noSuchFilter({ filter }));
  }
  const login = loginForWeb(agentDir, config);
  const count = countOf(args.count, searchConfig.maxResults);
  const key = JSON.stringify([login.key, count, query]);
  const ttlMs = cacheTimeOf(searchConfig.cacheTtlMinutes);
  const kept = cached(key, ttlMs);
  if (kept !== undefined) {
    return kept;
  }
  const startMs = Date.now();
  const { text } = await askKimi(login, {
    ...context,
    tool: "search",
    // `limit` is the Python CLI's; the Kimi Code CLI sends the query alone.
    body: { text_query: query, limit: count },
    accept: "application/json",
    timeoutMs: timeoutOf(searchConfig.timeoutSeconds),
    maxBytes: MAX_BYTES,
  });
  const hits = parseHits(parseJson(text), count, Date.now());
  if (hits === undefined) {
    throw unexpectedResponse(login, "search");
  }
  const payload = payloadOf(query, hits, Date.now() - startMs);
  keepSearch(key, payload, ttlMs);
  return payload;
}

/**
 * The tool behind `web_search`.
 *
 * A failure is a result and not an exception: of an exception OpenClaw tells the model no more than that
 * the search failed.
 */
export function webSearchTool(ctx: ToolContext): ReturnType<Provider["createTool"]> {
  return {
    description: "Search the web with Kimi. Gives titles, links, dates, sites and snippets.",
    parameters: {
      type: "object",
      properties: {
        query: { type: "string", description: "Search query." },
        count: { type: "number", description: "Result count.", minimum: 1, maximum: MAX_COUNT },
      },
      required: ["query"],
    },
    execute: async (args, context = {}) => {
      context.signal?.throwIfAborted();
      try {
        return await search(ctx, args, context);
      } catch (error) {
        if (error instanceof WebToolError) {
          return { error: error.code, message: error.message };
        }
        throw error;
      }
    },
  };
}

/** Says what follows from the choice of this provider, and that a sign-in is missing where there is none yet. */
export async function setUpWebSearch({
  config,
  prompter,
}: SetupContext): Promise<SetupContext["config"]> {
  const isMissing = bindLogin(undefined, undefined, config) === undefined;
  const lines = [say.webChosen(), ...(isMissing ? [say.noProfile()] : [])];
  await prompter.note(lines.join("\n"), "Kimi Code");
  return config;
}
