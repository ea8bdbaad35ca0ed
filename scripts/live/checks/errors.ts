/** Refusals that can be provoked without harm: the status, the body's shape, and what the plugin makes of it. */

import zlib from "node:zlib";
import type { AnswerKind } from "../../../src/protocol/api-errors.ts";
import { chatCall, messagesCall, modelFor } from "../bodies.ts";
import { type Check, type Live, notChecked, type Seen, verdict } from "../check.ts";
import { type Answer, describe, hasErrorShape, type LiveRequest } from "../kimi.ts";

/** A bearer that nobody has; it must not look like a real one. */
const MADE_UP = "made-up-access-token-of-a-check";
/** Side of the image that is too large, in pixels: 6 MB, above the 5 MB of the refusal. */
const IMAGE_SIDE = 1_450;
/** Characters of a text above the 2 MiB that a request may have. */
const TEXT_LENGTH = 2 * 1024 * 1024 + 1_000;

interface Wanted {
  readonly statuses: readonly number[];
  /** What the plugin must take it for; absent where its text is not known. */
  readonly kind?: AnswerKind;
  readonly messages?: boolean;
}

function judge(answer: Answer, { statuses, kind, messages }: Wanted): Seen {
  const faults = [
    ...(statuses.includes(answer.status) ? [] : ["another status"]),
    ...(hasErrorShape(answer, messages) ? [] : ["another shape"]),
    ...(kind === undefined || answer.kind === kind
      ? []
      : [`the plugin takes it for ${answer.kind ?? "nothing"}`]),
  ];
  const seen = answer.status < 400 ? "taken" : describe(answer);
  return faults.length === 0
    ? verdict(true, seen)
    : verdict(false, `${seen}; ${faults.join("; ")}`);
}

async function provoke(
  live: Live,
  make: (row: NonNullable<ReturnType<typeof modelFor>>) => LiveRequest,
  wanted: Wanted,
): Promise<Seen> {
  const row = modelFor(live.rows, wanted.messages === true ? "messages" : "chat");
  return row === undefined
    ? notChecked("the account has no model for it")
    : judge(await live.kimi.ask(make(row)), wanted);
}

/** A part of a PNG (its specification, section 5.3). */
function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(zlib.crc32(body), body.length + 4);
  return framed;
}

let picture: string | undefined;

/** The data URL of {@link makeLargeImage}, which is made once. */
function largeImage(): string {
  picture ??= `data:image/png;base64,${makeLargeImage().toString("base64")}`;
  return picture;
}

/** A black picture that can be decoded, not compressed, so that nothing but its size is wrong. */
function makeLargeImage(): Buffer {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(IMAGE_SIDE, 0);
  head.writeUInt32BE(IMAGE_SIDE, 4);
  // 8 bits for each of three colors.
  head.set([8, 2], 8);
  const rows = Buffer.alloc(IMAGE_SIDE * (1 + IMAGE_SIDE * 3));
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", head),
    chunk("IDAT", zlib.deflateSync(rows, { level: 0 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function asText(request: LiveRequest): LiveRequest {
  return {
    ...request,
    body: JSON.stringify(request.body),
    headers: { ...request.headers, "Content-Type": "text/plain" },
  };
}

const SHAPE = "{error: {type, message}}";

export const ERROR_CHECKS: readonly Check[] = [
  {
    id: "errors.model",
    fact: "An unknown model",
    expected: `404 or 401 ${SHAPE}, unknown_model`,
    requests: 1,
    calls: 0,
    run: async (live) =>
      await provoke(live, (row) => chatCall({ row: { ...row, id: "no-such-model-here" } }), {
        statuses: [404, 401],
        kind: "unknown_model",
      }),
  },
  {
    id: "errors.schema",
    fact: "Parameters of a tool that are not Kimi's dialect",
    expected: `400 ${SHAPE}, bad_schema`,
    requests: 1,
    calls: 0,
    run: async (live) =>
      await provoke(
        live,
        (row) =>
          chatCall({
            row,
            raw: true,
            tools: [
              {
                name: "two_types",
                parameters: {
                  type: "object",
                  properties: { word: { type: "string", anyOf: [{ type: "string" }] } },
                },
              },
            ],
          }),
        { statuses: [400], kind: "bad_schema" },
      ),
  },
  {
    id: "errors.image",
    fact: "An image of more than 5 MB",
    expected: `400 ${SHAPE}, image_too_large`,
    assumed: true,
    requests: 1,
    calls: 0,
    run: async (live) => {
      if (!live.rows.some(({ images }) => images)) {
        return notChecked("no model of the account sees");
      }
      const content = [
        { type: "text", text: "What is it?" },
        { type: "image_url", image_url: { url: largeImage() } },
      ];
      return await provoke(
        { ...live, rows: live.rows.filter(({ images }) => images) },
        (row) => chatCall({ row, messages: [{ role: "user", content }] }),
        { statuses: [400, 413], kind: "image_too_large" },
      );
    },
  },
  {
    id: "errors.size",
    fact: "A body of more than 2 MiB without media",
    expected: `400 ${SHAPE}, context_overflow`,
    requests: 1,
    calls: 0,
    run: async (live) =>
      await provoke(
        live,
        (row) => chatCall({ row, messages: [{ role: "user", content: "x".repeat(TEXT_LENGTH) }] }),
        { statuses: [400, 413], kind: "context_overflow" },
      ),
  },
  {
    id: "errors.empty",
    fact: "No messages at all",
    expected: `400 ${SHAPE}`,
    requests: 1,
    calls: 0,
    run: async (live) =>
      await provoke(live, (row) => chatCall({ row, messages: [] }), { statuses: [400] }),
  },
  {
    id: "errors.content-type",
    fact: "A body that does not say that it is JSON",
    expected: `400 or 415 ${SHAPE}`,
    assumed: true,
    requests: 1,
    calls: 0,
    run: async (live) =>
      await provoke(live, (row) => asText(chatCall({ row })), { statuses: [400, 415] }),
  },
  {
    id: "errors.messages",
    fact: "An error on messages has a `type` around it",
    expected: `400 {type: error, error: {type, message}}`,
    requests: 1,
    calls: 0,
    run: async (live) =>
      await provoke(live, (row) => messagesCall({ row, messages: [] }), {
        statuses: [400],
        messages: true,
      }),
  },
  ...(["/chat/completions", "/messages", "/me"] as const).map((path): Check => ({
    id: `errors.bearer-${path === "/chat/completions" ? "chat" : path.slice(1)}`,
    fact: `A bearer that does not exist, on \`${path}\``,
    expected: `401 ${path === "/messages" ? "{type: error, error: {type, message}}" : SHAPE}, rejected_bearer`,
    requests: 1,
    calls: 0,
    run: async (live) =>
      await provoke(
        live,
        (row) => ({
          ...(path === "/me"
            ? { path }
            : path === "/messages"
              ? messagesCall({ row })
              : chatCall({ row })),
          bearer: MADE_UP,
        }),
        { statuses: [401], kind: "rejected_bearer", messages: path === "/messages" },
      ),
  })),
];
