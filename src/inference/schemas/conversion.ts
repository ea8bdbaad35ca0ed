/** From one tool's schema to the graph of schemas that Kimi takes. */

import { isRecord, listOf } from "../../json.ts";
import { type Alternative, Alternatives } from "./alternatives.ts";
import { hasBraces, type Node, Nodes } from "./nodes.ts";
import { withoutReferring } from "./opaque-keywords.ts";
import type { Schema } from "./references.ts";
import { keywordsFor, notesOf, type Shape, type TypeName } from "./shape.ts";

/** Deeper nesting than this takes everything. */
const MAX_DEPTH = 64;

/** Names that the validator takes for keywords, so that no property may have them. */
const RESERVED: ReadonlySet<string> = new Set([
  "$defs",
  "$ref",
  "anyOf",
  "required",
  "additionalProperties",
]);

/** A schema that leads back to itself, and the name by which it is told once. */
export interface Definition {
  readonly name: string;
  node: Node | undefined;
}

function isEverything(schema: unknown): boolean {
  return schema === true || (isRecord(schema) && Object.keys(schema).length === 0);
}

function jsonType(value: unknown): TypeName {
  if (value === null) {
    return "null";
  }
  if (Array.isArray(value)) {
    return "array";
  }
  const type = typeof value;
  return type === "number"
    ? Number.isInteger(value)
      ? "integer"
      : "number"
    : type === "string" || type === "boolean"
      ? type
      : "object";
}

/** Converts the schemas of one document. */
export class Conversion {
  readonly nodes = new Nodes();
  readonly alternatives: Alternatives;
  readonly definitions = new Map<Schema, Definition>();
  /** A schema that is told as the whole document, `#`. */
  readonly #wholeDocument: Schema | undefined;
  readonly #names = new Set<string>();
  readonly #converted = new Map<Schema, Node>();
  readonly #inProgress = new Set<Schema>();

  /**
   * @param root - the whole document
   * @param whole - the root, where what goes out for it takes what it takes
   */
  constructor(root: Schema, alternatives: Alternatives, whole: Schema | undefined) {
    this.alternatives = alternatives;
    this.#wholeDocument = whole;
    if (whole !== undefined) {
      this.#inProgress.add(root);
    }
  }

  /** A schema below the root. */
  convert(schema: unknown): Node {
    if (!isRecord(schema)) {
      return this.nodes.any();
    }
    const done = this.#converted.get(schema);
    if (done !== undefined) {
      return done;
    }
    if (this.#inProgress.has(schema)) {
      return this.#reference(schema);
    }
    if (this.#inProgress.size > MAX_DEPTH || this.alternatives.exhausted) {
      return this.nodes.any(notesOf(schema));
    }
    this.#inProgress.add(schema);
    const node = this.#node(schema);
    this.#inProgress.delete(schema);
    const definition = this.definitions.get(schema);
    if (definition === undefined || this.nodes.hasSlash(node)) {
      // A definition may hold no name with a slash; such a one is told where it is used.
      this.definitions.delete(schema);
      this.#converted.set(schema, node);
      return node;
    }
    definition.node = node;
    const reference = this.#reference(schema);
    this.#converted.set(schema, reference);
    return reference;
  }

  #reference(schema: Schema): Node {
    if (schema === this.#wholeDocument) {
      return this.nodes.intern({ $ref: "#" });
    }
    const known = this.definitions.get(schema);
    const name = known?.name ?? this.freshName(this.alternatives.hintOf(schema) ?? schema["title"]);
    this.definitions.set(schema, known ?? { name, node: undefined });
    return this.nodes.intern({ $ref: `#/$defs/${name}` });
  }

  /** A name for a definition that no other one has. */
  freshName(title: unknown): string {
    const titled = typeof title === "string" ? title.replaceAll(/\W+/g, "_").slice(0, 40) : "";
    const base = titled === "" ? "part" : titled;
    let name = base;
    for (let count = 2; this.#names.has(name); count += 1) {
      name = `${base}_${String(count)}`;
    }
    this.#names.add(name);
    return name;
  }

  #node(schema: Schema): Node {
    const alternatives = this.alternatives.of(schema);
    const nodes = alternatives.flatMap((one) => this.#alternative(one));
    return this.nodes.union(nodes, notesOf(schema));
  }

  #alternative({ shape, target }: Alternative): readonly Node[] {
    return target === undefined
      ? this.#shape(shape).map((node) => this.nodes.annotate(node, shape.notes))
      : [this.nodes.annotate(this.convert(target), shape.notes)];
  }

  #shape(shape: Shape): readonly Node[] {
    if (shape.values !== undefined) {
      return this.#values(shape.values, shape.types);
    }
    if (shape.types === undefined) {
      const node = this.nodes.intern(this.#members(shape, undefined));
      return [Object.keys(node).length === 0 ? this.nodes.any() : node];
    }
    const types = [...shape.types].filter(
      (type) => type !== "integer" || shape.types?.has("number") !== true,
    );
    const members = types.map((type) => [type, this.#members(shape, type)] as const);
    const bare = members.filter(([, keywords]) => Object.keys(keywords).length === 0);
    return [
      ...members
        .filter(([, keywords]) => Object.keys(keywords).length > 0)
        .map(([type, keywords]) => this.nodes.intern({ type, ...keywords })),
      ...(bare.length === 0 ? [] : [this.nodes.types(bare.map(([type]) => type))]),
    ];
  }

  #values(values: readonly unknown[], types: ReadonlySet<TypeName> | undefined): readonly Node[] {
    const isTaken = (value: unknown): boolean => {
      const type = jsonType(value);
      return types === undefined || types.has(type) || (type === "integer" && types.has("number"));
    };
    const fitting = values.filter(isTaken);
    // Values that all have another type than the one they are given: the values are what was meant.
    const groups = Map.groupBy(fitting.length === 0 ? values : fitting, (value) => {
      const type = jsonType(value);
      return type === "integer" && types?.has("number") === true ? "number" : type;
    });
    const numbers = groups.get("number");
    const integers = groups.get("integer");
    if (numbers !== undefined && integers !== undefined) {
      groups.set("number", [...integers, ...numbers]);
      groups.delete("integer");
    }
    return [...groups].map(([type, group]) => this.nodes.values(type, group));
  }

  /** The keywords of one type, or, where any type will do, of all. */
  #members(shape: Shape, type: TypeName | undefined): Schema {
    const keywords = keywordsFor(shape.keywords, type);
    const isObject = type === undefined || type === "object";
    const isArray = type === undefined || type === "array";
    const {
      properties: _properties,
      items,
      prefixItems,
      additionalItems,
      additionalProperties: _additional,
      patternProperties: _pattern,
      ...rest
    } = keywords;
    return {
      ...withoutReferring(rest),
      ...(isObject ? this.object(shape).members : {}),
      ...(isArray ? this.#items({ items, prefixItems, additionalItems }, rest["maxItems"]) : {}),
    };
  }

  /** The keywords of an object, and the properties that cannot be declared. */
  object(shape: Shape): { readonly members: Schema; readonly undeclared: readonly string[] } {
    const patterns = this.#patterns(shape.keywords["patternProperties"]);
    const undeclared = [...shape.properties.keys()].filter((name) => RESERVED.has(name));
    const additional = this.#additional(shape, patterns, undeclared.length > 0);
    const properties = new Map<string, Node>();
    const declare = (name: string, node: Node): void => {
      properties.set(name, hasBraces(name) ? this.nodes.plain(node) : node);
    };
    for (const [name, schema] of shape.properties) {
      if (!RESERVED.has(name) && schema !== false) {
        declare(name, this.convert(schema));
      }
    }
    const isClosed = shape.keywords["additionalProperties"] === false && patterns.size === 0;
    for (const name of shape.required) {
      // A name is required that nothing declares: it may be anything that is allowed beside.
      if (!properties.has(name) && !RESERVED.has(name) && !isClosed) {
        declare(name, isRecord(additional) ? additional : this.nodes.any());
      }
    }
    const required = [...shape.required].filter((name) => properties.has(name));
    return {
      members: {
        ...(properties.size === 0 ? {} : { properties: Object.fromEntries(properties) }),
        ...(required.length === 0 ? {} : { required }),
        ...(additional === undefined ? {} : { additionalProperties: additional }),
        ...(patterns.size === 0 ? {} : { patternProperties: Object.fromEntries(patterns) }),
      },
      undeclared,
    };
  }

  #patterns(value: unknown): ReadonlyMap<string, Node> {
    return new Map(
      isRecord(value)
        ? Object.entries(value).map(([pattern, schema]) => [pattern, this.convert(schema)])
        : [],
    );
  }

  #additional(
    { keywords }: Shape,
    patterns: ReadonlyMap<string, Node>,
    isOpen: boolean,
  ): Node | boolean | undefined {
    const given = keywords["additionalProperties"];
    if (given === undefined || isOpen) {
      return undefined;
    }
    if (given !== false && (isEverything(given) || !isRecord(given))) {
      return true;
    }
    const others = given === false ? [] : [this.convert(given)];
    // Patterns are a hint only for Kimi; so what they allow is allowed by what it looks at.
    return patterns.size === 0
      ? (others[0] ?? false)
      : this.nodes.union([...others, ...patterns.values()], {});
  }

  #items({ items, prefixItems, additionalItems }: Schema, maxItems: unknown): Schema {
    const isList = Array.isArray(items);
    const positions = listOf(isList ? items : prefixItems);
    const rest = isList ? additionalItems : items;
    if (rest === false) {
      const most = Math.min(positions.length, typeof maxItems === "number" ? maxItems : Infinity);
      return { ...this.#positions(positions, []), maxItems: most };
    }
    if (rest === undefined || !isRecord(rest) || isEverything(rest)) {
      const nodes = positions.map((schema) => this.convert(schema));
      return nodes.length === 0 ? {} : { prefixItems: nodes };
    }
    return positions.length === 0
      ? { items: this.convert(rest) }
      : this.#positions(positions, [this.convert(rest)]);
  }

  /** A tuple: its positions are a hint; what may stand anywhere in it is what Kimi looks at. */
  #positions(positions: readonly unknown[], rest: readonly Node[]): Schema {
    const nodes = positions.map((schema) => this.convert(schema));
    const all = [...new Set([...nodes, ...rest])];
    return all.length === 0
      ? {}
      : {
          items: this.nodes.union(all, {}),
          ...(all.length === 1 ? {} : { prefixItems: nodes }),
        };
  }
}
