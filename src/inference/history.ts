/**
 * A conversation as this model gets it: one that began on another protocol, with another model, or
 * with another vendor's. The host would turn the thinking of such turns into text that the model
 * seems to have said; Kimi takes it as thinking.
 */

import type { Message, StreamFn } from "./event-stream.ts";

type Model = Parameters<StreamFn>[0];
type Context = Parameters<StreamFn>[1];
type Block = Message["content"][number];

/** What the host writes beside a thought, by protocol: the field that it came in, or a signature. */
const THOUGHT_SIGNATURES: Readonly<Record<string, string | undefined>> = {
  "openai-completions": "reasoning_content",
  // Kimi does not sign its thinking.
  "anthropic-messages": "",
};

function isFromModel(message: Message, model: Model): boolean {
  return (
    message.provider === model.provider && message.api === model.api && message.model === model.id
  );
}

function asOwnBlocks(block: Block, signature: string | undefined): readonly Block[] {
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
  const signature = THOUGHT_SIGNATURES[model.api];
  return {
    ...context,
    messages: context.messages.map((message) =>
      message.role !== "assistant" || isFromModel(message, model)
        ? message
        : {
            ...message,
            api: model.api,
            provider: model.provider,
            model: model.id,
            content: message.content.flatMap((block) => asOwnBlocks(block, signature)),
          },
    ),
  };
}

/** Characters of ASCII text in a token; any other character counts as one (the Kimi Code CLI's estimate). */
const ASCII_IN_TOKEN = 4;
/** Tokens of an image or a video (the Kimi Code CLI's estimate). */
const MEDIA_TOKENS = 2_000;
const MEDIA: ReadonlySet<unknown> = new Set(["image", "video"]);

function textTokens(text: string): number {
  // All but ASCII takes two bytes or more; most of what agents read beyond that takes three.
  const others = (Buffer.byteLength(text) - text.length) / 2;
  return (text.length - others) / ASCII_IN_TOKEN + others;
}

function sizeOf(value: unknown): number {
  if (typeof value === "string") {
    return textTokens(value);
  }
  if (Array.isArray(value)) {
    return value.reduce<number>((sum, member) => sum + sizeOf(member), 0);
  }
  if (typeof value !== "object" || value === null) {
    return 0;
  }
  return "type" in value && MEDIA.has(value.type) ? MEDIA_TOKENS : sizeOf(Object.values(value));
}

/**
 * How many tokens a context takes: what the last reply counted, and an estimate of all since.
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
