/**
 * Where a reference of a JSON Schema leads: pointers into the document (RFC 6901), anchors, and the
 * document's own addresses.
 */

import { isRecord } from "../../json.ts";

/** A JSON Schema that is an object. */
export type Schema = Readonly<Record<string, unknown>>;

/** Deepest nesting that is searched for anchors and addresses. */
const MAX_DEPTH = 64;

function decoded(part: string): string {
  let text = part;
  try {
    text = decodeURIComponent(part);
  } catch {
    // A bare percent sign is a name like any other.
  }
  return text.replaceAll("~1", "/").replaceAll("~0", "~");
}

function own(value: unknown, key: string): unknown {
  if (Array.isArray(value)) {
    return /^\d+$/.test(key) ? (value as unknown[])[Number(key)] : undefined;
  }
  return isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

/** Finds the targets of a document's references. */
export class References {
  readonly #root: Schema;
  /** Subschemas by `$id` and by `#anchor`; made with the first reference that needs it. */
  #named: Map<string, Schema> | undefined;

  constructor(root: Schema) {
    this.#root = root;
  }

  /**
   * Follows a reference.
   *
   * @returns the target; `undefined` for one outside of this document, or to nothing
   */
  resolve(reference: string): unknown {
    const hash = reference.indexOf("#");
    const address = hash === -1 ? reference : reference.slice(0, hash);
    const fragment = hash === -1 ? "" : reference.slice(hash + 1);
    const base = address === "" ? this.#root : this.#byName(address);
    if (base === undefined || fragment === "") {
      return base;
    }
    if (!fragment.startsWith("/")) {
      return this.#byName(`#${decoded(fragment)}`);
    }
    return fragment
      .slice(1)
      .split("/")
      .reduce<unknown>((value, part) => own(value, part) ?? own(value, decoded(part)), base);
  }

  #byName(name: string): Schema | undefined {
    this.#named ??= this.#index();
    return this.#named.get(name);
  }

  #index(): Map<string, Schema> {
    const named = new Map<string, Schema>();
    const add = (name: unknown, prefix: string, schema: Schema): void => {
      if (typeof name === "string" && !named.has(prefix + name)) {
        named.set(prefix + name, schema);
      }
    };
    const seen = new Set<object>();
    const visit = (value: unknown, depth: number): void => {
      if (typeof value !== "object" || value === null || seen.has(value) || depth > MAX_DEPTH) {
        return;
      }
      seen.add(value);
      if (isRecord(value)) {
        add(value["$id"], "", value);
        add(value["$anchor"], "#", value);
        add(value["$dynamicAnchor"], "#", value);
      }
      for (const member of Object.values(value)) {
        visit(member, depth + 1);
      }
    };
    visit(this.#root, 0);
    return named;
  }
}

/**
 * True when a value holds a member with such a name anywhere.
 *
 * @param seen - objects that are not looked into
 */
export function mentions(
  value: unknown,
  test: (name: string) => boolean,
  seen: Set<unknown> = new Set(),
): boolean {
  if (typeof value !== "object" || value === null || seen.has(value)) {
    return false;
  }
  seen.add(value);
  return Object.entries(value).some(
    ([name, member]) => (!Array.isArray(value) && test(name)) || mentions(member, test, seen),
  );
}
