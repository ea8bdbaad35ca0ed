/** The managed API but for the chat protocols: who is asking, models, usage, account, search, fetch. */
import { z } from "zod";
import { usagesShapeA, usagesShapeB } from "./accounts.ts";
import type { Account } from "./accounts.ts";
import {
  INVALID_BEARER,
  INVALID_BEARER_ANTHROPIC,
  NO_MEMBERSHIP,
  PAGE_REFUSED,
  badRequest,
} from "./bodies.ts";
import { answerReply, jsonReply } from "./http.ts";
import type { Reply } from "./http.ts";
import type { RecordedRequest, WebContent } from "./types.ts";
import { violation } from "./world.ts";
import type { Handler, World } from "./world.ts";

/** The account behind a request, or the 401 of its route. */
export function authenticate(
  world: World,
  request: RecordedRequest,
): { account: Account } | { reply: Reply } {
  const rejected = {
    reply: answerReply(request.route === "messages" ? INVALID_BEARER_ANTHROPIC : INVALID_BEARER),
  };
  const byKey =
    request.headers["authorization"] === undefined && request.headers["x-api-key"] !== undefined;
  if (byKey && request.route !== "messages" && request.route !== "chat") {
    violation(world, request, "x-api-key is only taken on the chat and messages routes");
    return rejected;
  }
  if (request.bearer === undefined) {
    violation(world, request, "no bearer");
    return rejected;
  }
  const check = world.tokens.check(request.bearer);
  const account = check.ok ? world.accounts.get(check.accountId) : undefined;
  return account === undefined ? rejected : { account };
}

/** Wraps a handler that needs a live bearer. */
export function withAccount(
  handle: (world: World, request: RecordedRequest, account: Account) => Reply,
): Handler {
  return (world, request) => {
    const who = authenticate(world, request);
    return "reply" in who ? who.reply : handle(world, request, who.account);
  };
}

/** `GET /models`. */
export const models = withAccount((_world, _request, account) =>
  account.membership === "none"
    ? answerReply(NO_MEMBERSHIP)
    : jsonReply(200, { object: "list", data: account.models }),
);

/** `GET /usages`. */
export const usages = withAccount((world, _request, account) => {
  if (typeof account.usages !== "string") {
    return jsonReply(200, account.usages);
  }
  const shape = account.usages === "A" ? usagesShapeA : usagesShapeB;
  return jsonReply(200, shape(world.clock.now()));
});

/** `GET /me`. */
export const me = withAccount((_world, _request, account) => jsonReply(200, account.me));

/**
 * Members: MoonshotAI/kimi-cli src/kimi_cli/tools/web/search.py, with the bounds of its own parameters. The Kimi Code
 * CLI 2.1.0 sends `text_query` alone. What the server does with others is not known, so there are none.
 */
const searchBody = z.strictObject({
  text_query: z.string().min(1),
  limit: z.int().min(1).max(20).optional(),
  enable_page_crawling: z.boolean().optional(),
  timeout_seconds: z.number().positive().optional(),
});

/** Both CLIs send the address alone (kimi-cli tools/web/fetch.py; `MoonshotFetchURLProvider` of the Kimi Code CLI). */
const fetchBody = z.strictObject({ url: z.url({ protocol: /^https?$/u }) });

/** Hosts that no page of the web has, in the URL parser's notation. */
const PRIVATE_PAGE = /^(?:localhost$|127\.|10\.|192\.168\.|169\.254\.|\[(?:::|f[cde]))/u;

/** Results and pages until a test sets its own. */
export function defaultWebContent(): WebContent {
  return {
    searchResults: [1, 2, 3].map((n) => ({
      site_name: "Stand-in Site",
      title: `Stand-in result ${n}`,
      url: `https://example.invalid/result/${n}`,
      snippet: `Snippet of result ${n}`,
      content: `# Stand-in result ${n}\n\nText of result ${n}.`,
      date: `2026-08-0${n}`,
      icon: "",
      mime: "text/html",
    })),
    page: (url) => `# Stand-in page\n\nText of ${url}\n`,
  };
}

function badBody(world: World, request: RecordedRequest, error: z.ZodError): Reply {
  const what = error.issues
    .map((issue) => `${issue.path.join(".")} ${issue.message}`.trim())
    .join("; ");
  violation(world, request, `bad body: ${what}`);
  return answerReply(badRequest(`Invalid request: ${what}`));
}

/** `POST /search`. */
export const search = withAccount((world, request, account) => {
  const parsed = searchBody.safeParse(request.json);
  if (!parsed.success) {
    return badBody(world, request, parsed.error);
  }
  if (account.membership === "none") {
    return answerReply(NO_MEMBERSHIP);
  }
  // Five is the Python CLI's default, and pages are in the reply only when it asks to crawl them.
  const wanted = world.web.searchResults.slice(0, parsed.data.limit ?? 5);
  const crawled = parsed.data.enable_page_crawling === true;
  return jsonReply(200, {
    search_results: wanted.map((result) => (crawled ? result : { ...result, content: "" })),
  });
});

/** `POST /fetch`. */
export const fetchPage = withAccount((world, request, account) => {
  const parsed = fetchBody.safeParse(request.json);
  if (!parsed.success) {
    return badBody(world, request, parsed.error);
  }
  if (account.membership === "none") {
    return answerReply(NO_MEMBERSHIP);
  }
  // Both CLIs ask for it; what comes without it is not known.
  if (request.headers["accept"] !== "text/markdown") {
    violation(world, request, "no Accept: text/markdown");
  }
  // Made up: which pages are a risk. A client that protects its user's network never gets here.
  if (PRIVATE_PAGE.test(new URL(parsed.data.url).hostname)) {
    violation(world, request, "a private address was sent");
    return answerReply(PAGE_REFUSED);
  }
  const headers = { "content-type": "text/markdown; charset=utf-8" };
  return { status: 200, headers, body: world.web.page(parsed.data.url) };
});

const configBody = z.object({ name: z.string() });

/** `POST /client_configs` and `/resource_configs`: the CLI asks, and there is nothing to tell. */
export const configs: Handler = (_world, request) => {
  const parsed = configBody.safeParse(request.json);
  return jsonReply(200, { name: parsed.success ? parsed.data.name : "", config: {} });
};

/** `POST /tools`: only the chat title is known. */
export const tools = withAccount(() => jsonReply(200, { title: "Stand-in chat" }));
