/**
 * Names of tools as Kimi takes them: a letter first, letters, digits, `_` and
 * `-`, 3 to 64 characters. What had to change stays different from everything else.
 */

import { createHash } from "node:crypto";
import { isRecord } from "../json.ts";
import type { Message, StreamEvent, StreamFn } from "./event-stream.ts";

type Context = Parameters<StreamFn>[1];
type Block = Message["content"][number];

/** Longest name of a tool. */
const MAX_LENGTH = 64;
/** Names that Kimi takes ("Tool Use" on platform.kimi.ai; MoonshotAI/kimi-cli#1773 and #2531). */
const ALLOWED_NAME = /^[a-zA-Z][\w-]{2,63}$/;

/** A short mark of a text, the same each time. */
function hashMarkOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 8);
}

/** A text cut to fit, with its mark. */
function withHashMark(text: string, original: string): string {
  return `${text.slice(0, MAX_LENGTH - 9)}_${hashMarkOf(original)}`;
}

/** The names of a call's tools that cannot go out as they are, and their way back. */
export class ToolNames {
  readonly #wire = new Map<string, string>();
  readonly #original = new Map<string, string>();

  constructor(names: Iterable<string>) {
    const all = new Set(names);
    for (const name of all) {
      if (!ALLOWED_NAME.test(name)) {
        const plain = name
          .replaceAll(/[^\w-]/g, "_")
          .replace(/^(?![a-zA-Z])/, "t_")
          .padEnd(3, "_");
        const isFree = plain.length <= MAX_LENGTH && !all.has(plain) && !this.#original.has(plain);
        const wire = isFree ? plain : withHashMark(plain, name);
        this.#wire.set(name, wire);
        this.#original.set(wire, name);
      }
    }
  }

  /** A context with the names that go out; the same context where none changes. */
  outward(context: Context): Context {
    if (this.#wire.size === 0) {
      return context;
    }
    return {
      ...context,
      ...(context.tools === undefined
        ? {}
        : {
            tools: context.tools.map((tool) => ({ ...tool, name: this.#wireOf(tool.name) })),
          }),
      messages: context.messages.map((message) => {
        switch (message.role) {
          case "assistant":
            return {
              ...message,
              content: message.content.map((block) =>
                block.type === "toolCall" ? { ...block, name: this.#wireOf(block.name) } : block,
              ),
            };
          case "toolResult":
            return { ...message, toolName: this.#wireOf(message.toolName) };
          default:
            return message;
        }
      }),
    };
  }

  /** A choice of one tool, in the shape of either vendor, with the name that goes out. */
  choice(choice: unknown): unknown {
    if (!isRecord(choice) || this.#wire.size === 0) {
      return choice;
    }
    const renamed = (holder: Readonly<Record<string, unknown>>): Record<string, unknown> =>
      typeof holder["name"] === "string"
        ? { ...holder, name: this.#wireOf(holder["name"]) }
        : { ...holder };
    return {
      ...renamed(choice),
      ...(isRecord(choice["function"]) ? { function: renamed(choice["function"]) } : {}),
    };
  }

  /** An event with the names that the host knows. */
  inward(event: StreamEvent): StreamEvent {
    if (this.#wire.size === 0) {
      return event;
    }
    switch (event.type) {
      case "done":
        return { ...event, message: this.#message(event.message) };
      case "error":
        return { ...event, error: this.#message(event.error) };
      case "toolcall_end":
        return {
          ...event,
          toolCall: this.#block(event.toolCall),
          partial: this.#message(event.partial),
        };
      default:
        return event.partial === undefined
          ? event
          : { ...event, partial: this.#message(event.partial) };
    }
  }

  /** The host's name of a tool. */
  originalOf(name: string): string {
    return this.#original.get(name) ?? name;
  }

  #message(message: Message): Message {
    return { ...message, content: message.content.map((block) => this.#block(block)) };
  }

  #block<T extends Block>(block: T): T {
    return block.type === "toolCall" ? { ...block, name: this.originalOf(block.name) } : block;
  }

  #wireOf(name: string): string {
    return this.#wire.get(name) ?? name;
  }
}
