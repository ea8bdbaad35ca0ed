/**
 * A schema as a choice of shapes: references followed, `allOf` joined, `anyOf` and `oneOf` spread out.
 * `{A, anyOf: [B, C]}` becomes `[A and B, A and C]`.
 */

import { isRecord, listOf } from "../../json.ts";
import { References, type Schema } from "./references.ts";
import { ANYTHING, joinShapes, notesOf, type Shape, shapeOf } from "./shape.ts";

/** Most shapes of one schema; a union that would make more is left out, so that more is taken. */
const MAX_ALTERNATIVES = 64;

/** One alternative: a shape, or a reference that stands for itself. */
export interface Alternative {
  readonly shape: Shape;
  /** The schema that this alternative is, and nothing beside it. */
  readonly target?: Schema;
}

/** Reads the schemas of one document. */
export class Alternatives {
  readonly #references: References;
  /** Up to draft 7, what stands beside a reference does not count. */
  readonly #ignoresSiblings: boolean;
  readonly #ids = new Map<unknown, number>();
  readonly #joined = new Map<string, Schema>();
  readonly #members = new WeakMap<object, readonly unknown[]>();
  readonly #hints = new Map<unknown, string>();
  readonly #maxSteps: number;
  #steps = 0;

  /**
   * @param root - the document
   * @param maxSteps - most schemas that are looked at
   */
  constructor(root: Schema, maxSteps: number) {
    this.#maxSteps = maxSteps;
    this.#references = new References(root);
    this.#ignoresSiblings = /draft-0[3-7]/.test(String(root["$schema"]));
  }

  /** True once a tool has used up its share; what is left then takes everything. */
  get exhausted(): boolean {
    return this.#steps > this.#maxSteps;
  }

  /** The name by which a schema was referred to. */
  hintOf(schema: Schema): string | undefined {
    return this.#hints.get(schema);
  }

  /** A schema that is both; the same two give the same one. */
  readonly both = (left: unknown, right: unknown): unknown => {
    if (left === false || right === false) {
      return false;
    }
    const parts = [left, right]
      .filter(isRecord)
      .flatMap((part) => this.#members.get(part) ?? [part]);
    const members = [...new Set(parts)];
    if (members.length < 2) {
      return members[0] ?? true;
    }
    const key = members.map((member) => this.#idOf(member)).join(" ");
    const known = this.#joined.get(key);
    if (known !== undefined) {
      return known;
    }
    const joined: Schema = { allOf: members };
    this.#joined.set(key, joined);
    this.#members.set(joined, members);
    return joined;
  };

  #idOf(value: unknown): number {
    const id = this.#ids.get(value) ?? this.#ids.size;
    this.#ids.set(value, id);
    return id;
  }

  /**
   * A schema's alternatives. What the schema itself says (`notes`) is not in them.
   *
   * @returns an empty list for one that takes nothing
   */
  of(schema: unknown): readonly Alternative[] {
    return this.#spread(schema, new Set());
  }

  /**
   * Alternatives with every reference followed.
   *
   * @param alternative - one that may stand for a reference
   */
  opened({ shape, target }: Alternative, path: ReadonlySet<unknown> = new Set()): readonly Shape[] {
    if (target === undefined) {
      return [shape];
    }
    const below = new Set(path).add(target);
    return this.#gather(target, path).flatMap((one) =>
      this.opened(withNotes(one, shape.notes), below),
    );
  }

  #spread(schema: unknown, path: ReadonlySet<unknown>): readonly Alternative[] {
    this.#steps += 1;
    if (schema === false || path.has(schema)) {
      // A union that is itself one of its parts adds nothing by that part.
      return [];
    }
    if (!isRecord(schema) || this.exhausted) {
      return [{ shape: ANYTHING }];
    }
    const target = this.#target(schema);
    if (isRecord(target) && (this.#ignoresSiblings || isBareReference(schema))) {
      return [{ shape: ANYTHING, target }];
    }
    const below = new Set(path).add(schema);
    return this.#factors(schema, target).reduce<readonly Alternative[]>(
      (alternatives, factor) => this.#cross(alternatives, this.#choices(factor, below), below),
      [{ shape: { ...shapeOf(schema), notes: {} } }],
    );
  }

  /** Alternatives that also carry what the schema says. */
  #gather(schema: unknown, path: ReadonlySet<unknown>): readonly Alternative[] {
    const notes = isRecord(schema) ? notesOf(schema) : {};
    return this.#spread(schema, path).map((one) => withNotes(one, notes));
  }

  /** What holds beside a schema's own keywords: each a list of which one is enough. */
  #factors(schema: Schema, target: unknown): readonly (readonly unknown[])[] {
    const all = listOf(schema["allOf"]);
    const any = [schema["anyOf"], schema["oneOf"]].map(listOf).filter(({ length }) => length > 0);
    return [...(isRecord(target) ? [[target]] : []), ...all.map((part) => [part]), ...any];
  }

  #choices(factor: readonly unknown[], path: ReadonlySet<unknown>): readonly Alternative[] {
    return factor.flatMap((part) => this.#gather(part, path));
  }

  #target(schema: Schema): unknown {
    const reference = schema["$ref"];
    if (typeof reference !== "string") {
      return undefined;
    }
    const target = this.#references.resolve(reference);
    this.#hints.set(target, reference.split(/[#/]/).at(-1) ?? "");
    return target;
  }

  #cross(
    left: readonly Alternative[],
    right: readonly Alternative[],
    path: ReadonlySet<unknown>,
  ): readonly Alternative[] {
    if (right.length === 0 || left.length * right.length > MAX_ALTERNATIVES) {
      return left;
    }
    const joined = left.flatMap((one) => right.flatMap((other) => this.#join(one, other, path)));
    return joined.length === 0 ? left : joined;
  }

  #join(left: Alternative, right: Alternative, path: ReadonlySet<unknown>): readonly Alternative[] {
    if (takesEverything(left)) {
      return [withNotes(right, left.shape.notes)];
    }
    if (takesEverything(right)) {
      return [left];
    }
    return this.opened(left, path).flatMap((one) =>
      this.opened(right, path).flatMap((other) => {
        const shape = joinShapes(one, other, this.both);
        return shape === undefined ? [] : [{ shape }];
      }),
    );
  }
}

/** Names that say nothing of what a reference takes. */
const BARE_REFERENCE_KEYS: ReadonlySet<string> = new Set([
  "$ref",
  "$schema",
  "$id",
  "$comment",
  "$defs",
  "definitions",
  "description",
  "title",
  "default",
  "examples",
  "deprecated",
  "readOnly",
  "writeOnly",
]);

function isBareReference(schema: Schema): boolean {
  return Object.keys(schema).every((key) => BARE_REFERENCE_KEYS.has(key));
}

/** True for an alternative that takes everything. */
function takesEverything({ shape, target }: Alternative): boolean {
  return (
    target === undefined &&
    shape.types === undefined &&
    shape.values === undefined &&
    shape.properties.size === 0 &&
    shape.required.size === 0 &&
    Object.keys(shape.keywords).length === 0
  );
}

/** An alternative that also says this, before its own words. */
function withNotes(alternative: Alternative, notes: Schema): Alternative {
  const { shape } = alternative;
  return { ...alternative, shape: { ...shape, notes: { ...shape.notes, ...notes } } };
}
