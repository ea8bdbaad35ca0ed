/**
 * The constraints of one JSON Schema without references and unions in it, and how two of them become
 * one. Where two cannot be told in one, the first one's counts: the result may take more than both
 * did, and never less.
 */

import { isDeepStrictEqual } from "node:util";
import { isRecord } from "../../json.ts";
import type { Schema } from "./references.ts";

/** JSON Schema's names of types. */
export const TYPES = ["string", "number", "integer", "boolean", "object", "array", "null"] as const;
/** A type. */
export type TypeName = (typeof TYPES)[number];

/** Keywords for what a schema says beside its constraints. */
export const ANNOTATIONS = [
  "description",
  "title",
  "default",
  "examples",
  "deprecated",
  "readOnly",
  "writeOnly",
] as const;

/** Keywords that count for one type only. */
const OBJECT = ["propertyNames", "minProperties", "maxProperties", "dependentRequired"];
const OBJECT_SCHEMAS = ["additionalProperties", "patternProperties", "dependentSchemas"];
const ARRAY = ["minItems", "maxItems", "uniqueItems", "contains", "minContains", "maxContains"];
const ARRAY_SCHEMAS = ["items", "prefixItems", "additionalItems"];
const STRING = [
  "minLength",
  "maxLength",
  "pattern",
  "format",
  "contentEncoding",
  "contentMediaType",
];
const NUMBER = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
/** Keywords that count for each type. */
const KEYWORDS_OF_EVERY_TYPE = ["not", "if", "then", "else"];

const KEYWORDS: Readonly<Record<TypeName, readonly string[]>> = {
  object: [...OBJECT, ...OBJECT_SCHEMAS],
  array: [...ARRAY, ...ARRAY_SCHEMAS],
  string: STRING,
  number: NUMBER,
  integer: NUMBER,
  boolean: [],
  null: [],
};
const ALL_KEYWORDS: ReadonlySet<string> = new Set([
  ...Object.values(KEYWORDS).flat(),
  ...KEYWORDS_OF_EVERY_TYPE,
]);

/** Keywords that mean something together only. */
const KEYWORD_GROUPS: readonly (readonly string[])[] = [
  ["if", "then", "else"],
  ["contains", "minContains", "maxContains"],
  ["items", "prefixItems", "additionalItems"],
];

/** The smaller or the larger of two bounds is the narrower one. */
const LARGER_IS_NARROWER: ReadonlySet<string> = new Set([
  "minimum",
  "exclusiveMinimum",
  "minLength",
  "minItems",
  "minProperties",
]);
const SMALLER_IS_NARROWER: ReadonlySet<string> = new Set([
  "maximum",
  "exclusiveMaximum",
  "maxLength",
  "maxItems",
  "maxProperties",
]);

/** Constraints that hold together, with nothing to look up and nothing to choose from. */
export interface Shape {
  /** Absent for any type. */
  readonly types?: ReadonlySet<TypeName>;
  /** The only values, where they are counted. */
  readonly values?: readonly unknown[];
  /** Subschemas as they came. */
  readonly properties: ReadonlyMap<string, unknown>;
  readonly required: ReadonlySet<string>;
  readonly keywords: Schema;
  readonly notes: Schema;
}

/** The shape that takes everything. */
export const ANYTHING: Shape = {
  properties: new Map(),
  required: new Set(),
  keywords: {},
  notes: {},
};

function isType(value: unknown): value is TypeName {
  return TYPES.some((type) => type === value);
}

function typesOf(value: unknown): ReadonlySet<TypeName> | undefined {
  const named = Array.isArray(value) ? (value as unknown[]) : [value];
  // One name that nobody knows makes the whole list unknown.
  return named.length > 0 && named.every(isType) ? new Set(named) : undefined;
}

/** The keywords of one type, or of all of them. */
export function keywordsFor(keywords: Schema, type: TypeName | undefined): Schema {
  const mine =
    type === undefined ? ALL_KEYWORDS : new Set([...KEYWORDS[type], ...KEYWORDS_OF_EVERY_TYPE]);
  return Object.fromEntries(Object.entries(keywords).filter(([key]) => mine.has(key)));
}

function isNumber(value: unknown): value is number {
  return typeof value === "number";
}

/** Draft 4 wrote an exclusive bound as a flag beside the bound. */
function withNumericBounds(schema: Schema): Schema {
  const changed: Record<string, unknown> = { ...schema };
  for (const [flag, bound] of [
    ["exclusiveMinimum", "minimum"],
    ["exclusiveMaximum", "maximum"],
  ] as const) {
    if (changed[flag] === true && isNumber(changed[bound])) {
      changed[flag] = changed[bound];
      delete changed[bound];
    }
    if (flag in changed && !isNumber(changed[flag])) {
      delete changed[flag];
    }
  }
  return changed;
}

function isSound(key: string, value: unknown): boolean {
  if (LARGER_IS_NARROWER.has(key) || SMALLER_IS_NARROWER.has(key)) {
    return isNumber(value);
  }
  return key === "pattern" || key === "format" ? typeof value === "string" : value !== undefined;
}

/** What a schema says beside its constraints: words, a default, examples. */
export function notesOf(schema: Schema): Schema {
  return Object.fromEntries(
    ANNOTATIONS.filter(
      (key) =>
        Object.hasOwn(schema, key) &&
        (typeof schema[key] === "string" || (key !== "description" && key !== "title")),
    ).map((key) => [key, schema[key]]),
  );
}

function valuesOf(schema: Schema): readonly unknown[] | undefined {
  const listed = Array.isArray(schema["enum"]) ? (schema["enum"] as unknown[]) : undefined;
  if (!Object.hasOwn(schema, "const")) {
    return listed?.length === 0 ? undefined : listed;
  }
  return [schema["const"]];
}

/** A schema's own constraints; references and unions are left to the caller. */
export function shapeOf(schema: Schema): Shape {
  const types = typesOf(schema["type"]);
  const values = valuesOf(schema);
  const named = isRecord(schema["properties"]) ? Object.entries(schema["properties"]) : [];
  const required = Array.isArray(schema["required"]) ? (schema["required"] as unknown[]) : [];
  const nullable = schema["nullable"] === true;
  return {
    ...(types === undefined ? {} : { types: nullable ? new Set([...types, "null"]) : types }),
    ...(values === undefined
      ? {}
      : { values: nullable && !values.includes(null) ? [...values, null] : values }),
    properties: new Map(named),
    required: new Set(required.filter((name) => typeof name === "string")),
    keywords: Object.fromEntries(
      Object.entries(withNumericBounds(schema)).filter(
        ([key, value]) => ALL_KEYWORDS.has(key) && isSound(key, value),
      ),
    ),
    notes: notesOf(schema),
  };
}

function bothTypes(
  left: ReadonlySet<TypeName> | undefined,
  right: ReadonlySet<TypeName> | undefined,
): ReadonlySet<TypeName> | undefined {
  if (left === undefined || right === undefined) {
    return left ?? right;
  }
  const takes = (types: ReadonlySet<TypeName>, type: TypeName): boolean =>
    types.has(type) || (type === "integer" && types.has("number"));
  return new Set(TYPES.filter((type) => takes(left, type) && takes(right, type)));
}

function bothValues(
  left: readonly unknown[] | undefined,
  right: readonly unknown[] | undefined,
): readonly unknown[] | undefined {
  return left === undefined || right === undefined
    ? (left ?? right)
    : left.filter((value) => right.some((other) => isDeepStrictEqual(value, other)));
}

type JoinValues = (left: unknown, right: unknown) => unknown;

function bothKeywords(left: Schema, right: Schema, both: JoinValues): Schema {
  const taken = new Set(KEYWORD_GROUPS.filter((unit) => unit.some((key) => key in left)).flat());
  const merged: Record<string, unknown> = { ...left };
  for (const [key, value] of Object.entries(right)) {
    const mine = left[key];
    if (mine === undefined) {
      if (!taken.has(key)) {
        merged[key] = value;
      }
    } else if (isNumber(mine) && isNumber(value)) {
      merged[key] = LARGER_IS_NARROWER.has(key)
        ? Math.max(mine, value)
        : SMALLER_IS_NARROWER.has(key)
          ? Math.min(mine, value)
          : mine;
    } else if (key === "additionalProperties") {
      merged[key] = both(mine, value);
    } else if (key === "patternProperties" && isRecord(mine) && isRecord(value)) {
      merged[key] = { ...value, ...mine };
    } else if (key === "items" && isPlainItems(left) && isPlainItems(right)) {
      merged[key] = both(mine, value);
    }
  }
  return merged;
}

function isPlainItems(keywords: Schema): boolean {
  return !Array.isArray(keywords["items"]) && !("prefixItems" in keywords);
}

/**
 * The shape of what both take.
 *
 * @param both - joins two subschemas
 * @returns `undefined` when no value can be both
 */
export function joinShapes(left: Shape, right: Shape, both: JoinValues): Shape | undefined {
  const types = bothTypes(left.types, right.types);
  const values = bothValues(left.values, right.values);
  if (types?.size === 0 || values?.length === 0) {
    return undefined;
  }
  const properties = new Map(left.properties);
  for (const [name, value] of right.properties) {
    properties.set(name, properties.has(name) ? both(properties.get(name), value) : value);
  }
  return {
    ...(types === undefined ? {} : { types }),
    ...(values === undefined ? {} : { values }),
    properties,
    required: new Set([...left.required, ...right.required]),
    keywords: bothKeywords(left.keywords, right.keywords, both),
    notes: { ...right.notes, ...left.notes },
  };
}
