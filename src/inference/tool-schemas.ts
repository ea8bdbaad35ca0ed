/**
 * Tool parameters as Kimi takes them: every property has a type, and references are written out.
 * A schema that the server refuses costs the whole request, also for tools that are never called.
 */

import { isRecord } from "../json.ts";

type Schema = Readonly<Record<string, unknown>>;

/** Deeper nesting than this is not looked into. */
const MAX_DEPTH = 32;

/** Members that give a property a type without `type`. */
const TYPED_BY = ["type", "anyOf", "oneOf", "allOf"];

function typeOfValue(value: unknown): string {
  if (value === null) {
    return "null";
  }
  if (Array.isArray(value)) {
    return "array";
  }
  return Number.isInteger(value) ? "integer" : typeof value;
}

/** The type that a schema means without saying so. */
function inferType(schema: Schema): string {
  const values = Array.isArray(schema.enum)
    ? (schema.enum as unknown[])
    : "const" in schema
      ? [schema.const]
      : [];
  const types = new Set(values.map(typeOfValue));
  const [only] = types;
  if (types.size === 1 && only !== undefined) {
    return only;
  }
  if (types.size === 2 && types.has("integer") && types.has("number")) {
    return "number";
  }
  if ("properties" in schema || "additionalProperties" in schema || "required" in schema) {
    return "object";
  }
  return "items" in schema ? "array" : "string";
}

/** Follows a reference within the same schema, e.g. `#/$defs/item`. */
function lookUp(root: Schema, reference: string): Schema | undefined {
  let current: unknown = root;
  for (const part of reference.slice(2).split("/")) {
    const key = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
    current = isRecord(current) ? current[key] : undefined;
  }
  return isRecord(current) ? current : undefined;
}

/** Where the conversion is: the whole schema, the references on the way, and how deep it is. */
interface Place {
  readonly root: Schema;
  readonly references: readonly string[];
  readonly depth: number;
}

/** Writes a reference out; one that leads back into itself ends there with its type alone. */
function resolve(schema: Schema, place: Place): { schema: Schema; references: readonly string[] } {
  const { $ref: reference, ...rest } = schema;
  const { references } = place;
  if (typeof reference !== "string" || !reference.startsWith("#/")) {
    return { schema, references };
  }
  const target = lookUp(place.root, reference);
  if (target === undefined) {
    return { schema: rest, references };
  }
  if (references.includes(reference)) {
    return { schema: { ...rest, type: target.type ?? inferType(target) }, references };
  }
  return { schema: { ...target, ...rest }, references: [...references, reference] };
}

function mapMembers(
  value: unknown,
  change: (member: unknown) => unknown,
): Record<string, unknown> | undefined {
  return isRecord(value)
    ? Object.fromEntries(Object.entries(value).map(([key, member]) => [key, change(member)]))
    : undefined;
}

function convert(value: unknown, place: Place, isProperty: boolean): unknown {
  if (!isRecord(value) || place.depth > MAX_DEPTH) {
    return value;
  }
  const { schema, references } = resolve(value, place);
  const below = { root: place.root, references, depth: place.depth + 1 };
  const deeper = (member: unknown): unknown => convert(member, below, true);
  const list = (member: unknown): unknown => (Array.isArray(member) ? member.map(deeper) : member);
  const properties = mapMembers(schema.properties, deeper);
  const typed = !isProperty || TYPED_BY.some((key) => key in schema);
  return {
    ...schema,
    ...(typed ? {} : { type: inferType(schema) }),
    ...(properties === undefined ? {} : { properties }),
    ...("items" in schema
      ? { items: Array.isArray(schema.items) ? list(schema.items) : deeper(schema.items) }
      : {}),
    ...(isRecord(schema.additionalProperties)
      ? { additionalProperties: deeper(schema.additionalProperties) }
      : {}),
    ...Object.fromEntries(
      ["anyOf", "oneOf", "allOf"].flatMap((key) =>
        key in schema ? [[key, list(schema[key])]] : [],
      ),
    ),
  };
}

/** A tool's parameters with references written out and a type on every property. */
export function kimiToolSchema(parameters: unknown): unknown {
  if (!isRecord(parameters)) {
    return parameters;
  }
  const place = { root: parameters, references: [], depth: 0 };
  const converted = convert(parameters, place, false);
  if (!isRecord(converted)) {
    return converted;
  }
  const { $defs: _defs, definitions: _definitions, ...schema } = converted;
  return schema;
}
