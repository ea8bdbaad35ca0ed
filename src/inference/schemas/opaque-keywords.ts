/** Keywords whose schemas Moonshot's validator does not look into: they go out as they came, or not at all. */

import { mentions, type Schema } from "./references.ts";

/** Each group means something together only. */
const OPAQUE_GROUPS: readonly (readonly string[])[] = [
  ["not"],
  ["if", "then", "else"],
  ["contains", "minContains", "maxContains"],
  ["propertyNames"],
  ["dependentSchemas"],
  ["dependentRequired"],
];

function isReferring(value: unknown): boolean {
  return mentions(value, (name) => name === "$ref" || name === "$dynamicRef");
}

/** Keywords without those whose schemas refer to others. */
export function withoutReferring(keywords: Schema): Schema {
  const referring = new Set(
    OPAQUE_GROUPS.filter((group) => group.some((key) => isReferring(keywords[key]))).flat(),
  );
  return Object.fromEntries(Object.entries(keywords).filter(([key]) => !referring.has(key)));
}

/** Keywords that the validator does not look into, as far as they may go out. */
export function opaqueKeywords(keywords: Schema): Schema {
  const {
    additionalProperties: _additional,
    patternProperties: _pattern,
    properties: _properties,
    ...rest
  } = keywords;
  return withoutReferring(rest);
}
