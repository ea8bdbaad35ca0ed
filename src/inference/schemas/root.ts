/** The root of a tool's schema: one object, whatever came. It has `type: object` and no union. */

import { Alternatives } from "./alternatives.ts";
import { Conversion } from "./conversion.ts";
import { writeDocument } from "./finish.ts";
import type { Node } from "./nodes.ts";
import { opaqueKeywords } from "./opaque-keywords.ts";
import type { Schema } from "./references.ts";
import { ANYTHING, keywordsFor, notesOf, type Shape } from "./shape.ts";

/** Most sets of required properties that are told in words. */
const MAX_SETS_IN_WORDS = 8;

function takesObjects({ types }: Shape): boolean {
  return types?.has("object") !== false;
}

function takesObjectsOnly({ types }: Shape): boolean {
  return types?.size === 1 && types.has("object");
}

/** What an object may have under a name that its shape does not declare. */
function undeclared({ keywords }: Shape): unknown {
  const given = keywords["additionalProperties"];
  return keywords["patternProperties"] === undefined ? (given ?? true) : true;
}

function anyOf(schemas: Iterable<unknown>): unknown {
  const unique = [...new Set(schemas)].filter((schema) => schema !== false);
  return unique.length < 2 ? (unique[0] ?? false) : { anyOf: unique };
}

/** One shape for the objects that any of these take. */
function joinedShape(shapes: readonly Shape[]): Shape {
  const [first = ANYTHING, ...others] = shapes;
  if (others.length === 0) {
    return first;
  }
  const names = new Set(shapes.flatMap(({ properties }) => [...properties.keys()]));
  const required = [...first.required].filter((name) =>
    others.every((shape) => shape.required.has(name)),
  );
  return {
    types: new Set(["object"]),
    properties: new Map(
      [...names].map((name) => [
        name,
        anyOf([
          ...shapes.flatMap(({ properties }) =>
            properties.has(name) ? [properties.get(name)] : [],
          ),
          // Where a shape does not know the name, what it takes there counts as well.
          ...shapes.filter(({ properties }) => !properties.has(name)).map(undeclared),
        ]),
      ]),
    ),
    required: new Set(required),
    keywords: shapes.some((shape) => undeclared(shape) === true)
      ? {}
      : { additionalProperties: anyOf(shapes.map(undeclared)) },
    notes: {},
  };
}

function listOfNames(names: Iterable<string>): string {
  return [...names].map((name) => `"${name}"`).join(", ");
}

/** What the root cannot say in keywords, in words for the model. */
function rootNote(shapes: readonly Shape[], hidden: readonly string[], given: unknown): string {
  const sets = [...new Set(shapes.map(({ required }) => listOfNames(required)))];
  return [
    ...(typeof given === "string" && given !== "" ? [given] : []),
    ...(sets.length > 1 && sets.length <= MAX_SETS_IN_WORDS && !sets.includes("")
      ? [`Needs one of these sets of properties: ${sets.join("; or ")}.`]
      : []),
    ...(hidden.length === 0 ? [] : [`Also takes: ${listOfNames(hidden)}.`]),
  ].join("\n");
}

/** The root behind references that stand alone, and what is said on the way. */
function rootBehindReferences(
  root: Schema,
  alternatives: Alternatives,
): { root: Schema; notes: Schema } {
  let current = root;
  let notes = notesOf(root);
  for (const seen = new Set<Schema>(); !seen.has(current);) {
    seen.add(current);
    const [only, ...others] = alternatives.of(current);
    if (only?.target === undefined || others.length > 0) {
      break;
    }
    current = only.target;
    notes = { ...notesOf(current), ...notes };
  }
  return { root: current, notes };
}

/** A tool's parameters as they go out. */
export interface ObjectSchema {
  readonly schema: Node;
  /** Properties that the validator lets nobody declare; they are told in words. */
  readonly undeclared: readonly string[];
}

/**
 * How closely a schema is looked at, in subschemas: at first at all of it, then, where unions that lead
 * to each other make too much of it, at the outer parts.
 */
const SUBSCHEMA_LIMITS = [8_000, 1_000, 100, 10];
/** Longest result, in characters of JSON, for parameters that are not that long themselves. */
const MAX_LENGTH = 50_000;

/** Converts a tool's parameters; never throws for what JSON can hold. */
export function objectSchema(document: Schema): ObjectSchema {
  let result = convertWithin(document, SUBSCHEMA_LIMITS[0] ?? 0);
  for (const steps of SUBSCHEMA_LIMITS.slice(1)) {
    const { length } = JSON.stringify(result.schema);
    if (length <= MAX_LENGTH || length <= 2 * lengthOf(document)) {
      return result;
    }
    result = convertWithin(document, steps);
  }
  return result;
}

function lengthOf(document: Schema): number {
  try {
    return JSON.stringify(document).length;
  } catch {
    // Objects that lead to each other have no length.
    return 0;
  }
}

function convertWithin(document: Schema, maxSteps: number): ObjectSchema {
  const alternatives = new Alternatives(document, maxSteps);
  const { root, notes } = rootBehindReferences(document, alternatives);
  const all = alternatives.of(root).flatMap((one) => alternatives.opened(one));
  const shapes = all.filter(takesObjects);
  const isWhole = all.length > 0 && all.every(takesObjectsOnly);
  const conversion = new Conversion(root, alternatives, isWhole ? root : undefined);
  const shape = joinedShape(shapes);
  const { members, undeclared: hidden } = conversion.object(shape);
  const description = rootNote(shapes, hidden, notes["description"]);
  const { description: _given, default: _default, examples: _examples, ...rest } = notes;
  const node: Node = {
    type: "object",
    ...rest,
    ...(description === "" ? {} : { description }),
    properties: {},
    ...opaqueKeywords(keywordsFor(shape.keywords, "object")),
    ...members,
  };
  return { schema: writeDocument(node, conversion), undeclared: hidden };
}
