/** Ids of tool calls as Kimi takes them: short, of safe characters, and each one once in a conversation. */

/** Longest id, as the Kimi Code CLI cuts them. */
const MAX_LENGTH = 64;

/** Stands for an id that the other side left empty. */
const REPLACEMENT_ID = "tool_call";

function allowedId(id: string): string {
  return id.replace(/[^\w-]/g, "_").slice(0, MAX_LENGTH) || REPLACEMENT_ID;
}

/**
 * Gives out the ids of one conversation. Asked in the conversation's order, so that an earlier message
 * stays as it was when others follow: the server's prompt cache goes by what is the same.
 */
export class CallIds {
  readonly #used = new Set<string>();
  /** Ids given to calls that wait for their result, by the id that they had. */
  readonly #waiting = new Map<string, string[]>();

  /** The id of the next call. */
  call(id: string): string {
    const base = allowedId(id);
    let given = base;
    for (let count = 2; this.#used.has(given); count += 1) {
      const suffix = `_${String(count)}`;
      given = `${base.slice(0, MAX_LENGTH - suffix.length)}${suffix}`;
    }
    this.#used.add(given);
    this.#waiting.set(id, [...(this.#waiting.get(id) ?? []), given]);
    return given;
  }

  /** The id that the result of an earlier call refers to; results of calls with one id come in their order. */
  result(id: string): string {
    const [given, ...rest] = this.#waiting.get(id) ?? [];
    this.#waiting.set(id, rest);
    return given ?? allowedId(id);
  }
}
