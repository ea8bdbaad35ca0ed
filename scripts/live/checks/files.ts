/** An upload as both Kimi CLIs make it, and what a call makes of its id. */

import { refusedFiles } from "../../../src/inference/media.ts";
import { isRecord } from "../../../src/json.ts";
import { chatCall, isStream, messagesCall, modelFor } from "../bodies.ts";
import { type Check, type Live, notChecked, type Seen, verdict } from "../check.ts";
import { describe, type LiveRequest } from "../kimi.ts";

const BOUNDARY = "kimi-code-oauth-live";
/** An id that Kimi never gave. */
const MADE_UP = "made-up-file";

/** A picture of one pixel: this format needs no byte above 127, so it fits into a text. */
const PIXEL = "GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

function part(head: readonly string[], content: string): string {
  return `--${BOUNDARY}\r\n${head.join("\r\n")}\r\n\r\n${content}\r\n`;
}

/** A form with a file in it (RFC 7578). */
function upload(): string {
  return [
    part(
      [
        'Content-Disposition: form-data; name="file"; filename="pixel.gif"',
        "Content-Type: image/gif",
      ],
      PIXEL,
    ),
    part(['Content-Disposition: form-data; name="purpose"'], "image"),
    `--${BOUNDARY}--\r\n`,
  ].join("");
}

type Row = NonNullable<ReturnType<typeof modelFor>>;

/** Part of a message that names a file, as the plugin writes it. */
const named = {
  chat: (id: string) => ({ type: "image_url", image_url: { url: `ms://${id}`, id } }),
  messages: (id: string) => ({ type: "image", source: { type: "url", url: `ms://${id}` } }),
};

function asking(row: Row, protocol: keyof typeof named, id: string): LiveRequest {
  const content = [{ type: "text", text: "Reply with the one word: pong" }, named[protocol](id)];
  const messages = [{ role: "user", content }];
  return protocol === "chat" ? chatCall({ row, messages }) : messagesCall({ row, messages });
}

async function taken(live: Live, protocol: keyof typeof named): Promise<Seen> {
  const row = modelFor(live.rows, protocol);
  if (live.fileId === undefined || row === undefined) {
    return notChecked(
      row === undefined ? "the account has no model for it" : "there is no uploaded file",
    );
  }
  const answer = await live.kimi.ask(asking(row, protocol, live.fileId));
  const isTaken = isStream(answer);
  return verdict(isTaken, isTaken ? "taken" : describe(answer));
}

export const FILE_CHECKS: readonly Check[] = [
  {
    id: "files.upload",
    fact: "`POST /files` {file, purpose: image}",
    expected: "200 {id}",
    requests: 1,
    calls: 0,
    run: async (live) => {
      const answer = await live.kimi.ask({
        path: "/files",
        body: upload(),
        headers: { "Content-Type": `multipart/form-data; boundary=${BOUNDARY}` },
      });
      const id = isRecord(answer.json) ? answer.json.id : undefined;
      const members = isRecord(answer.json)
        ? Object.keys(answer.json).toSorted().join(", ")
        : "no JSON object";
      const holds = answer.status === 200 && typeof id === "string" && id !== "";
      if (holds) {
        live.fileId = id;
      }
      return verdict(holds, answer.status === 200 ? `200, ${members}` : describe(answer));
    },
  },
  {
    id: "files.chat",
    fact: "a chat completion names an uploaded picture as `ms://<id>`",
    expected: "taken",
    requests: 1,
    calls: 1,
    run: async (live) => await taken(live, "chat"),
  },
  {
    id: "files.messages",
    fact: "a message on `/messages` names it as the `url` of a source",
    expected: "taken",
    requests: 1,
    calls: 1,
    run: async (live) => await taken(live, "messages"),
  },
  {
    id: "files.unknown",
    fact: "an id that Kimi does not know is refused, in words that the plugin reads",
    expected: "400, 403, 404 or 422 that names the id or a file",
    assumed: true,
    requests: 1,
    calls: 0,
    run: async ({ kimi, rows }) => {
      const row = modelFor(rows, "chat");
      if (row === undefined) {
        return notChecked("the account has no model for it");
      }
      const answer = await kimi.ask(asking(row, "chat", MADE_UP));
      const report = { errorMessage: `${String(answer.status)} ${answer.message}` };
      const isRead = refusedFiles(report, new Map([["", MADE_UP]])).length > 0;
      return verdict(isRead, answer.status === 200 ? "taken" : describe(answer));
    },
  },
];
