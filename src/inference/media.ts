/**
 * The images and videos of a conversation: no more of them than a request may have, and none that
 * would keep a conversation from going on. The model reads a note where one is left out; the host's
 * own record keeps it.
 */

import type { StreamFn } from "./event-stream.ts";
import type { FailureReport } from "./failures.ts";

type Context = Parameters<StreamFn>[1];
type Message = Context["messages"][number];
/** What others than the model say: only that has images. */
type Said = Exclude<Message, { role: "assistant" }>;
type Part = Exclude<Said["content"], string>[number];

/** Most that one image may have inline, in bytes (the Kimi Code CLI's budget). */
const IMAGE_LIMIT = 5 * 1024 * 1024;
/** Most that all may have in one request, in bytes as sent (the Kimi Code CLI's budget). */
const REQUEST_LIMIT = 20 * 1024 * 1024;
/** What is kept once the limit is passed; the space between spares the server's cache. */
const REQUEST_KEPT = 10 * 1024 * 1024;

const LARGE = "Image omitted: larger than the 5 MB that Kimi takes. Ask for a smaller one.";
const OLD = "Image omitted: the request would be too large. Read it once more if you need it.";
const REFUSED = "Image omitted: Kimi did not take an image of this conversation.";

/** Characters of base64 data in a part that is an image or a video; 0 for any other. */
function mediaSize(part: Part): number {
  const isMedia = part.type === "image" || (part as { type: string }).type === "video";
  return isMedia && "data" in part && typeof part.data === "string" ? part.data.length : 0;
}

/** A context in which some parts are notes; itself where none is. */
function withNotes(context: Context, noteFor: (part: Part, at: number) => string | undefined) {
  let isChanged = false;
  const messages = context.messages.map((message, at): Message => {
    if (message.role === "assistant" || typeof message.content === "string") {
      return message;
    }
    const content = message.content.map((part) => {
      const note = noteFor(part, at);
      isChanged ||= note !== undefined;
      return note === undefined ? part : { type: "text" as const, text: `[${note}]` };
    });
    return { ...message, content };
  });
  return isChanged ? { ...context, messages } : context;
}

/**
 * Leaves out images that are too large, and the oldest where all together are too much. The same
 * conversation loses the same ones each time, however far it has grown.
 */
export function withinMediaLimits(context: Context): Context {
  const isLarge = (part: Part): boolean =>
    part.type === "image" && Buffer.byteLength(part.data, "base64") > IMAGE_LIMIT;
  const kept: Part[] = [];
  const old = new Set<Part>();
  let total = 0;
  const parts = context.messages.flatMap((message): readonly Part[] =>
    message.role === "assistant" || typeof message.content === "string" ? [] : message.content,
  );
  for (const part of parts.filter((each) => mediaSize(each) > 0 && !isLarge(each))) {
    kept.push(part);
    total += mediaSize(part);
    const most = total > REQUEST_LIMIT ? REQUEST_KEPT : REQUEST_LIMIT;
    while (total > most && kept.length > 1) {
      const oldest = kept.shift() ?? part;
      old.add(oldest);
      total -= mediaSize(oldest);
    }
  }
  return withNotes(context, (part) => (isLarge(part) ? LARGE : old.has(part) ? OLD : undefined));
}

/** Leaves out all images but those of the last thing that the user said; itself where there are none. */
export function withoutOtherMedia(context: Context): Context {
  const last = context.messages.findLastIndex(({ role }) => role === "user");
  return withNotes(context, (part, at) =>
    at !== last && mediaSize(part) > 0 ? REFUSED : undefined,
  );
}

/** Words of a refusal that is about an image, but not about the length of a conversation. */
const ABOUT_IMAGE = /image|图片|图像/i;
const ABOUT_LENGTH = /image and text|token|context/i;

/** True when Kimi refused a request for an image in it. */
export function isRefusedImage(report: FailureReport | undefined): boolean {
  const text = report?.errorMessage ?? "";
  return /^\s*4(?:00|13|22)\b/.test(text) && ABOUT_IMAGE.test(text) && !ABOUT_LENGTH.test(text);
}
