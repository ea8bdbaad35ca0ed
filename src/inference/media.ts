/**
 * The images and videos of a conversation: what a request has no room for goes to Kimi's files
 * (`uploads.ts`) or, where that cannot be, becomes a note; and none keeps a conversation from going
 * on. The host's own record keeps all of them.
 */

import { isRecord } from "../json.ts";
import type { StreamFn } from "./event-stream.ts";
import type { FailureReport } from "./failures.ts";

type Context = Parameters<StreamFn>[1];
type Message = Context["messages"][number];
/** What others than the model say: only that has images. */
type UserOrToolMessage = Exclude<Message, { role: "assistant" }>;
type Part = Exclude<UserOrToolMessage["content"], string>[number];

/** A part that is an image or a video; the host's type does not know the second. */
export interface MediaPart {
  readonly type: "image" | "video";
  /** base64 */
  readonly data: string;
  readonly mimeType: string;
}

/** Most that one image may have inline, in bytes (the Kimi Code CLI's budget). */
const IMAGE_LIMIT = 5 * 1024 * 1024;
/** Most that all may have in one request, in bytes as sent (the Kimi Code CLI's budget). */
const REQUEST_LIMIT = 20 * 1024 * 1024;
/** What is kept once the limit is passed; the space between spares the server's cache. */
const REQUEST_KEPT = 10 * 1024 * 1024;

/** What the model reads where a part is left out. */
const LEFT_OUT_NOTES = {
  large:
    "larger than the 5 MB that fit into a request, and Kimi took no upload of it. Ask for a smaller one.",
  old: "the request would be too large. Read it once more if you need it.",
  refused: "Kimi did not take an image or video of this conversation.",
} as const;

/** What a part becomes: a note, or a part with other data. */
type PartChange = { readonly text: string } | { readonly data: string };

function leftOutNote({ type }: MediaPart, why: keyof typeof LEFT_OUT_NOTES): PartChange {
  return { text: `[${type === "image" ? "Image" : "Video"} omitted: ${LEFT_OUT_NOTES[why]}]` };
}

function isMedia(part: unknown): part is MediaPart {
  return (
    isRecord(part) &&
    (part.type === "image" || part.type === "video") &&
    typeof part.data === "string" &&
    part.data !== ""
  );
}

function isLargeImage({ type, data }: MediaPart): boolean {
  return type === "image" && Buffer.byteLength(data, "base64") > IMAGE_LIMIT;
}

/** All images and videos, in their order. */
function mediaOf({ messages }: Context): MediaPart[] {
  return messages.flatMap((message) =>
    message.role === "assistant" || typeof message.content === "string"
      ? []
      : (message.content as readonly unknown[]).filter(isMedia),
  );
}

/** A context in which some parts are changed; itself where none is. */
function withChangedParts(
  context: Context,
  change: (part: MediaPart, at: number) => PartChange | undefined,
): Context {
  let isChanged = false;
  const messages = context.messages.map((message, at): Message => {
    if (message.role === "assistant" || typeof message.content === "string") {
      return message;
    }
    const content = message.content.map((part): Part => {
      const made = isMedia(part) ? change(part, at) : undefined;
      isChanged ||= made !== undefined;
      return made === undefined
        ? part
        : "text" in made
          ? { type: "text", text: made.text }
          : { ...part, ...made };
    });
    return { ...message, content };
  });
  return isChanged ? { ...context, messages } : context;
}

/** The oldest where all together are too much: the same ones each time, however far a conversation has grown. */
function oldestOverLimit(parts: readonly MediaPart[]): ReadonlySet<MediaPart> {
  const kept: MediaPart[] = [];
  const old = new Set<MediaPart>();
  let total = 0;
  for (const part of parts) {
    kept.push(part);
    total += part.data.length;
    const most = total > REQUEST_LIMIT ? REQUEST_KEPT : REQUEST_LIMIT;
    while (total > most && kept.length > 1) {
      const first = kept.shift() ?? part;
      old.add(first);
      total -= first.data.length;
    }
  }
  return old;
}

/** Uploads parts, and gives the id of each that Kimi has. */
export type Upload = (parts: readonly MediaPart[]) => Promise<ReadonlyMap<MediaPart, string>>;

/** A conversation that fits into a request. */
export interface Fitted {
  readonly context: Context;
  /** Ids of Kimi's files, by the data that stands for each in the context. */
  readonly files: ReadonlyMap<string, string>;
}

const NO_FILES: ReadonlyMap<string, string> = new Map();

/** A picture of one pixel. */
const PIXEL = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==",
  "base64",
);

/**
 * Data that stands for a file until the body is made: the host's transports take pictures only, and
 * one of them looks whether it is one.
 */
function placeholder(id: string): string {
  return Buffer.concat([PIXEL, Buffer.from(id)]).toString("base64");
}

/**
 * Makes a conversation fit. Images that are too large for a request, and all videos, go to Kimi's
 * files (as in the Kimi Code CLI), and the oldest where the rest together is too much. Where that fails,
 * a note stands for an image, and a video stays where there is room.
 *
 * @throws what `upload` throws
 */
export async function fitMedia(context: Context, upload: Upload): Promise<Fitted> {
  const parts = mediaOf(context);
  if (parts.length === 0) {
    return { context, files: NO_FILES };
  }
  const large = new Set(parts.filter(isLargeImage));
  const apart = parts.filter((part) => part.type === "video" || large.has(part));
  const ids = new Map(apart.length === 0 ? [] : await upload(apart));
  const old = oldestOverLimit(parts.filter((part) => !large.has(part) && !ids.has(part)));
  for (const [part, id] of old.size === 0 ? [] : await upload([...old])) {
    ids.set(part, id);
  }
  const files = new Map([...ids.values()].map((id) => [placeholder(id), id]));
  const fitted = withChangedParts(context, (part) => {
    const id = ids.get(part);
    if (id !== undefined) {
      return { data: placeholder(id) };
    }
    return large.has(part)
      ? leftOutNote(part, "large")
      : old.has(part)
        ? leftOutNote(part, "old")
        : undefined;
  });
  return { context: fitted, files };
}

/** A part of a body, with the id of its file where it stands for one. */
function namedPart(part: unknown, files: Fitted["files"]): unknown {
  if (!isRecord(part)) {
    return part;
  }
  const idIn = (value: unknown): string | undefined =>
    typeof value === "string" ? files.get(value.slice(value.indexOf(",") + 1)) : undefined;
  for (const kind of ["image_url", "video_url"]) {
    const holder = part[kind];
    const id = idIn(isRecord(holder) ? holder.url : holder);
    if (id !== undefined) {
      const url = `ms://${id}`;
      return { ...part, [kind]: isRecord(holder) ? { url, id } : url };
    }
  }
  const id = isRecord(part.source) ? idIn(part.source.data) : undefined;
  return id === undefined
    ? withNamedParts(part, files)
    : { ...part, source: { type: "url", url: `ms://${id}` } };
}

/** A message, or a result of a tool, with the ids of its files. */
function withNamedParts(
  holder: Readonly<Record<string, unknown>>,
  files: Fitted["files"],
): Readonly<Record<string, unknown>> {
  const named = (value: unknown): unknown =>
    Array.isArray(value) ? value.map((part) => namedPart(part, files)) : value;
  return {
    ...holder,
    ...("content" in holder ? { content: named(holder.content) } : {}),
    ...("output" in holder ? { output: named(holder.output) } : {}),
  };
}

/** A body of any of the three protocols in which files are named as the Kimi Code CLI names them. */
export function withFileIds(body: unknown, files: Fitted["files"]): unknown {
  if (files.size === 0 || !isRecord(body)) {
    return body;
  }
  const named = (list: unknown): unknown =>
    Array.isArray(list)
      ? list.map((entry: unknown) => (isRecord(entry) ? withNamedParts(entry, files) : entry))
      : list;
  return {
    ...body,
    ...("messages" in body ? { messages: named(body.messages) } : {}),
    ...("input" in body ? { input: named(body.input) } : {}),
  };
}

/** True for what a person said, and not for what the host adds after it in the same role. */
function isOfUser(message: Message): boolean {
  return message.role === "user" && message.runtimeContextCarrier !== true;
}

/** Leaves out all images but those of the last thing that the user said; itself where there are none. */
export function withoutOtherMedia(context: Context): Context {
  const last = context.messages.findLastIndex(isOfUser);
  return withChangedParts(context, (part, at) =>
    at === last ? undefined : leftOutNote(part, "refused"),
  );
}

/** Words of a refusal that is about an image, but not about the length of a conversation. */
const ABOUT_IMAGE = /image|video|图片|图像|视频/i;
const ABOUT_LENGTH = /image and text|token|context/i;
/** Words of a refusal that is about a file, but not about the length or the tools of a request. */
const ABOUT_FILE = /ms:\/\/|\bfiles?\b|文件/i;
const ABOUT_OTHERS = /token|context|\btools?\b|function|schema/i;

/** True when Kimi refused a request for an image in it. */
export function isRefusedImage(report: FailureReport | undefined): boolean {
  const text = report?.errorMessage ?? "";
  return /^\s*4(?:00|13|22)\b/.test(text) && ABOUT_IMAGE.test(text) && !ABOUT_LENGTH.test(text);
}

/**
 * The files for which Kimi refused a request: those that it names, or all where it names none; none
 * where the refusal is about something else.
 */
export function refusedFiles(
  report: FailureReport | undefined,
  files: Fitted["files"],
): readonly string[] {
  const text = report?.errorMessage ?? "";
  const ids = [...files.values()];
  const named = ids.filter((id) => text.includes(id));
  const isMeant = named.length > 0 || (ABOUT_FILE.test(text) && !ABOUT_OTHERS.test(text));
  return /^\s*4(?:0[034]|22)\b/.test(text) && isMeant ? (named.length > 0 ? named : ids) : [];
}
