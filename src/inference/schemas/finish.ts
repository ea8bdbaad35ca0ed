/** From the graph to one document: definitions for what recurs, and an end for each recursion. */

import type { Conversion } from "./conversion.ts";
import { childrenOf, mapChildren, type Node, type Place } from "./nodes.ts";

/** From this size on, in characters of JSON, a schema is told once that occurs several times. */
const LARGE_SCHEMA_LENGTH = 12_000;
/** Smallest schema that is worth a definition, in characters of JSON. */
const MIN_SHARED_LENGTH = 200;
/** About the length of a reference. */
const REFERENCE_LENGTH = 32;
/** Longest hint about a pattern, in characters of JSON; a longer one is left out. */
const MAX_PATTERN = 2_000;

const DEFS_PREFIX = "#/$defs/";

class DocumentWriter {
  readonly #conversion: Conversion;
  /** Definitions by name. */
  readonly #named: Map<string, Node>;
  readonly #shared = new Map<Node, string>();
  readonly #sizes = new Map<Node, number>();
  readonly #built = new Map<Node, Node>();
  /** What is told at the end, by name. */
  readonly #definitions = new Map<string, Node>();

  constructor(conversion: Conversion) {
    this.#conversion = conversion;
    this.#named = new Map(
      [...conversion.definitions.values()].flatMap(({ name, node }) =>
        node === undefined ? [] : [[name, node]],
      ),
    );
  }

  /** The whole document. */
  document(root: Node): Node {
    if (this.#sizeWith([root, ...this.#named.values()]) > LARGE_SCHEMA_LENGTH) {
      this.#share([root, ...this.#named.values()]);
    }
    const body = this.#build(root);
    return this.#definitions.size === 0
      ? body
      : { ...body, $defs: Object.fromEntries(this.#definitions) };
  }

  #sizeWith(nodes: readonly Node[]): number {
    return nodes.reduce((sum, node) => sum + this.#size(node), 0);
  }

  /** Length of a schema's JSON with everything in it told in place. */
  #size(node: Node): number {
    const known = this.#sizes.get(node);
    if (known !== undefined) {
      return known;
    }
    const size =
      ownSize(node) + childrenOf(node).reduce((sum, [child]) => sum + this.#size(child), 0);
    this.#sizes.set(node, size);
    return size;
  }

  /** Gives a name to each schema that occurs more than once and is worth it, innermost first. */
  #share(roots: readonly Node[]): void {
    const uses = new Map<Node, number>();
    const order: Node[] = [];
    const visit = (node: Node): void => {
      const count = uses.get(node) ?? 0;
      uses.set(node, count + 1);
      if (count > 0) {
        return;
      }
      for (const [child] of childrenOf(node)) {
        visit(child);
      }
      order.push(node);
    };
    roots.forEach(visit);
    const sizes = new Map<Node, number>();
    for (const node of order) {
      const size = childrenOf(node).reduce(
        (sum, [child]) =>
          sum + (this.#shared.has(child) ? REFERENCE_LENGTH : (sizes.get(child) ?? 0)),
        ownSize(node),
      );
      sizes.set(node, size);
      const isWorth =
        (uses.get(node) ?? 0) > 1 && size > MIN_SHARED_LENGTH && !roots.includes(node);
      if (isWorth && !this.#conversion.nodes.hasSlash(node)) {
        this.#shared.set(node, this.#conversion.freshName(node.title));
      }
    }
  }

  #build(node: Node): Node {
    const known = this.#built.get(node);
    if (known !== undefined) {
      return known;
    }
    const reference = node.$ref;
    const built =
      typeof reference === "string"
        ? this.#reference(node, reference)
        : mapChildren(this.#withoutLongPatterns(node), (child, place) => this.#child(child, place));
    this.#built.set(node, built);
    return built;
  }

  #child(child: Node, place: Place): Node {
    if (place === "pattern") {
      return this.#alone(child);
    }
    const name = this.#shared.get(child);
    if (name === undefined) {
      return this.#build(child);
    }
    this.#define(name, child);
    return { $ref: `${DEFS_PREFIX}${name}` };
  }

  #define(name: string, node: Node): void {
    if (!this.#definitions.has(name)) {
      // Its place is taken first, so that it ends where it comes back to itself.
      this.#definitions.set(name, {});
      this.#definitions.set(name, this.#build(node));
    }
  }

  #reference(node: Node, reference: string): Node {
    if (reference === "#") {
      return node;
    }
    const name = reference.slice(DEFS_PREFIX.length);
    const target = this.#named.get(name);
    if (target === undefined) {
      return this.#conversion.nodes.any();
    }
    this.#define(name, target);
    return node;
  }

  /** The validator takes no reference below a pattern. */
  #alone(node: Node): Node {
    return "$ref" in node
      ? this.#conversion.nodes.any()
      : mapChildren(node, (child) => this.#alone(child));
  }

  #withoutLongPatterns(node: Node): Node {
    const patterns = node.patternProperties;
    if (
      patterns === undefined ||
      Object.values(patterns).every((child) => this.#size(child) <= MAX_PATTERN)
    ) {
      return node;
    }
    const { patternProperties: _long, ...rest } = node;
    return rest;
  }
}

function ownSize(node: Node): number {
  return JSON.stringify(mapChildren(node, () => ({}))).length;
}

/** Whether a value can be complete without coming back to a schema that is on the way already. */
function canEnd(node: Node | undefined, root: Node, path: ReadonlySet<string>): boolean {
  if (node === undefined) {
    return true;
  }
  const reference = node.$ref;
  if (typeof reference === "string") {
    return (
      !path.has(reference) && canEnd(targetOf(reference, root), root, new Set(path).add(reference))
    );
  }
  const branches = node.anyOf;
  if (branches !== undefined) {
    return branches.some((branch) => canEnd(branch, root, path));
  }
  const { type } = node;
  if (type === "object") {
    const { required = [], properties = {} } = node;
    return (
      required.length === 0 ||
      Object.keys(properties).length === 0 ||
      required.some((name) => canEnd(properties[name], root, path))
    );
  }
  return type === "array" && node.items !== undefined
    ? canEnd(node.items, root, path)
    : isTyped(node);
}

function isTyped(node: Node): boolean {
  return node.type !== undefined || Object.keys(node).length === 0;
}

function targetOf(reference: string, root: Node): Node | undefined {
  return reference === "#" ? root : root.$defs?.[reference.slice(DEFS_PREFIX.length)];
}

/**
 * A schema in which the validator sees an end. It knows none of a schema without a type, so where that
 * alone is in the way, its keywords go.
 */
function withEnd(node: Node, root: Node, any: Node): Node {
  if (canEnd(node, root, new Set())) {
    return node;
  }
  const { type, anyOf, properties = {}, required = [], ...rest } = node;
  if (anyOf !== undefined) {
    return {
      ...node,
      anyOf: anyOf.map((one, index) => (index === 0 ? withEnd(one, root, any) : one)),
    };
  }
  if (type === "object") {
    const vague = required.find((name) => properties[name]?.type === undefined);
    return vague === undefined
      ? { type, properties, ...rest }
      : { ...node, properties: { ...properties, [vague]: any } };
  }
  if (type === "array") {
    const { items: _items, ...open } = node;
    return open;
  }
  return any;
}

/** Adds a way out to each reference that leads back to itself only. */
function withWaysOut(root: Node, any: Node): Node {
  const verdicts = new Map<string, boolean>();
  const isEndless = (reference: string): boolean => {
    const known = verdicts.get(reference) ?? canEnd({ $ref: reference }, root, new Set());
    verdicts.set(reference, known);
    return !known;
  };
  const change = (node: Node): Node => {
    const reference = node.$ref;
    return typeof reference === "string" && isEndless(reference)
      ? { anyOf: [node, { type: "object" }] }
      : mapChildren(node, change);
  };
  const body = mapChildren(root, change);
  const { $defs = {} } = root;
  const definitions = Object.entries($defs).map(([name, node]) => [name, change(node)] as const);
  const document =
    definitions.length === 0 ? body : { ...body, $defs: Object.fromEntries(definitions) };
  return definitions.length === 0
    ? withEnd(document, document, any)
    : {
        ...withEnd(document, document, any),
        $defs: Object.fromEntries(
          definitions.map(([name, node]) => [name, withEnd(node, document, any)]),
        ),
      };
}

/** Writes a converted root out, with its definitions. */
export function writeDocument(root: Node, conversion: Conversion): Node {
  const document = new DocumentWriter(conversion).document(root);
  return JSON.stringify(document).includes('"$ref"')
    ? withWaysOut(document, conversion.nodes.any())
    : document;
}
