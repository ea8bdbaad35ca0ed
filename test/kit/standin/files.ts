/** `POST /files`: what the Kimi Code CLI uploads for a message, named `ms://<id>` there. */
import { randomBytes } from "node:crypto";
import { isRecord } from "../../../src/json.ts";
import type { Account } from "./accounts.ts";
import { withAccount } from "./api.ts";
import { NO_MEMBERSHIP, badRequest } from "./bodies.ts";
import type { Answer } from "./bodies.ts";
import { answerReply, jsonReply } from "./http.ts";
import { violation } from "./world.ts";

/** The two purposes that the CLI names (2.1.0, `packages/agent-core-v2/src/human/llm-kimi/files.ts`). */
const PURPOSES = new Set(["image", "video"]);
/** Vendor's page platform.kimi.ai/docs/api/files-upload: 100 MB for a file, 1,000 files for a user. */
const MAX_FILE_BYTES = 100 * 1024 * 1024;
const MAX_FILES = 1_000;

/** A field of a form. */
interface Field {
  readonly content: string;
  readonly fileName: string | undefined;
  readonly type: string;
}

/** The fields of a form (RFC 7578); `undefined` for a body that is none. Each character is a byte. */
function fieldsOf(body: string, contentType: string): Map<string, Field> | undefined {
  const boundary = /^multipart\/form-data;.*\bboundary="?([^";]+)"?/iu.exec(contentType)?.[1];
  if (boundary === undefined || !body.endsWith(`--${boundary}--\r\n`)) {
    return undefined;
  }
  const fields = new Map<string, Field>();
  for (const part of body.slice(0, -`--${boundary}--\r\n`.length).split(`--${boundary}\r\n`)) {
    const end = part.indexOf("\r\n\r\n");
    const head = part.slice(0, Math.max(end, 0));
    const name = /\bname="([^"]+)"/u.exec(head)?.[1];
    if (name !== undefined) {
      fields.set(name, {
        content: part.slice(end + 4, -2),
        fileName: /\bfilename="([^"]+)"/u.exec(head)?.[1],
        type: /^content-type: *(\S+)/imu.exec(head)?.[1] ?? "",
      });
    }
  }
  return fields;
}

/** Texts: vendor's page platform.kimi.ai/docs/api/errors. */
function fileFault(bytes: number, count: number): Answer | undefined {
  if (bytes === 0) {
    return badRequest("File size is zero, please confirm and re-upload the file");
  }
  if (bytes > MAX_FILE_BYTES) {
    return badRequest(
      "File size is too large, max file size is 100MB, please confirm and re-upload the file",
    );
  }
  return count < MAX_FILES
    ? undefined
    : badRequest(
        `The number of files you have uploaded exceeded the max file count ${MAX_FILES}, please delete previous uploaded files`,
      );
}

/**
 * The CLI reads `id` alone; the other members are those of the vendor's page on files. Made up: the refusals of a form
 * and of a file whose type is not that of its purpose.
 */
export const files = withAccount((world, request, account) => {
  const fields = fieldsOf(request.body, request.headers["content-type"] ?? "");
  const purpose = fields?.get("purpose")?.content ?? "";
  const file = fields?.get("file");
  if (file?.fileName === undefined || !PURPOSES.has(purpose)) {
    violation(world, request, "no file with a known purpose");
    return answerReply(badRequest("Invalid request: file and purpose are required"));
  }
  if (!file.type.startsWith(`${purpose}/`)) {
    violation(world, request, `a file of type ${file.type} is no ${purpose}`);
    return answerReply(badRequest(`Invalid request: file is no ${purpose}`));
  }
  if (account.membership === "none") {
    return answerReply(NO_MEMBERSHIP);
  }
  const fault = fileFault(file.content.length, account.files.size);
  if (fault !== undefined) {
    return answerReply(fault);
  }
  const id = `standin-file-${randomBytes(4).toString("hex")}`;
  account.files.set(id, { purpose, bytes: file.content.length });
  return jsonReply(200, {
    id,
    object: "file",
    bytes: file.content.length,
    created_at: Math.floor(world.clock.now() / 1_000),
    filename: file.fileName,
    purpose,
    status: "ready",
    status_details: "",
  });
});

/** Addresses of files in a body, with the kind of part that each is in. */
function namedFiles(value: unknown, kind: string): [string, string][] {
  if (typeof value === "string") {
    return kind !== "" && value.startsWith("ms://") ? [[value, kind]] : [];
  }
  if (Array.isArray(value)) {
    return value.flatMap((member) => namedFiles(member, kind));
  }
  if (!isRecord(value)) {
    return [];
  }
  const { type } = value;
  const own = (typeof type === "string" ? /image|video/u.exec(type)?.[0] : undefined) ?? kind;
  return Object.values(value).flatMap((member) => namedFiles(member, own));
}

/**
 * A file that is not this account's, or of another purpose. The text is the live one for an address that Kimi does not
 * take (OpenHands/software-agent-sdk#3219, 2026-05-12; vendor's error page). Made up: that such a file gets it.
 */
export function unknownFile(body: unknown, account: Account): Answer | undefined {
  const bad = namedFiles(body, "").find(
    ([url, kind]) => account.files.get(url.slice("ms://".length))?.purpose !== kind,
  );
  return bad === undefined
    ? undefined
    : badRequest(`Invalid request: unsupported ${bad[1]} url: ${bad[0]}`);
}
