/** The response of `POST /search`, in the shape that OpenClaw takes. */

import { z } from "zod";

/** One hit. */
export interface Hit {
  readonly title: string;
  readonly url: string;
  readonly snippet?: string;
  /** Calendar date, `YYYY-MM-DD`. */
  readonly published?: string;
  readonly siteName?: string;
}

/** Most characters of each text: ten hits together stay below OpenClaw's 20,000. */
const MAX_SNIPPET = 1_200;
const MAX_TITLE = 300;
const MAX_SITE = 100;
/** Longest link that OpenClaw takes, in characters. */
const MAX_URL = 2_048;
/** Year of the oldest web page. */
const FIRST_YEAR = 1990;
/** Somewhere on earth it is already tomorrow. */
const DAY_MS = 24 * 60 * 60_000;

const text = z.string().optional().catch(undefined);
const hitSchema = z.object({
  title: text,
  url: z.string(),
  snippet: text,
  content: text,
  date: text,
  site_name: text,
});
const responseSchema = z.object({
  // Go writes an empty list as `null`.
  search_results: z.array(z.unknown()).nullable(),
});

function shortened(value: string | undefined, limit: number): string | undefined {
  const clean = value?.replaceAll(/\s+/g, " ").trim() ?? "";
  if (clean.length <= limit) {
    return clean === "" ? undefined : clean;
  }
  // Not between the two halves of a character.
  return `${clean.slice(0, limit - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;
}

/**
 * Reads the date of a hit.
 *
 * @param nowMs - current time, ms since the epoch
 * @returns `YYYY-MM-DD`; `undefined` for a day that no calendar has, that is before the web or to come
 */
export function publishedOn(value: string | undefined, nowMs: number): string | undefined {
  const parts = /^\s*(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})(?!\d)/.exec(value ?? "")?.slice(1);
  if (parts === undefined) {
    return undefined;
  }
  const [year = 0, month = 0, day = 0] = parts.map(Number);
  const date = new Date(Date.UTC(year, month - 1, day));
  const isReal = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return isReal && year >= FIRST_YEAR && date.getTime() <= nowMs + DAY_MS
    ? date.toISOString().slice(0, 10)
    : undefined;
}

/** A link that can be followed, as the URL parser writes it. */
function linkOf(value: string): string | undefined {
  const url = URL.parse(value.trim());
  const isLink = url?.protocol === "http:" || url?.protocol === "https:";
  return isLink && url.href.length <= MAX_URL ? url.href : undefined;
}

function hitOf(value: unknown, nowMs: number): Hit | undefined {
  const { data } = hitSchema.safeParse(value);
  const url = data === undefined ? undefined : linkOf(data.url);
  if (data === undefined || url === undefined) {
    return undefined;
  }
  const snippet = shortened(data.snippet, MAX_SNIPPET) ?? shortened(data.content, MAX_SNIPPET);
  const published = publishedOn(data.date, nowMs);
  const siteName = shortened(data.site_name, MAX_SITE);
  return {
    title: shortened(data.title, MAX_TITLE) ?? new URL(url).hostname,
    url,
    ...(snippet === undefined ? {} : { snippet }),
    ...(published === undefined ? {} : { published }),
    ...(siteName === undefined ? {} : { siteName }),
  };
}

/**
 * Reads the hits of a response, each link once.
 *
 * @param count - most hits
 * @returns `undefined` when it is not a response of this endpoint
 */
export function parseHits(value: unknown, count: number, nowMs: number): Hit[] | undefined {
  const { data } = responseSchema.safeParse(value);
  if (data === undefined) {
    return undefined;
  }
  const rows = data.search_results ?? [];
  const byUrl = new Map<string, Hit>();
  for (const row of rows) {
    const hit = hitOf(row, nowMs);
    if (hit !== undefined && !byUrl.has(hit.url)) {
      byUrl.set(hit.url, hit);
    }
  }
  // Rows of which none is a hit are something else.
  return rows.length > 0 && byUrl.size === 0 ? undefined : [...byUrl.values()].slice(0, count);
}
