/** What Kimi tells of the account, by the names of its members only. */

import { isRecord } from "../../../src/json.ts";
import { meResponseSchema } from "../../../src/protocol/account-id.ts";
import { parseUsages } from "../../../src/account/usage.ts";
import { type Check, verdict } from "../check.ts";
import { describe } from "../kimi.ts";

const KNOWN_WINDOWS = new Set(["limit_5h", "limit_7d", "limit_month_total", "limit_month_code"]);
const KNOWN_MEMBERS = new Set(["usages", "usage", "limits", "boosterWallet", "user"]);

/** Members that `GET /me` always has (the Kimi Code CLI's own list). */
const ALWAYS = [
  "user_id",
  "nickname",
  "status",
  "region",
  "user_level",
  "user_level_name",
  "domain",
  "domain_name",
];

function names(value: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.keys(value).toSorted();
}

export const ACCOUNT_CHECKS: readonly Check[] = [
  {
    id: "account.usages",
    fact: "`GET /usages` in one of two shapes",
    expected: "usages {limit_5h, limit_7d, limit_month_…}, or usage and limits",
    requests: 1,
    calls: 0,
    run: async ({ kimi }) => {
      const answer = await kimi.ask({ path: "/usages" });
      const { json } = answer;
      if (answer.status !== 200 || !isRecord(json)) {
        return verdict(false, answer.status === 200 ? "200, no JSON object" : describe(answer));
      }
      const usages = parseUsages(json, Date.now());
      const windows = isRecord(json.usages) ? names(json.usages) : [];
      const known =
        names(json).every((name) => KNOWN_MEMBERS.has(name)) &&
        windows.every((name) => KNOWN_WINDOWS.has(name));
      const read =
        usages?.windows.flatMap(({ id, usedPercent }) => (usedPercent === undefined ? [] : [id])) ??
        [];
      const shape = `${names(json).join(", ")}${windows.length === 0 ? "" : `; usages: ${windows.join(", ")}`}`;
      return verdict(
        usages !== undefined && known,
        `${shape}; read: ${read.join(", ") || "no window"}${usages?.credit === undefined ? "" : ", credit"}`,
      );
    },
  },
  {
    id: "account.me",
    fact: "Members of `GET /me`",
    expected: ALWAYS.toSorted().join(", "),
    requests: 1,
    calls: 0,
    run: async ({ me }) => {
      if (me.status !== 200 || !isRecord(me.json)) {
        return verdict(false, me.status === 200 ? "200, no JSON object" : describe(me));
      }
      const { json } = me;
      const parsed = meResponseSchema.safeParse(json).data;
      const missing = ALWAYS.filter((name) => !(name in json));
      return missing.length === 0 && parsed?.user_id !== undefined
        ? verdict(true, names(json).join(", "))
        : verdict(false, `missing: ${missing.join(", ") || "a user_id that is text"}`);
    },
  },
];
