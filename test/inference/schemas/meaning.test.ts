/**
 * Random schemas and random values: what a tool's own schema takes, the converted one takes as well,
 * and Moonshot's validator takes the converted one.
 */
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { kimiToolSchema } from "../../../src/inference/tool-schemas.ts";
import { mfjsRefusal } from "../../kit/mfjs.ts";
import { freshSeed, type Random, randomFrom, rounds, seedOf } from "../../kit/random.ts";

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type Schema = { [keyword: string]: Json };

const ROUNDS = rounds(100);
const VALUES = 40;
const NAMES = ["a", "b", "c", "required", "x/y", "{k}"] as const;
const DEFINITIONS = ["A", "B", "C", "d/e"] as const;

function value(random: Random, depth: number): Json {
  const scalar = random.pick<Json>([null, true, false, 0, 1, 2.5, -3, "", "a", "ab", "x-long"]);
  if (depth === 0 || random.chance(0.4)) {
    return scalar;
  }
  return random.chance(0.4)
    ? Array.from({ length: random.whole(0, 3) }, () => value(random, depth - 1))
    : objectValue(random, depth - 1);
}

function objectValue(random: Random, depth: number): { [name: string]: Json } {
  const names = NAMES.filter(() => random.chance(0.45));
  return Object.fromEntries(names.map((name) => [name, value(random, depth)]));
}

function part(random: Random, depth: number): Json {
  return random.chance(0.06) ? random.chance(0.7) : schema(random, depth);
}

function list(random: Random, depth: number, most = 3): Json[] {
  return Array.from({ length: random.whole(1, most) }, () => part(random, depth));
}

const KEYWORDS: readonly (readonly [number, (random: Random, depth: number) => Schema])[] = [
  [4, (random) => ({ type: random.pick(["string", "number", "integer", "boolean", "null"]) })],
  [6, () => ({ type: "object" })],
  [3, () => ({ type: "array" })],
  [
    2,
    (random) => ({
      type: random.chance(0.5) ? ["string", "null"] : ["object", "array", "integer"],
    }),
  ],
  [
    6,
    (random, depth) => ({
      properties: Object.fromEntries(
        NAMES.filter(() => random.chance(0.4)).map((name) => [name, part(random, depth)]),
      ),
    }),
  ],
  [3, (random) => ({ required: NAMES.filter(() => random.chance(0.3)) })],
  [
    2,
    (random, depth) => ({ additionalProperties: random.chance(0.5) ? false : part(random, depth) }),
  ],
  [1, (random, depth) => ({ patternProperties: { "^a|b$": part(random, depth) } })],
  [2, (random, depth) => ({ items: part(random, depth) })],
  [1, (random, depth) => ({ prefixItems: list(random, depth) })],
  [1, (random, depth) => ({ prefixItems: list(random, depth), items: false })],
  [2, (random) => ({ enum: [...new Set(["a", 1, null, random.pick<Json>([true, 2.5, "ab"])])] })],
  [1, (random) => ({ enum: [random.pick<Json>([{ a: 1 }, [1], "a", 0])] })],
  [1, (random) => ({ const: random.pick<Json>(["a", 1, null, false]) })],
  [3, (random, depth) => ({ anyOf: list(random, depth) })],
  [2, (random, depth) => ({ oneOf: list(random, depth) })],
  [2, (random, depth) => ({ allOf: list(random, depth) })],
  [1, (random, depth) => ({ not: schema(random, Math.min(depth, 1)) })],
  [
    1,
    (random, depth) =>
      Object.fromEntries(
        ["if", "then", "else"].map((key) => [
          key,
          key === "if" ? schema(random, Math.min(depth, 1)) : part(random, depth),
        ]),
      ),
  ],
  [1, (random, depth) => ({ contains: schema(random, depth), minContains: 1 })],
  [1, (random, depth) => ({ dependentSchemas: { a: part(random, depth) } })],
  [1, () => ({ dependentRequired: { a: ["b"] } })],
  [1, () => ({ propertyNames: { maxLength: 1 } })],
  [1, (random) => ({ minimum: random.whole(-2, 2), maximum: random.whole(0, 4) })],
  [1, () => ({ exclusiveMinimum: 0 })],
  [1, (random) => ({ minLength: random.whole(0, 2), maxLength: random.whole(1, 4) })],
  [1, () => ({ pattern: "^a" })],
  [1, () => ({ minItems: 1, maxItems: 2, uniqueItems: true })],
  [1, () => ({ minProperties: 1, maxProperties: 2 })],
  [3, () => ({ description: "Words." })],
  [2, () => ({ default: { a: "a" }, title: "Title" })],
  [1, () => ({ unevaluatedProperties: false })],
  [4, (random) => ({ $ref: `#/$defs/${random.pick(DEFINITIONS).replace("/", "~1")}` })],
  [1, () => ({ $ref: "#" })],
];
const WEIGHTED = KEYWORDS.flatMap(([weight, make]) => Array.from({ length: weight }, () => make));

function schema(random: Random, depth: number): Schema {
  const [first = () => ({}), ...others] = WEIGHTED;
  const count = depth <= 0 ? 1 : random.whole(1, 4);
  const members = Array.from({ length: count }, () => random.pick([first, ...others]));
  const below = depth - 1;
  const made = Object.assign(
    {},
    ...members.map((make) => (depth < -1 ? {} : make(random, below))),
  ) as Schema;
  if ("prefixItems" in made) {
    // Beside a tuple, Ajv 8.20 takes an empty list that contains nothing; JSON Schema does not.
    delete made["contains"];
  }
  return made;
}

function document(random: Random): Schema {
  return {
    ...schema(random, 3),
    ...(random.chance(0.7) ? { type: "object" } : {}),
    $defs: Object.fromEntries(DEFINITIONS.map((name) => [name, schema(random, 2)])),
  };
}

const ajv = new Ajv2020({ strict: false, validateFormats: false, logger: false });

/**
 * What a function of Ajv's gives; `undefined` where it has no answer: a schema that leads straight back
 * to itself overflows its stack, and `unevaluatedProperties` in a recursion is a fault of its own.
 */
function answerOf<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

/** Long enough for a machine that does other things, too. */
const TEST_LIMIT_MS = 240_000;

describe("random tool schemas", () => {
  const seed = Number(process.env["SCHEMA_SEED"] ?? freshSeed());

  it(
    `keep what they take and pass the validator (SCHEMA_SEED=${String(seed)})`,
    () => {
      let compared = 0;
      let taken = 0;
      let slowest = 0;
      for (let round = 0; round < ROUNDS; round += 1) {
        const random = randomFrom(seedOf(seed, round));
        const original = document(random);
        const copy = structuredClone(original);
        const started = process.threadCpuUsage();
        const converted = kimiToolSchema(copy);
        // Of the thread alone: other work on the machine is no fault of the conversion.
        const elapsed = process.threadCpuUsage(started).user / 1_000;
        const details = JSON.stringify({ round, original, converted });
        expect([mfjsRefusal(converted, "lite"), mfjsRefusal(converted, "strict")], details).toEqual(
          [undefined, undefined],
        );
        expect(JSON.stringify(converted).length, details.slice(0, 2_000)).toBeLessThan(100_000);
        slowest = Math.max(slowest, elapsed);
        const before = answerOf(() => ajv.compile(original));
        const after = ajv.compile(converted);
        for (let index = 0; index < VALUES; index += 1) {
          const candidate = objectValue(random, 3);
          const verdict = answerOf(() => before?.(candidate));
          compared += verdict === undefined ? 0 : 1;
          taken += verdict === true ? 1 : 0;
          expect(
            verdict !== true || after(candidate),
            `${JSON.stringify(candidate)} ${details}`,
          ).toBe(true);
        }
      }
      expect(slowest).toBeLessThan(500);
      // The comparison says something only where both answers occur often.
      expect(compared).toBeGreaterThan(ROUNDS * VALUES * 0.5);
      expect(taken).toBeGreaterThan(compared * 0.1);
      expect(taken).toBeLessThan(compared * 0.9);
    },
    TEST_LIMIT_MS,
  );
});
