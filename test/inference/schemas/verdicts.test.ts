import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { kimiToolSchema } from "../../../src/inference/tool-schemas.ts";
import { type Level, mfjsRefusal } from "../../kit/mfjs.ts";

interface Case {
  readonly name: string;
  readonly schema: Record<string, unknown>;
  readonly verdict: Readonly<Record<Level, "taken" | "refused">>;
}

const { cases } = JSON.parse(readFileSync(new URL("verdicts.json", import.meta.url), "utf8")) as {
  readonly cases: readonly Case[];
};

const LEVELS = ["lite", "strict"] as const;

describe("the copy of Moonshot's validator", () => {
  it.each(LEVELS)("agrees with all 90 recorded verdicts at %s", (level) => {
    expect(cases).toHaveLength(90);
    const said = cases.map(({ name, schema }) => ({
      name,
      verdict: mfjsRefusal(schema, level) === undefined ? "taken" : "refused",
    }));
    expect(said).toEqual(cases.map(({ name, verdict }) => ({ name, verdict: verdict[level] })));
  });
});

describe("a tool's parameters as Kimi gets them", () => {
  it.each(cases)("pass the validator: $name", ({ schema }) => {
    const converted = kimiToolSchema(structuredClone(schema));
    expect(LEVELS.map((level) => mfjsRefusal(converted, level))).toEqual([undefined, undefined]);
    expect(converted).toMatchObject({ type: "object", properties: expect.any(Object) as object });
    expect(converted).not.toHaveProperty("anyOf");
  });

  it.each(cases)("stay the same when they are converted again: $name", ({ schema }) => {
    const once = kimiToolSchema(structuredClone(schema));
    expect(kimiToolSchema(structuredClone(once))).toEqual(once);
  });
});
