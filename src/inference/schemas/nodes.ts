/**
 * The schemas that go out, as a graph: equal ones are the same object, so that one that occurs often
 * can be told once (`finish.ts`).
 *
 * Each rule about a keyword here is one of Moonshot's published schema validator
 * (github.com/MoonshotAI/walle, levels `lite` and `strict`).
 */

import { isRecord } from "../../json.ts";
import { mentions, type Schema } from "./references.ts";
import { ANNOTATIONS, type TypeName } from "./shape.ts";

/** A schema as Kimi takes it. */
export interface Node {
  readonly type?: TypeName | readonly TypeName[];
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Node[];
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Node | boolean;
  readonly patternProperties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly prefixItems?: readonly Node[];
  readonly $ref?: string;
  /** At the root only. */
  readonly $defs?: Readonly<Record<string, Node>>;
  readonly [keyword: string]: unknown;
}

/** Most members of a union, and of an enumeration. */
const MAX_BRANCHES = 100;
const MAX_VALUES = 500;
/** Above this many values, their length in total is limited, too. */
const MANY_VALUES = 250;
const MAX_VALUES_LENGTH = 7_500;

/** What may stand beside a list of types at `strict`. */
const ANNOTATIONS_BESIDE_TYPES: ReadonlySet<string> = new Set(["description", "title"]);

const NOTE_KEYS: ReadonlySet<string> = new Set(ANNOTATIONS);

/** Every type, with one name for the two of numbers. */
const ALL_TYPES: readonly TypeName[] = ["string", "number", "boolean", "object", "array", "null"];

/** True for a name that the validator takes for a place in a union. */
export function hasBraces(name: string): boolean {
  return name.includes("{") && name.includes("}");
}

/** Where a schema holds other schemas; `pattern` is where no reference may be. */
export type Place = "property" | "items" | "additional" | "branch" | "position" | "pattern";

/** A schema with each schema directly in it replaced; definitions stay as they are. */
export function mapChildren(node: Node, change: (child: Node, place: Place) => Node): Node {
  const { anyOf, properties, additionalProperties, patternProperties, items, prefixItems } = node;
  const record = (members: Readonly<Record<string, Node>>, place: Place): Record<string, Node> =>
    Object.fromEntries(
      Object.entries(members).map(([name, child]) => [
        name,
        change(child, hasBraces(name) ? "pattern" : place),
      ]),
    );
  return {
    ...node,
    ...(properties === undefined ? {} : { properties: record(properties, "property") }),
    ...(patternProperties === undefined
      ? {}
      : { patternProperties: record(patternProperties, "pattern") }),
    ...(typeof additionalProperties === "object"
      ? { additionalProperties: change(additionalProperties, "additional") }
      : {}),
    ...(items === undefined ? {} : { items: change(items, "items") }),
    ...(prefixItems === undefined
      ? {}
      : { prefixItems: prefixItems.map((child) => change(child, "position")) }),
    ...(anyOf === undefined ? {} : { anyOf: anyOf.map((child) => change(child, "branch")) }),
  };
}

/** The schemas directly in a schema. */
export function childrenOf(node: Node): readonly (readonly [Node, Place])[] {
  const children: [Node, Place][] = [];
  mapChildren(node, (child, place) => {
    children.push([child, place]);
    return child;
  });
  return children;
}

/** The types that a schema names. */
function typesOf({ type }: Node): readonly TypeName[] {
  return typeof type === "string" ? [type] : (type ?? []);
}

function without(node: Node, test: (key: string) => boolean): Node {
  return Object.fromEntries(Object.entries(node).filter(([key]) => !test(key)));
}

function hasOnlyWords(notes: Schema): boolean {
  return Object.keys(notes).every((key) => ANNOTATIONS_BESIDE_TYPES.has(key));
}

/** Makes schemas, each one once. */
export class Nodes {
  readonly #ids = new Map<unknown, number>();
  readonly #known = new Map<string, Node>();
  readonly #plain = new Map<Node, Node>();
  readonly #slashed = new Map<Node, boolean>();

  /** The one object for a schema whose own schemas are from here. */
  intern(node: Node): Node {
    const key = this.#keyOf(node, true);
    const known = this.#known.get(key);
    if (known !== undefined) {
      return known;
    }
    this.#known.set(key, node);
    this.#ids.set(node, this.#ids.size);
    return node;
  }

  #keyOf(value: unknown, isOuter = false): string {
    const id = isOuter ? undefined : this.#ids.get(value);
    if (id !== undefined) {
      return `@${String(id)}`;
    }
    if (Array.isArray(value)) {
      return `[${value.map((member) => this.#keyOf(member)).join()}]`;
    }
    return isRecord(value)
      ? `{${Object.entries(value)
          .map(([name, member]) => `${JSON.stringify(name)}:${this.#keyOf(member)}`)
          .join()}}`
      : (JSON.stringify(value) ?? "");
  }

  /** Takes everything. It has types, because older servers refused a property without one. */
  any(notes: Schema = {}): Node {
    return this.intern(hasOnlyWords(notes) ? { type: ALL_TYPES, ...notes } : notes);
  }

  isAny(node: Node): boolean {
    const { type } = node;
    return type === undefined
      ? Object.keys(node).every((key) => NOTE_KEYS.has(key))
      : typesOf(node).length === ALL_TYPES.length;
  }

  /** One or more types without a constraint. */
  types(types: readonly TypeName[]): Node {
    const [only] = types;
    return this.intern({ type: types.length === 1 && only !== undefined ? only : types });
  }

  /** Counted values of one type. */
  values(type: TypeName, values: readonly unknown[]): Node {
    const unique = [...new Map(values.map((value) => [JSON.stringify(value), value])).values()];
    const length = unique.reduce<number>(
      (sum, value) =>
        sum + (typeof value === "string" ? Buffer.byteLength(value) : String(value).length),
      0,
    );
    const isTooMuch =
      unique.length > MAX_VALUES || (unique.length > MANY_VALUES && length > MAX_VALUES_LENGTH);
    const isAll = type === "null" || (type === "boolean" && unique.length === 2);
    return this.intern(isTooMuch || isAll ? { type } : { type, enum: unique });
  }

  /** A schema that also says this; its own words give way. */
  annotate(node: Node, notes: Schema): Node {
    if (Object.keys(notes).length === 0) {
      return node;
    }
    if (this.isAny(node)) {
      return this.any({ ...without(node, (key) => key === "type"), ...notes });
    }
    if ("$ref" in node) {
      // Beside a reference, no keyword may stand that its target has as well.
      return this.intern({ anyOf: [node], ...notes });
    }
    if (typesOf(node).length > 1 && !hasOnlyWords(notes)) {
      const branches = typesOf(node).map((type) => this.types([type]));
      return this.intern({ anyOf: branches, ...without(node, (key) => key === "type"), ...notes });
    }
    if (node.anyOf !== undefined) {
      return this.#union(node.anyOf, {
        ...without(node, (key) => key === "anyOf"),
        ...notes,
      });
    }
    return this.intern({ ...node, ...notes });
  }

  /** Takes what one of these takes. */
  union(nodes: readonly Node[], notes: Schema): Node {
    const flat = nodes.flatMap((node) =>
      Object.keys(node).length === 1 && node.anyOf !== undefined ? node.anyOf : [node],
    );
    const branches = this.#joinValues([...new Set(flat)]);
    const [only] = branches;
    if (only === undefined) {
      return this.any(notes);
    }
    if (branches.length === 1) {
      return this.annotate(only, notes);
    }
    return branches.length > MAX_BRANCHES
      ? this.annotate(this.#typesOf(branches), notes)
      : this.#union(branches, notes);
  }

  #union(branches: readonly Node[], notes: Schema): Node {
    // A keyword, other than words, may not stand beside a union and in it.
    const clashes = (key: string): boolean => key in notes && !ANNOTATIONS_BESIDE_TYPES.has(key);
    return this.intern({
      anyOf: branches.map((branch) =>
        Object.keys(branch).some(clashes) ? this.intern(without(branch, clashes)) : branch,
      ),
      ...notes,
    });
  }

  /** Enumerations of the same type, with nothing said of them, become one. */
  #joinValues(nodes: readonly Node[]): readonly Node[] {
    const isBare = (node: Node): boolean =>
      node.enum !== undefined && Object.keys(node).length === 2;
    const groups = Map.groupBy(nodes.filter(isBare), (node) => typesOf(node)[0]);
    const done = new Set<unknown>();
    return nodes.flatMap((node) => {
      const [type] = typesOf(node);
      const group = isBare(node) ? groups.get(type) : undefined;
      if (type === undefined || group === undefined || group.length === 1) {
        return [node];
      }
      if (done.has(type)) {
        return [];
      }
      done.add(type);
      return [
        this.values(
          type,
          group.flatMap((one) => one.enum ?? []),
        ),
      ];
    });
  }

  /** The types of some schemas and nothing else of them. */
  #typesOf(nodes: readonly Node[]): Node {
    return nodes.some(({ type }) => type === undefined)
      ? this.any()
      : this.types([...new Set(nodes.flatMap(typesOf))]);
  }

  /**
   * A schema without the keywords that the validator cannot look up below a property whose name has
   * both braces in it: it takes such a name for a place in a union, and refuses.
   */
  plain(node: Node): Node {
    const known = this.#plain.get(node);
    if (known !== undefined) {
      return known;
    }
    const notes = without(node, (key) => !NOTE_KEYS.has(key));
    const plain =
      "$ref" in node
        ? this.any(notes)
        : node.anyOf !== undefined
          ? this.#annotatePlain(
              node.anyOf.map((one) => this.plain(one)),
              notes,
            )
          : this.intern(
              without(
                mapChildren(node, (child) => this.plain(child)),
                (key) => key === "required" || key === "enum",
              ),
            );
    this.#plain.set(node, plain);
    return plain;
  }

  /** True when a name in a schema has a slash, so that it cannot be in a definition. */
  hasSlash(node: Node): boolean {
    const known = this.#slashed.get(node);
    if (known !== undefined) {
      return known;
    }
    const children = childrenOf(node);
    const inner = new Set<unknown>(children.map(([child]) => child));
    const hasSlash =
      mentions(node, (name) => name.includes("/"), inner) ||
      children.some(([child]) => this.hasSlash(child));
    this.#slashed.set(node, hasSlash);
    return hasSlash;
  }

  #annotatePlain(branches: readonly Node[], notes: Schema): Node {
    const types = this.#typesOf(branches);
    const words = without(notes, (key) => !ANNOTATIONS_BESIDE_TYPES.has(key));
    return this.isAny(types) ? this.any(words) : this.intern({ ...types, ...words });
  }
}
