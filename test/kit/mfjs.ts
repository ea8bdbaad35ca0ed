/**
 * "Moonshot Flavored JSON Schema", as the vendor's own validator judges it: github.com/MoonshotAI/walle,
 * levels `lite` (whose refusals users of api.kimi.com quote word for word, e.g. MoonshotAI/kimi-cli#2061
 * and #2531) and `strict`. Only what these two levels look at is here; 90 verdicts of that program are
 * in `test/inference/schemas/verdicts.json`.
 */

import { isRecord } from "../../src/json.ts";

export type Level = "lite" | "strict";
type Schema = Readonly<Record<string, unknown>>;

const TYPES: ReadonlySet<string> = new Set([
  "string",
  "number",
  "integer",
  "boolean",
  "null",
  "array",
  "object",
]);
const WORDS = ["description", "title"];
/** Allowed at the top beside what allows words only. */
const AT_TOP = ["$defs", "$id"];
/** No property may have such a name. */
const RESERVED: ReadonlySet<string> = new Set([
  "$defs",
  "$ref",
  "anyOf",
  "required",
  "additionalProperties",
]);
const MAX_VALUES = 500;
const MAX_BRANCHES = 100;
/** Above so many values, all of them together may have so many characters. */
const MANY_VALUES = 250;
const MAX_VALUES_LENGTH = 7_500;

class Refusal extends Error {
  readonly path: readonly string[];
  readonly what: string;
  constructor(path: readonly string[], what: string) {
    super(what);
    this.path = path;
    this.what = what;
  }
}

function refuse(path: readonly string[], what: string): never {
  throw new Refusal(path, what);
}

function hasBraces(name: string): boolean {
  return name.includes("{") && name.includes("}");
}

function list(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? (value as unknown[]) : undefined;
}

function typeNames(schema: Schema): readonly string[] {
  const { type } = schema;
  return (list(type) ?? (type === undefined ? [] : [type])) as string[];
}

class Judge {
  readonly #root: Schema;
  readonly #level: Level;

  constructor(root: Schema, level: Level) {
    this.#root = root;
    this.#level = level;
  }

  judge(): void {
    if (Object.keys(this.#root).length === 0) {
      return;
    }
    this.#walk(this.#root, []);
    this.#walkReferences(this.#root, [], !this.#ends(this.#root, new Set()));
  }

  #walk(schema: Schema, path: readonly string[]): void {
    if (isRecord(schema["$defs"])) {
      for (const [name, definition] of Object.entries(schema["$defs"])) {
        if (!isRecord(definition)) {
          refuse([...path, "$defs"], "$defs schema must be object");
        }
        this.#walk(definition, [...path, "$defs", name]);
      }
    }
    this.#checkType(schema, path);
    this.#checkProperties(schema, path);
    this.#checkRequired(schema, path);
    this.#checkValues(schema, path);
    this.#checkReference(schema, path);
    this.#checkWords(schema, path);
    this.#checkUnion(schema, path);
    if ("items" in schema && !isRecord(schema["items"])) {
      refuse([...path, "items"], "items must be an object");
    }
    const additional = schema["additionalProperties"];
    if (additional !== undefined && typeof additional !== "boolean" && !isRecord(additional)) {
      refuse([...path, "additionalProperties"], "must be a boolean or an object");
    }
    if ("$defs" in schema) {
      this.#checkDefinitions(schema["$defs"], [...path, "$defs"]);
    }
    this.#walkChildren(schema, path);
  }

  #walkChildren(schema: Schema, path: readonly string[]): void {
    if (isRecord(schema["properties"])) {
      for (const [name, property] of Object.entries(schema["properties"])) {
        this.#walk(property as Schema, [...path, "properties", name]);
      }
    }
    for (const key of ["items", "additionalProperties"]) {
      if (isRecord(schema[key])) {
        this.#walk(schema[key], [...path, key]);
      }
    }
    for (const [index, branch] of (list(schema["anyOf"]) ?? []).entries()) {
      this.#walk(branch as Schema, [...path, `anyOf{${String(index)}}`]);
    }
  }

  /** The validator looks a schema up by its path, and reads braces in a name as a place in a list. */
  #isLookedUp(path: readonly string[]): void {
    if (path.some((part, index) => hasBraces(part) && path[index - 1] === "properties")) {
      refuse(path, "invalid path");
    }
  }

  #checkType(schema: Schema, path: readonly string[]): void {
    if (!("type" in schema)) {
      return;
    }
    if ("anyOf" in schema) {
      refuse(
        path,
        "when using anyOf, type should be defined in anyOf items instead of the parent schema",
      );
    }
    if ("$ref" in schema) {
      refuse(
        path,
        "when using $ref, type should be defined in the referenced schema instead of the parent schema",
      );
    }
    const { type } = schema;
    if (typeof type !== "string" && !Array.isArray(type)) {
      refuse(path, "type must be string or array of strings");
    }
    const names = typeNames(schema);
    if (names.length === 0 || !names.every((name) => TYPES.has(name))) {
      refuse(path, "invalid type");
    }
    if (names.length < 2) {
      return;
    }
    const isValued = "enum" in schema;
    if (isValued && names.some((name) => name === "object" || name === "array")) {
      refuse(path, "type is not allowed in combination with enum");
    }
    if (this.#level === "strict" && !(isValued && names.length === 2)) {
      const allowed = new Set(["type", ...WORDS, ...(path.length === 0 ? AT_TOP : [])]);
      const other = Object.keys(schema).find((key) => !allowed.has(key));
      if (other !== undefined) {
        refuse(path, `keyword ${other} is not allowed in combination with multiple types`);
      }
    }
  }

  #checkProperties(schema: Schema, path: readonly string[]): void {
    if (!("properties" in schema)) {
      return;
    }
    const { properties } = schema;
    if (!isRecord(properties)) {
      refuse([...path, "properties"], "properties must be an object");
    }
    for (const [name, property] of Object.entries(properties)) {
      if (RESERVED.has(name)) {
        refuse([...path, "properties"], `property name '${name}' is reserved`);
      }
      if (!isRecord(property)) {
        refuse([...path, "properties"], `property schema for '${name}' must be an object`);
      }
    }
  }

  #checkRequired(schema: Schema, path: readonly string[]): void {
    if (!("required" in schema)) {
      return;
    }
    const at = [...path, "required"];
    const required = list(schema["required"]) ?? refuse(at, "required must be an array");
    if (required.length === 0) {
      return;
    }
    this.#isLookedUp(path);
    const properties = isRecord(schema["properties"]) ? schema["properties"] : {};
    for (const name of required) {
      if (typeof name !== "string") {
        refuse(at, "items in required array must be strings");
      }
      if (!Object.hasOwn(properties, name)) {
        refuse(at, `required property '${name}' is not defined in properties`);
      }
    }
  }

  #checkValues(schema: Schema, path: readonly string[]): void {
    if (!("enum" in schema)) {
      return;
    }
    const at = [...path, "enum"];
    const values = list(schema["enum"]) ?? refuse(at, "enum must be an array");
    if (values.length === 0 || values.length > MAX_VALUES) {
      refuse(at, "enum array is empty or too long");
    }
    this.#isLookedUp(path);
    const names = typeNames(schema);
    if (names.length === 0) {
      refuse(path, "type is not defined");
    }
    if (names.length > 2 || (names.length === 2 && !names.includes("null"))) {
      refuse(path, "only 2 types are supported with enum, and one must be null");
    }
    for (const value of values) {
      if (!fits(value, names, at)) {
        refuse(
          at,
          `enum value (${JSON.stringify(value)}) does not match any type in [${names.join(" ")}]`,
        );
      }
    }
    if (
      values.length > MANY_VALUES &&
      names.some((name) => ["string", "number", "integer"].includes(name))
    ) {
      const length = values.reduce<number>(
        (sum, value) => sum + Buffer.byteLength(typeof value === "string" ? value : String(value)),
        0,
      );
      if (length > MAX_VALUES_LENGTH) {
        refuse(at, "total string length of enum values exceeds maximum limit");
      }
    }
  }

  #checkReference(schema: Schema, path: readonly string[]): void {
    if (!("$ref" in schema)) {
      return;
    }
    const at = [...path, "$ref"];
    const reference = schema["$ref"];
    if (typeof reference !== "string") {
      refuse(at, "$ref must be a string");
    }
    if (reference === "#") {
      return;
    }
    if (!reference.startsWith("#/$defs/") || reference === "#/$defs/") {
      refuse(at, "references must start with #/$defs/");
    }
    if (!("$defs" in this.#root)) {
      refuse(at, `$defs not found for reference: ${reference}`);
    }
    this.#isLookedUp(path);
    if (this.#target(reference) === undefined) {
      refuse([], `invalid $ref path: ${reference}`);
    }
  }

  #checkWords(schema: Schema, path: readonly string[]): void {
    for (const key of ["description", "$id", "pattern"]) {
      const isFree = key !== "description" && schema[key] === null;
      if (key in schema && typeof schema[key] !== "string" && !isFree) {
        refuse([...path, key], `${key} must be a string`);
      }
    }
  }

  #checkUnion(schema: Schema, path: readonly string[]): void {
    if (!("anyOf" in schema)) {
      return;
    }
    const at = [...path, "anyOf"];
    const branches = list(schema["anyOf"]) ?? refuse(at, "anyOf must be an array");
    if (branches.length === 0 || branches.length > MAX_BRANCHES) {
      refuse(at, `anyOf must have 1-${String(MAX_BRANCHES)} items`);
    }
    this.#isLookedUp(path);
    const outer = Object.keys(schema).filter((key) => key !== "anyOf" && !WORDS.includes(key));
    for (const branch of branches) {
      if (!isRecord(branch)) {
        refuse(at, "schema in anyOf must be an object");
      }
      const both = outer.filter((key) => key in branch);
      if (both.length > 0) {
        refuse(path, `conflicting keywords found in anyOf with parent: ${both.join(", ")}`);
      }
    }
  }

  #checkDefinitions(definitions: unknown, path: readonly string[]): void {
    if (!isRecord(definitions)) {
      refuse(path, "$defs must be an object");
    }
    const check = (value: unknown): void => {
      if (!isRecord(value)) {
        return;
      }
      for (const [name, member] of Object.entries(value)) {
        if (name.includes("/")) {
          refuse(path, `$defs property name '${name}' cannot contain '/' character`);
        }
        (list(member) ?? [member]).forEach(check);
      }
    };
    if (Object.keys(definitions).some((name) => name === "")) {
      refuse(path, "$defs property name cannot be empty");
    }
    check(definitions);
  }

  /** Every member that is an object is walked here, whatever its name. */
  #walkReferences(schema: Schema, path: readonly string[], mustEnd: boolean): void {
    const reference = schema["$ref"];
    if (reference !== undefined) {
      this.#checkExpanded(schema, path, mustEnd);
    }
    for (const [key, value] of Object.entries(schema)) {
      if (key === "$defs") {
        continue;
      }
      if (isRecord(value)) {
        this.#walkReferences(value, [...path, key], mustEnd && key !== "additionalProperties");
      } else if (key === "anyOf") {
        for (const [index, branch] of (list(value) ?? []).entries()) {
          if (isRecord(branch)) {
            this.#walkReferences(branch, [...path, `anyOf{${String(index)}}`], mustEnd);
          }
        }
      }
    }
  }

  #checkExpanded(schema: Schema, path: readonly string[], mustEnd: boolean): void {
    const reference = schema["$ref"];
    const target = typeof reference === "string" ? this.#target(reference) : undefined;
    if (target === undefined) {
      refuse(path, `invalid $ref path: ${String(reference)}`);
    }
    const expanded = this.#expand(target);
    const beside = Object.keys(schema).filter((key) => key !== "$ref");
    const conflicts = beside.filter((key) => key in expanded);
    if (conflicts.length > 0) {
      refuse(path, `conflicting keywords found after $ref expansion: ${conflicts.join(", ")}`);
    }
    for (const branch of list(expanded["anyOf"]) ?? []) {
      const both = beside.filter(
        (key) => !WORDS.includes(key) && isRecord(branch) && key in branch,
      );
      if (both.length > 0) {
        refuse(path, `conflicting keywords found in anyOf after ref expansion: ${both.join(", ")}`);
      }
    }
    const last = path.at(-1) ?? "";
    const isAllowed =
      path.length < 2 ||
      last === "additionalProperties" ||
      last === "items" ||
      last.startsWith("anyOf") ||
      path.at(-2) === "properties";
    if (!isAllowed) {
      refuse(path, "$ref is not allowed in this schema.");
    }
    if (mustEnd && !this.#ends(expanded, new Set())) {
      refuse(path, "detected infinite recursion without termination condition");
    }
  }

  /** A target that is but a reference is followed. */
  #expand(target: Schema): Schema {
    const seen = new Set<string>();
    let current = target;
    for (;;) {
      const reference = current["$ref"];
      const isAlias = Object.keys(current).every((key) => key === "$ref" || WORDS.includes(key));
      if (typeof reference !== "string" || !isAlias || seen.has(reference)) {
        return current;
      }
      seen.add(reference);
      current = this.#target(reference) ?? {};
    }
  }

  #target(reference: string): Schema | undefined {
    const parts = reference === "#" ? [] : reference.slice(2).split("/");
    const target = parts.reduce<unknown>(
      (value, part) => (isRecord(value) && Object.hasOwn(value, part) ? value[part] : undefined),
      this.#root,
    );
    return isRecord(target) ? target : undefined;
  }

  /** Whether the validator sees an end to a schema that may lead back to itself. */
  #ends(schema: Schema, seen: Set<string>): boolean {
    const names = typeNames(schema);
    if (names.some((name) => name !== "object" && name !== "array")) {
      return true;
    }
    const kind = names.at(-1);
    if (kind === "array") {
      const { items } = schema;
      if (!isRecord(items) || Object.keys(items).length === 0 || this.#ends(items, seen)) {
        return true;
      }
    }
    if (kind === "object") {
      const required = list(schema["required"]) ?? [];
      const properties = isRecord(schema["properties"]) ? schema["properties"] : {};
      const needed = Object.entries(properties).filter(([name]) => required.includes(name));
      if (
        required.length === 0 ||
        Object.keys(properties).length === 0 ||
        needed.some(([, property]) => this.#ends(property as Schema, seen))
      ) {
        return true;
      }
    }
    const branches = list(schema["anyOf"]);
    if (branches?.some((branch) => this.#ends(branch as Schema, new Set(seen))) === true) {
      return true;
    }
    const reference = schema["$ref"];
    if (typeof reference === "string") {
      if (seen.has(reference)) {
        return false;
      }
      seen.add(reference);
      return this.#ends(this.#target(reference) ?? {}, seen);
    }
    return Object.keys(schema).length === 0;
  }
}

function fits(value: unknown, names: readonly string[], path: readonly string[]): boolean {
  for (const name of names) {
    switch (name) {
      case "number":
      case "integer":
        // A number's check refuses at once, whatever types come after it.
        if (typeof value !== "number" || (name === "integer" && !Number.isInteger(value))) {
          refuse(path, `not a valid ${name}`);
        }
        return true;
      case "null":
        if (value === null) {
          return true;
        }
        break;
      case "array":
        if (Array.isArray(value)) {
          return true;
        }
        break;
      case "object":
        if (isRecord(value)) {
          return true;
        }
        break;
      default:
        if (typeof value === name) {
          return true;
        }
    }
  }
  return false;
}

/**
 * What the vendor's validator says of a schema.
 *
 * @returns its refusal, with the path; `undefined` when it takes the schema
 */
export function mfjsRefusal(schema: unknown, level: Level): string | undefined {
  if (!isRecord(schema)) {
    return "schema must be a dict";
  }
  try {
    new Judge(schema, level).judge();
    return undefined;
  } catch (error) {
    if (!(error instanceof Refusal)) {
      throw error;
    }
    const path = error.path.length === 0 ? "root" : error.path.join(".");
    return `At path '${path}': ${error.what}`;
  }
}
