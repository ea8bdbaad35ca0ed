/** `GET /models`: its shape, its members, and what the plugin reads of them. */

import { isRecord, listOf } from "../../../src/json.ts";
import { isK3, type ModelRow } from "../../../src/models/models.ts";
import { parseModels } from "../../../src/models/model-list.ts";
import { type Check, type Live, notChecked, verdict } from "../check.ts";
import { describe } from "../kimi.ts";

type Raw = Readonly<Record<string, unknown>>;

/** Members that the plugin reads; those with a second name may have either. */
const NEEDED: readonly (readonly string[])[] = [
  ["id"],
  ["display_name"],
  ["context_length"],
  ["supports_image_in"],
  ["supports_thinking_type", "supports_reasoning"],
];

function rawRows({ models }: Live): readonly Raw[] {
  return isRecord(models.json) ? listOf(models.json.data).filter(isRecord) : [];
}

function idOf(row: Raw): string {
  return typeof row.id === "string" ? row.id : "a row without an id";
}

function distinct(values: readonly string[]): string {
  return [...new Set(values)].toSorted().join(", ");
}

function inShort({ id, contextWindow, protocol, thinking }: ModelRow): string {
  const efforts = thinking.efforts.join("/");
  const preferred = thinking.defaultEffort === undefined ? "" : ` (${thinking.defaultEffort})`;
  return `${id}: ${String(contextWindow)}, ${protocol}, thinks ${thinking.mode}${efforts === "" ? "" : ` ${efforts}`}${preferred}`;
}

function isWhole(value: unknown): boolean {
  return typeof value === "number"
    ? Number.isInteger(value) && value > 0
    : typeof value === "string" && /^\d+$/.test(value);
}

function isKnown(protocol: unknown): boolean {
  return (
    protocol === undefined ||
    protocol === null ||
    protocol === "anthropic" ||
    protocol === "response"
  );
}

/** What is odd about a row's efforts. */
function effortFault(row: Raw): string | undefined {
  const given = row.think_efforts;
  if (given === undefined || given === null || (isRecord(given) && given.support === false)) {
    return undefined;
  }
  if (!isRecord(given) || given.support !== true || !Array.isArray(given.valid_efforts)) {
    return "not support, valid_efforts, default_effort";
  }
  return given.valid_efforts.includes(given.default_effort)
    ? undefined
    : "the default is not in the list";
}

export const MODEL_CHECKS: readonly Check[] = [
  {
    id: "models.list",
    fact: "`GET /models` is a list that the plugin can read",
    expected: "200 {data: […]}, each row read, kimi-for-coding in it",
    requests: 1,
    calls: 0,
    run: async (live) => {
      const { models, rows } = live;
      const raw = rawRows(live);
      const parsed = parseModels(models.json);
      if (models.status !== 200 || parsed === undefined || raw.length === 0) {
        return verdict(false, models.status === 200 ? "200, no list of models" : describe(models));
      }
      const whole = parsed.length === raw.length && rows.some(({ id }) => id === "kimi-for-coding");
      return verdict(
        whole,
        `${String(parsed.length)} of ${String(raw.length)} rows: ${rows.map(inShort).join("; ")}`,
      );
    },
  },
  {
    id: "models.members",
    fact: "Members of a model's row",
    expected: `in each: ${NEEDED.map((names) => names.join(" or ")).join(", ")}`,
    requests: 0,
    calls: 0,
    run: async (live) => {
      const raw = rawRows(live);
      const missing = raw.flatMap((row) =>
        NEEDED.filter((names) => !names.some((name) => name in row)).map(
          (names) => `${names.join(" or ")} of ${idOf(row)}`,
        ),
      );
      return missing.length > 0 || raw.length === 0
        ? verdict(false, `missing: ${missing.join("; ") || "all"}`)
        : verdict(true, distinct(raw.flatMap((row) => Object.keys(row))));
    },
  },
  {
    id: "models.context",
    fact: "`context_length` is a whole number, or its text",
    expected: "number or text",
    requests: 0,
    calls: 0,
    run: async (live) => {
      const values = rawRows(live).map((row) => row.context_length);
      const kinds = distinct(
        values.map((value) => (typeof value === "string" ? "text" : typeof value)),
      );
      return verdict(values.length > 0 && values.every(isWhole), kinds);
    },
  },
  {
    id: "models.efforts",
    fact: "`think_efforts` names the efforts and one of them as the default",
    expected: "in each row that has it; of K3: low, high, max",
    requests: 0,
    calls: 0,
    run: async (live) => {
      const faults = rawRows(live).flatMap((row) => {
        const fault = effortFault(row);
        return fault === undefined ? [] : [`${idOf(row)}: ${fault}`];
      });
      const other = live.rows.filter(
        (row) =>
          isK3(row) && row.assumed !== true && row.thinking.efforts.join() !== "low,high,max",
      );
      const odd = [
        ...faults,
        ...other.map(({ id, thinking }) => `${id}: ${thinking.efforts.join("/") || "no efforts"}`),
      ];
      const seen = live.rows.flatMap(({ id, thinking }) =>
        thinking.efforts.length === 0 ? [] : [`${id}: ${thinking.efforts.join("/")}`],
      );
      return odd.length === 0
        ? verdict(true, seen.join("; ") || "no row has it")
        : verdict(false, odd.join("; "));
    },
  },
  {
    id: "models.protocol",
    fact: "`protocol` is one that the plugin speaks",
    expected: "absent, null, anthropic or response",
    requests: 0,
    calls: 0,
    run: async (live) => {
      const raw = rawRows(live);
      if (raw.length === 0) {
        return notChecked("no rows");
      }
      const values = raw.map(({ protocol }) => protocol);
      return verdict(
        values.every(isKnown),
        distinct(values.map((value) => (value === undefined ? "absent" : JSON.stringify(value)))),
      );
    },
  },
];
