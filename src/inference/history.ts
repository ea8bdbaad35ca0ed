/**
 * A conversation as this model gets it, whoever began it: on another protocol, with another model, or
 * with another vendor's. The host would turn the thinking of such turns into text that the model
 * seems to have said; Kimi takes it as thinking.
 */

import type { Message, StreamFn } from "./event-stream.ts";

type Model = Parameters<StreamFn>[0];
type Context = Parameters<StreamFn>[1];
type Block = Message["content"][number];

/** What the host writes beside a thought, by protocol: the field that it came in, or a signature. */
const SIGNATURES: Readonly<Record<string, string | undefined>> = {
  "openai-completions": "reasoning_content",
  // Kimi does not sign its thinking.
  "anthropic-messages": "",
};

function isOf(message: Message, model: Model): boolean {
  return (
    message.provider === model.provider && message.api === model.api && message.model === model.id
  );
}

function adopted(block: Block, signature: string | undefined): readonly Block[] {
  switch (block.type) {
    case "thinking":
      // What another vendor has sealed says nothing to Kimi.
      return block.redacted === true || signature === undefined || block.thinking.trim() === ""
        ? []
        : [{ type: "thinking", thinking: block.thinking, thinkingSignature: signature }];
    case "text":
      return [{ type: "text", text: block.text }];
    case "toolCall": {
      const { thoughtSignature: _thought, ...call } = block;
      return [call];
    }
  }
}

/** A context in which each turn reads as one of this model's. */
export function withOwnHistory(context: Context, model: Model): Context {
  const signature = SIGNATURES[model.api];
  return {
    ...context,
    messages: context.messages.map((message) =>
      message.role !== "assistant" || isOf(message, model)
        ? message
        : {
            ...message,
            api: model.api,
            provider: model.provider,
            model: model.id,
            content: message.content.flatMap((block) => adopted(block, signature)),
          },
    ),
  };
}

/** Characters for one token, at least; a text with fewer of them is rare. */
const BYTES_PER_TOKEN = 2.5;
/** Tokens of an image, at most. */
const IMAGE_TOKENS = 4_000;

function sizeOf(value: unknown): number {
  if (typeof value === "string") {
    return Buffer.byteLength(value) / BYTES_PER_TOKEN;
  }
  if (Array.isArray(value)) {
    return value.reduce<number>((sum, member) => sum + sizeOf(member), 0);
  }
  if (typeof value !== "object" || value === null) {
    return 1;
  }
  return "type" in value && value.type === "image"
    ? IMAGE_TOKENS
    : Object.values(value).reduce<number>((sum, member) => sum + sizeOf(member), 0);
}

/**
 * How many tokens a context takes: what the last answer counted, and an estimate of all since, which
 * is rather too high.
 */
export function tokensOf({ systemPrompt, messages, tools }: Context): number {
  const last = messages.findLastIndex(
    (message) => message.role === "assistant" && message.usage.totalTokens > 0,
  );
  const counted = messages[last];
  return Math.ceil(
    counted?.role === "assistant"
      ? counted.usage.totalTokens + sizeOf(messages.slice(last + 1).map(({ content }) => content))
      : sizeOf(systemPrompt ?? "") +
          sizeOf(messages.map(({ content }) => content)) +
          sizeOf((tools ?? []).map(({ description, parameters }) => [description, parameters])),
  );
}
