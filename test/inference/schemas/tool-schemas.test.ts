import { describe, expect, it } from "vitest";
import {
  inspectToolSchemas,
  kimiToolSchema,
  normalizeToolSchemas,
} from "../../../src/inference/tool-schemas.ts";
import { mfjsRefusal } from "../../kit/mfjs.ts";

type Tools = Parameters<typeof normalizeToolSchemas>[0]["tools"];

const ANY = { type: ["string", "number", "boolean", "object", "array", "null"] };

function toolsOf(...parameters: readonly object[]): Tools {
  return parameters.map((schema, index) => ({
    name: `tool_${String(index)}`,
    parameters: schema,
  })) as unknown as Tools;
}

/** An operation that takes one number under its own name, and nothing else. */
function closed(name: string): object {
  return {
    type: "object",
    properties: { op: { const: name }, [name]: { type: "number" } },
    required: ["op", name],
    additionalProperties: false,
  };
}

function reference(name: string): object {
  return { $ref: `#/$defs/${name}` };
}

function property(schema: object, more: object = {}): unknown {
  const converted = kimiToolSchema({ type: "object", properties: { x: schema }, ...more });
  expect(mfjsRefusal(converted, "strict")).toBeUndefined();
  return (converted as { properties: { x: unknown } }).properties.x;
}

describe("a property of a tool", () => {
  it.each([
    ["is anything, where it says nothing", {}, ANY],
    ["is anything and keeps its words", { description: "d" }, { ...ANY, description: "d" }],
    ["keeps a default, where it may be anything", { default: 1 }, { default: 1 }],
    ["is an array of anything, never of strings", { type: "array", items: {} }, { type: "array" }],
    ["keeps an object without a type as it is", { minProperties: 1 }, { minProperties: 1 }],
    [
      "has the types of its counted values, each apart",
      { enum: ["a", 1, 2.5, null, true] },
      {
        anyOf: [
          { type: "string", enum: ["a"] },
          { type: "number", enum: [1, 2.5] },
          { type: "null" },
          { type: "boolean", enum: [true] },
        ],
      },
    ],
    [
      "loses a value that its own type rules out",
      { type: "string", enum: ["a", null] },
      { type: "string", enum: ["a"] },
    ],
    [
      "is nullable, where OpenAPI says so",
      { type: "string", enum: ["a"], nullable: true },
      { anyOf: [{ type: "string", enum: ["a"] }, { type: "null" }] },
    ],
    [
      "is one enumeration, where a union counts constants",
      { oneOf: [{ const: "a" }, { const: "b" }] },
      { type: "string", enum: ["a", "b"] },
    ],
    [
      "keeps what each constant of a union means",
      { oneOf: [{ const: "a", description: "A." }, { const: "b" }] },
      {
        anyOf: [
          { type: "string", enum: ["a"], description: "A." },
          { type: "string", enum: ["b"] },
        ],
      },
    ],
    [
      "has each keyword with the type that it is for",
      { type: ["string", "array", "null"], minLength: 1, minItems: 2, description: "d" },
      {
        anyOf: [{ type: "string", minLength: 1 }, { type: "array", minItems: 2 }, { type: "null" }],
        description: "d",
      },
    ],
    [
      "says a default once, where its union says it as well",
      { default: "a", anyOf: [{ type: "string", default: "b" }, { type: "null" }] },
      { anyOf: [{ type: "string" }, { type: "null" }], default: "a" },
    ],
    [
      "is what all parts of it are",
      {
        allOf: [
          { type: "object", properties: { a: { type: "string", minLength: 1 } }, required: ["a"] },
          { properties: { a: { maxLength: 3 }, b: { type: "number" } }, required: ["b"] },
        ],
      },
      {
        type: "object",
        properties: { a: { type: "string", minLength: 1, maxLength: 3 }, b: { type: "number" } },
        required: ["a", "b"],
      },
    ],
    [
      "is a closed tuple by what may stand in it, and by how many",
      { type: "array", items: [{ type: "string" }, { type: "number" }], additionalItems: false },
      {
        type: "array",
        items: { anyOf: [{ type: "string" }, { type: "number" }] },
        prefixItems: [{ type: "string" }, { type: "number" }],
        maxItems: 2,
      },
    ],
    [
      "may have what its patterns allow, where nothing else is",
      {
        type: "object",
        patternProperties: { "^n": { type: "number" } },
        additionalProperties: false,
      },
      {
        type: "object",
        additionalProperties: { type: "number" },
        patternProperties: { "^n": { type: "number" } },
      },
    ],
    [
      "may have what its patterns allow, where something else is",
      {
        type: "object",
        patternProperties: { "^n": { type: "number" } },
        additionalProperties: { type: "string" },
        required: ["n"],
      },
      {
        type: "object",
        properties: { n: { anyOf: [{ type: "string" }, { type: "number" }] } },
        required: ["n"],
        additionalProperties: { anyOf: [{ type: "string" }, { type: "number" }] },
        patternProperties: { "^n": { type: "number" } },
      },
    ],
    [
      "has no type that nobody knows",
      { type: "file", description: "d" },
      { ...ANY, description: "d" },
    ],
    [
      "has only words that are text",
      { type: "string", description: 5, title: {} },
      { type: "string" },
    ],
  ])("%s", (_what, schema, expected) => {
    expect(property(schema)).toEqual(expected);
  });

  it("is told once and referred to, where it leads back to itself", () => {
    const value = {
      anyOf: [
        { type: "string" },
        { type: "array", items: { $ref: "#/$defs/value" } },
        { type: "object", additionalProperties: { $ref: "#/$defs/value" } },
      ],
    };
    const converted = kimiToolSchema({
      type: "object",
      properties: { x: { $ref: "#/$defs/value", description: "Any JSON." } },
      $defs: { value },
    });
    expect(converted).toEqual({
      type: "object",
      properties: { x: { anyOf: [{ $ref: "#/$defs/value" }], description: "Any JSON." } },
      $defs: { value },
    });
  });

  it.each([
    ["a tree with required children", ["children"]],
    ["a tree with a required name", ["name", "children"]],
  ])("has an end that the validator sees: %s", (_what, required) => {
    const tree = {
      type: "object",
      properties: {
        name: { type: "string" },
        children: { type: "array", items: { $ref: "#" } },
      },
      required,
    };
    const converted = kimiToolSchema(tree);
    expect(mfjsRefusal(converted, "lite")).toBeUndefined();
    expect(converted).toMatchObject({ required });
    expect(JSON.stringify(converted)).toContain('{"$ref":"#"}');
  });

  it("may have a name that the validator takes for something else", () => {
    const named = property(
      { type: "object", properties: { "{id}": { enum: ["a"] }, "a/b": { $ref: "#/$defs/n" } } },
      { $defs: { n: { type: "object", properties: { "c/d": { $ref: "#/$defs/n" } } } } },
    );
    expect(named).toEqual({
      type: "object",
      properties: {
        "{id}": { type: "string" },
        "a/b": { type: "object", properties: { "c/d": ANY } },
      },
    });
  });
});

describe("the root of a tool", () => {
  it("is one object for a union, and says in words what belongs together", () => {
    expect(
      kimiToolSchema({ description: "Moves.", oneOf: [closed("up"), closed("down")] }),
    ).toEqual({
      type: "object",
      description: 'Moves.\nNeeds one of these sets of properties: "op", "up"; or "op", "down".',
      properties: {
        op: { type: "string", enum: ["up", "down"] },
        up: { type: "number" },
        down: { type: "number" },
      },
      required: ["op"],
      additionalProperties: false,
    });
  });

  it("keeps its own properties, where a union only says which are needed", () => {
    expect(
      kimiToolSchema({
        type: "object",
        properties: { a: { type: "string" }, b: { type: "number" } },
        anyOf: [{ required: ["a"] }, { required: ["b"] }],
      }),
    ).toEqual({
      type: "object",
      description: 'Needs one of these sets of properties: "a"; or "b".',
      properties: { a: { type: "string" }, b: { type: "number" } },
    });
  });

  it("says in words which properties have names that Kimi reserves, and the host logs them", () => {
    const [tool] = normalizeToolSchemas({
      tools: toolsOf({
        type: "object",
        properties: { required: { type: "boolean" }, label: { type: "string" } },
        required: ["required", "label"],
        additionalProperties: false,
      }),
    });
    expect(tool?.parameters).toEqual({
      type: "object",
      description: 'Also takes: "required".',
      properties: { label: { type: "string" } },
      required: ["label"],
    });
    expect(inspectToolSchemas({ tools: tool === undefined ? [] : [tool] })).toEqual([
      {
        toolName: "tool_0",
        toolIndex: 0,
        violations: ["tool_0.parameters.properties.required: Kimi reserves this name"],
      },
    ]);
  });

  it.each([
    ["nothing", undefined],
    ["text", "x"],
    ["a list", []],
    ["a boolean", true],
    ["no object", { type: "string" }],
  ])("is an object of anything for %s", (_what, parameters) => {
    expect(kimiToolSchema(parameters)).toEqual({ type: "object", properties: {} });
  });
});

describe("the tools of a run", () => {
  it("are converted once, and are the same when they come again", () => {
    const tools = toolsOf({ type: "object", properties: { a: {} } }, { type: "object" });
    const once = normalizeToolSchemas({ tools });
    const again = normalizeToolSchemas({ tools });
    expect(again.map(({ parameters }) => parameters)).toEqual(
      once.map(({ parameters }) => parameters),
    );
    expect(again[0]?.parameters).toBe(once[0]?.parameters);
    expect(normalizeToolSchemas({ tools: once })[0]).toBe(once[0]);
  });

  it("stay small and quick: nine types that lead to each other", () => {
    const names = Array.from({ length: 9 }, (_, index) => `Block${String(index)}`);
    const schema = {
      type: "object",
      properties: Object.fromEntries(names.map((name) => [name, reference(name)])),
      $defs: Object.fromEntries(
        names.map((name) => [
          name,
          {
            type: "object",
            description: `A ${name}.`,
            properties: {
              text: { type: "string" },
              ...Object.fromEntries(
                names.map((other) => [`to${other}`, { type: "array", items: reference(other) }]),
              ),
            },
            required: ["text"],
          },
        ]),
      ),
    };
    kimiToolSchema(structuredClone(schema));
    const started = performance.now();
    const converted = kimiToolSchema(schema);
    expect(performance.now() - started).toBeLessThan(50);
    expect(JSON.stringify(converted).length).toBeLessThan(100_000);
    expect(mfjsRefusal(converted, "strict")).toBeUndefined();
  });

  it("stay small where each type holds the one before twice", () => {
    const definitions = Object.fromEntries(
      Array.from({ length: 40 }, (_, index) => [
        `T${String(index)}`,
        {
          type: "object",
          properties:
            index === 0
              ? { text: { type: "string" } }
              : Object.fromEntries(
                  ["left", "right"].map((side) => [
                    side,
                    { $ref: `#/$defs/T${String(index - 1)}` },
                  ]),
                ),
        },
      ]),
    );
    const converted = kimiToolSchema({
      type: "object",
      properties: { top: { $ref: "#/$defs/T39" } },
      $defs: definitions,
    });
    expect(JSON.stringify(converted).length).toBeLessThan(100_000);
    expect(mfjsRefusal(converted, "strict")).toBeUndefined();
  });

  it("end, also where objects lead to each other outside of JSON, or go ten thousand deep", () => {
    const circle: Record<string, unknown> = { type: "object" };
    circle["properties"] = { next: circle };
    let deep: Record<string, unknown> = { type: "string" };
    for (let level = 0; level < 10_000; level += 1) {
      deep = { type: "object", properties: { next: deep } };
    }
    for (const schema of [circle, deep]) {
      expect(mfjsRefusal(kimiToolSchema(schema), "strict")).toBeUndefined();
    }
  });
});
