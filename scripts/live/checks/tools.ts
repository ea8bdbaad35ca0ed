/** Tools: parameters that must be taken and that must be refused, names, and ids of calls. */

import { readFileSync } from "node:fs";
import { z } from "zod";
import type { ModelRow } from "../../../src/models/models.ts";
import { chatCall, isStream, messagesCall, modelFor, type Tool } from "../bodies.ts";
import { type Check, type Live, notChecked, type Seen, verdict } from "../check.ts";
import { type Answer, describe, type LiveRequest } from "../kimi.ts";
import { refused } from "./thinking.ts";

const tableSchema = z.object({
  cases: z.array(
    z.object({
      name: z.string(),
      schema: z.record(z.string(), z.unknown()),
      verdict: z.object({ lite: z.enum(["taken", "refused"]) }),
    }),
  ),
});

/** The recorded verdicts of Moonshot's validator, which the plugin's tests use too. */
const { cases } = tableSchema.parse(
  JSON.parse(
    readFileSync(new URL("../../../test/inference/schemas/verdicts.json", import.meta.url), "utf8"),
  ),
);
const REFUSED = cases.filter((one) => one.verdict.lite === "refused");

const TOOLS: readonly Tool[] = cases.map(({ schema }, index) => ({
  name: `case_${String(index + 1)}`,
  parameters: schema,
}));

/** Most requests of a check that look for the tools that are refused. */
export const MAX_SEARCH = 24;
/** Most names of cases that are shown. */
const MAX_SHOWN = 12;

const NO_MODEL = notChecked("the account has no model with tools");

/** Written as text, because a member `then` is no promise here. */
const TWO_IFS = z.record(z.string(), z.unknown()).parse(
  JSON.parse(`{
    "type": "object",
    "properties": { "kind": { "type": "string" }, "word": { "type": "string" } },
    "allOf": [
      { "if": { "properties": { "kind": { "const": "a" } } }, "then": { "required": ["word"] } },
      { "if": { "properties": { "kind": { "const": "b" } } }, "then": { "required": ["word"] } }
    ]
  }`),
);

const ONE_PROPERTY = { type: "object", properties: { word: { type: "string" } } };

function nameOf(tool: Tool): string {
  return cases[TOOLS.indexOf(tool)]?.name ?? tool.name;
}

function inShort(names: readonly string[]): string {
  const more = names.length - MAX_SHOWN;
  return `${names.slice(0, MAX_SHOWN).join("; ")}${more > 0 ? ` and ${String(more)} more` : ""}`;
}

type Make = (tools: readonly Tool[]) => LiveRequest;

/** Looks for the tools that make a request be refused, by halves. */
async function culprits(live: Live, make: Make, tools: readonly Tool[]): Promise<string[]> {
  let left = MAX_SEARCH;
  const search = async (part: readonly Tool[]): Promise<string[]> => {
    left -= 1;
    if (left < 0) {
      return [];
    }
    if (isStream(await live.kimi.ask(make(part)))) {
      return [];
    }
    if (part.length === 1) {
      return part.map(nameOf);
    }
    const middle = Math.ceil(part.length / 2);
    return [...(await search(part.slice(0, middle))), ...(await search(part.slice(middle)))];
  };
  const middle = Math.ceil(tools.length / 2);
  return [...(await search(tools.slice(0, middle))), ...(await search(tools.slice(middle)))];
}

async function allTaken(live: Live, make: Make, tools: readonly Tool[]): Promise<Seen> {
  const answer = await live.kimi.ask(make(tools));
  if (isStream(answer)) {
    return verdict(true, `all ${String(tools.length)} taken`);
  }
  const found = await culprits(live, make, tools);
  const which = found.length === 0 ? "none alone" : inShort(found);
  return verdict(false, `${describe(answer)}; refused: ${which}`);
}

async function withTools(
  live: Live,
  protocol: ModelRow["protocol"],
  work: (row: ModelRow) => Promise<Seen>,
): Promise<Seen> {
  const row = modelFor(
    live.rows.filter(({ tools }) => tools),
    protocol,
  );
  return row === undefined ? NO_MODEL : await work(row);
}

/** Sends tools as they are; each request by itself, and short where it is taken after all. */
async function sendRaw(live: Live, row: ModelRow, tools: readonly Tool[]): Promise<Answer> {
  return await live.kimi.ask(
    chatCall({
      row,
      tools,
      raw: true,
      finish: (body) => ({
        ...body,
        max_completion_tokens: 16,
        // The plugin would leave the second of two tools of one name out.
        tools: tools.map(({ name, parameters }) => ({
          type: "function",
          function: { name, description: "Does nothing.", parameters },
        })),
      }),
    }),
  );
}

/** Requests that must all be refused, each with a name, and each for the fault that it has. */
async function allRefused(
  live: Live,
  row: ModelRow,
  isMeant: (answer: Answer) => boolean,
  tries: readonly (readonly [string, readonly Tool[]])[],
): Promise<Seen> {
  const taken: string[] = [];
  const odd: string[] = [];
  let words = "";
  for (const [name, tools] of tries) {
    const answer = await sendRaw(live, row, tools);
    if (answer.status < 400) {
      taken.push(name);
    } else if (answer.status !== 400 || !isMeant(answer)) {
      odd.push(`${name}: ${describe(answer)}`);
    } else {
      words ||= describe(answer);
    }
  }
  const faults = [
    ...(taken.length === 0 ? [] : [`taken: ${inShort(taken)}`]),
    ...(odd.length === 0 ? [] : [`refused for something else: ${inShort(odd)}`]),
  ];
  return faults.length === 0
    ? verdict(true, `all ${String(tries.length)}, e.g. ${words}`)
    : verdict(false, faults.join("; "));
}

function isBadSchema({ kind }: Answer): boolean {
  return kind === "bad_schema";
}

function isAboutName({ message }: Answer): boolean {
  return /name/i.test(message);
}

const call = (id: string) => ({
  id,
  type: "function",
  function: { name: "ping", arguments: "{}" },
});
const user = { role: "user", content: "Call the tool ping." };
const result = (id: string) => ({ role: "tool", tool_call_id: id, content: "pong" });
const asks = (...ids: readonly string[]) => ({
  role: "assistant",
  reasoning_content: "",
  tool_calls: ids.map(call),
});

/** Histories that Kimi refuses. */
const BAD_HISTORIES: readonly (readonly [string, readonly unknown[]])[] = [
  ["one id twice", [user, asks("call_1"), result("call_1"), asks("call_1"), result("call_1")]],
  ["a call without a result", [user, asks("call_1"), user]],
];

export const TOOL_CHECKS: readonly Check[] = [
  {
    id: "tools.converted-chat",
    fact: `Parameters as the plugin converts them are taken on chat (${String(TOOLS.length)} cases)`,
    expected: `all ${String(TOOLS.length)} taken`,
    requests: 1,
    calls: 1,
    run: async (live) =>
      await withTools(live, "chat", async (row) =>
        allTaken(live, (tools) => chatCall({ row, tools }), TOOLS),
      ),
  },
  {
    id: "tools.converted-messages",
    fact: `The same on messages (${String(TOOLS.length)} cases)`,
    expected: `all ${String(TOOLS.length)} taken`,
    requests: 1,
    calls: 1,
    run: async (live) =>
      await withTools(live, "messages", async (row) =>
        allTaken(live, (tools) => messagesCall({ row, tools }), TOOLS),
      ),
  },
  {
    id: "tools.refused",
    fact: `Parameters that Moonshot's validator refuses are refused (${String(REFUSED.length)} cases)`,
    expected: `all ${String(REFUSED.length)}, 400, bad_schema`,
    requests: REFUSED.length,
    calls: 0,
    run: async (live) =>
      await withTools(live, "chat", async (row) =>
        allRefused(
          live,
          row,
          isBadSchema,
          REFUSED.map(({ name, schema }) => [name, [{ name: "case_raw", parameters: schema }]]),
        ),
      ),
  },
  {
    id: "tools.root",
    fact: "The root of parameters needs `type: object`",
    expected: "all 1, 400, bad_schema",
    requests: 1,
    calls: 0,
    run: async (live) =>
      await withTools(live, "chat", async (row) =>
        allRefused(live, row, isBadSchema, [
          ["no type", [{ name: "no_type", parameters: { properties: ONE_PROPERTY.properties } }]],
        ]),
      ),
  },
  {
    id: "tools.several-if",
    fact: "Several `if` in `allOf` are refused",
    expected: "all 1, 400, bad_schema",
    requests: 1,
    calls: 0,
    run: async (live) =>
      await withTools(live, "chat", async (row) =>
        allRefused(live, row, isBadSchema, [["two", [{ name: "two_ifs", parameters: TWO_IFS }]]]),
      ),
  },
  {
    id: "tools.names",
    fact: "Names of tools: a letter first, 3 to 64 characters, each once",
    expected: "all 4, 400",
    requests: 4,
    calls: 0,
    run: async (live) =>
      await withTools(live, "chat", async (row) =>
        allRefused(
          live,
          row,
          isAboutName,
          [["1st"], ["ab"], ["a".repeat(65)], ["ping", "ping"]].map((names) => [
            names.length === 1 ? (names[0] ?? "").slice(0, 10) : "one name twice",
            names.map((name) => ({ name, parameters: ONE_PROPERTY })),
          ]),
        ),
      ),
  },
  {
    id: "tools.call-ids",
    fact: "Each id of a call once in a conversation, each with a result",
    expected: "all 2, 400",
    requests: BAD_HISTORIES.length,
    calls: 0,
    run: async (live) =>
      await withTools(live, "chat", async (row) => {
        const seen: Seen[] = [];
        for (const [name, messages] of BAD_HISTORIES) {
          const tools = [{ name: "ping", parameters: ONE_PROPERTY }];
          const finish = (body: Readonly<Record<string, unknown>>) => ({ ...body, messages });
          const answer = await live.kimi.ask(chatCall({ row, tools, finish }));
          const one = refused(answer, /tool_calls?\b|tool_call_id|call id/i);
          seen.push({ ...one, seen: `${name}: ${one.seen}` });
        }
        return verdict(
          seen.every((one) => one.verdict === "match"),
          seen.map((one) => one.seen).join("; "),
        );
      }),
  },
];
