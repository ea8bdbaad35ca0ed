/** `POST /files`: what the Kimi Code CLI uploads for a message, named `ms://<id>` there. */
import { randomBytes } from "node:crypto";
import { withAccount } from "./api.ts";
import { NO_MEMBERSHIP, badRequest } from "./bodies.ts";
import { answerReply, jsonReply } from "./http.ts";
import { violation } from "./world.ts";

/** The two purposes that the CLI names (2.1.0, `packages/agent-core-v2/src/human/llm-kimi/files.ts`). */
const PURPOSES = new Set(["image", "video"]);

/** The fields of a form (RFC 7578); `undefined` for a body that is none. */
function fieldsOf(body: string, contentType: string): Map<string, string> | undefined {
  const boundary = /^multipart\/form-data;.*\bboundary="?([^";]+)"?/iu.exec(contentType)?.[1];
  if (boundary === undefined || !body.endsWith(`--${boundary}--\r\n`)) {
    return undefined;
  }
  const fields = new Map<string, string>();
  for (const part of body.split(`--${boundary}\r\n`).slice(1)) {
    const [head = "", content = ""] = part.split(/\r\n\r\n(.*)/su);
    const name = /\bname="([^"]+)"/u.exec(head)?.[1];
    if (name !== undefined) {
      fields.set(name, content);
    }
  }
  return fields;
}

/** Made up: the refusals, and every member of the answer but `id`, which is all that the CLI reads. */
export const files = withAccount((world, request, account) => {
  const fields = fieldsOf(request.body, request.headers["content-type"] ?? "");
  const purpose = fields?.get("purpose")?.split("\r\n", 1)[0] ?? "";
  if (fields?.get("file") === undefined || !PURPOSES.has(purpose)) {
    violation(world, request, "no file with a known purpose");
    return answerReply(badRequest("Invalid request: file and purpose are required"));
  }
  if (account.membership === "none") {
    return answerReply(NO_MEMBERSHIP);
  }
  const id = `standin-file-${randomBytes(4).toString("hex")}`;
  return jsonReply(200, { id, object: "file", purpose, status: "ok" });
});
