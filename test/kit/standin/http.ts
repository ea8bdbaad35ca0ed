/** Replies as values, and their way onto the socket: faults can thus change a reply that a route has made. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Answer } from "./bodies.ts";
import { breathe, realDelay } from "./clock.ts";
import type { JsonObject } from "./types.ts";

/** An answer that was worked out but not sent. */
export interface Reply {
  status: number;
  headers: Record<string, string>;
  /** A whole body, or the frames of an event stream. */
  body: string | readonly string[];
  /** Pause in ms before the first byte. */
  delayMs?: number;
  /** Event that reports an error in the middle of this stream. */
  errorFrame?: string;
  /** Takes back what a client that never sees this reply cannot know of: the scripted turn, not the rotation of a token. */
  undo?: () => void;
}

/** Largest request body taken, bytes. */
const BODY_LIMIT = 32 * 1024 * 1024;

export function jsonReply(
  status: number,
  value: unknown,
  headers: Record<string, string> = {},
): Reply {
  return {
    status,
    headers: { "content-type": "application/json; charset=utf-8", ...headers },
    body: JSON.stringify(value),
  };
}

export function htmlReply(status: number, html: string): Reply {
  return { status, headers: { "content-type": "text/html; charset=utf-8" }, body: html };
}

/** `Retry-After` of a 429 that names none, in seconds: the Kimi Code CLI honors whole seconds; live values are not known. */
const RETRY_AFTER_S = "1";

/**
 * A reply from a named answer: objects as JSON, text by its looks. The error's type and code are in the body and in
 * no header.
 */
export function answerReply(answer: Answer): Reply {
  const headers = {
    ...(answer.status === 429 && { "retry-after": RETRY_AFTER_S }),
    ...answer.headers,
  };
  if (typeof answer.body !== "string") {
    return jsonReply(answer.status, answer.body, headers);
  }
  const kind = answer.body.startsWith("<") ? "text/html" : "text/plain; charset=utf-8";
  return {
    status: answer.status,
    headers: { "content-type": kind, ...headers },
    body: answer.body,
  };
}

/** An event stream; `errorFrame` is what this protocol sends when it breaks off. */
export function streamReply(frames: readonly string[], errorFrame: string): Reply {
  return {
    status: 200,
    headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" },
    body: frames,
    errorFrame,
  };
}

/** One server-sent event; `name` only where the protocol names its events. */
export function sse(data: JsonObject | string, name?: string): string {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return `${name === undefined ? "" : `event: ${name}\n`}data: ${text}\n\n`;
}

/** Cuts a text into at most three pieces, never inside a character. */
export function pieces(text: string): string[] {
  const characters = Array.from(text);
  const size = Math.max(1, Math.ceil(characters.length / 3));
  const cut: string[] = [];
  for (let at = 0; at < characters.length; at += size) {
    cut.push(characters.slice(at, at + size).join(""));
  }
  return cut;
}

/** Reads the whole body as text, a form with a character for each byte; rejects if the client goes away before its end. */
export async function readBody(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > BODY_LIMIT) {
      throw new Error("request body too large for the stand-in");
    }
    chunks.push(bytes);
  }
  const isForm = req.headers["content-type"]?.startsWith("multipart/") === true;
  return Buffer.concat(chunks).toString(isForm ? "latin1" : "utf8");
}

function asFrames(body: Reply["body"]): readonly string[] {
  return typeof body === "string" ? [body] : body;
}

/** Sends a reply, unless or until the client goes away. */
export async function sendReply(res: ServerResponse, reply: Reply): Promise<void> {
  if (reply.delayMs !== undefined) {
    await realDelay(reply.delayMs);
  }
  if (res.destroyed) {
    return;
  }
  if (typeof reply.body === "string") {
    res.writeHead(reply.status, {
      "content-length": String(Buffer.byteLength(reply.body)),
      ...reply.headers,
    });
    res.end(reply.body);
    return;
  }
  res.writeHead(reply.status, reply.headers);
  for (const frame of reply.body) {
    res.write(frame);
    // One frame, one packet: a client that waits for the whole stream should be seen to.
    await breathe();
    if (res.destroyed) {
      return;
    }
  }
  res.end();
}

/** Sends the head and about half of the body, then destroys the socket. */
export async function sendHalf(res: ServerResponse, reply: Reply): Promise<void> {
  const body = asFrames(reply.body).join("");
  const headers = { ...reply.headers };
  if (typeof reply.body === "string") {
    headers["content-length"] = String(Buffer.byteLength(body));
  }
  if (res.destroyed) {
    return;
  }
  res.writeHead(reply.status, headers);
  await new Promise<void>((resolve) => {
    res.write(body.slice(0, Math.ceil(body.length / 2)), () => {
      resolve();
    });
  });
  // Two rounds of the loop, so that the half arrives before the end of the connection does.
  await breathe();
  await breathe();
  res.destroy();
}

/** Sends half of a stream, then its protocol's error event, and ends it properly. */
export async function sendBroken(res: ServerResponse, reply: Reply): Promise<void> {
  const frames = asFrames(reply.body);
  const first = frames.slice(0, Math.max(1, Math.floor(frames.length / 2)));
  await sendReply(res, { ...reply, body: [...first, reply.errorFrame ?? ""] });
}

function* padding(bytes: number): Generator<string> {
  const chunk = "x".repeat(64 * 1024);
  yield '{"padding":"';
  for (let left = bytes; left > 0; left -= chunk.length) {
    yield left < chunk.length ? chunk.slice(0, left) : chunk;
  }
  yield '"}';
}

/** Sends a valid JSON body of at least this many bytes, as fast as the client takes it. */
export async function sendHuge(res: ServerResponse, bytes: number): Promise<void> {
  res.writeHead(200, { "content-type": "application/json; charset=utf-8" });
  // A client that has read enough and leaves is just what this is for.
  await pipeline(Readable.from(padding(bytes)), res).catch(() => undefined);
}

/** Sends a head, and then one byte after another until the client has had enough. */
export async function sendDrip(res: ServerResponse, everyMs: number): Promise<void> {
  res.writeHead(200, { "content-type": "text/plain; charset=utf-8" });
  while (!res.destroyed) {
    res.write(" ");
    await realDelay(everyMs);
  }
}
