/** Search and fetch, as the Kimi CLIs ask for them. */

import { isRecord, listOf } from "../../../src/json.ts";
import { type Check, verdict } from "../check.ts";
import { describe } from "../kimi.ts";

/** Members of a result that the Kimi Code CLI reads. */
const RESULT = ["date", "site_name", "snippet", "title", "url"];
const PAGE = "https://example.com/";

export const WEB_CHECKS: readonly Check[] = [
  {
    id: "web.search",
    fact: "`POST /search` {text_query}",
    expected: `200 {search_results: [{${RESULT.join(", ")}, …}]}`,
    requests: 1,
    calls: 0,
    run: async ({ kimi }) => {
      const answer = await kimi.ask({ path: "/search", body: { text_query: "OpenClaw" } });
      if (answer.status !== 200 || !isRecord(answer.json)) {
        return verdict(false, answer.status === 200 ? "200, no JSON object" : describe(answer));
      }
      const results = listOf(answer.json.search_results);
      const [first] = results;
      const members = isRecord(first) ? Object.keys(first).toSorted() : [];
      const whole = RESULT.every((name) => members.includes(name));
      return verdict(
        whole,
        `${Object.keys(answer.json).toSorted().join(", ")}; a result: ${members.join(", ") || "none"}`,
      );
    },
  },
  {
    id: "web.fetch",
    fact: "`POST /fetch` {url}",
    expected: "200, the page's text and no JSON",
    requests: 1,
    calls: 0,
    run: async ({ kimi }) => {
      const answer = await kimi.ask({
        path: "/fetch",
        body: { url: PAGE },
        headers: { Accept: "text/markdown" },
      });
      const isText =
        answer.status === 200 && answer.text.trim() !== "" && answer.json === undefined;
      return verdict(
        isText,
        isText
          ? `200, ${String(answer.text.length)} characters of text`
          : answer.status === 200
            ? "200, no text"
            : describe(answer),
      );
    },
  },
];
