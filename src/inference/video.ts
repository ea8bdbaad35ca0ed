/**
 * A video that a user sends, in the model's words. OpenClaw hands a video to no plugin's model; what it
 * asks for instead is a description, which it puts into the user's message (its page "Media understanding").
 */

import type { OpenClawPluginApi } from "openclaw/plugin-sdk/plugin-entry";
import { isRecord, listOf, parseJson } from "../json.ts";
import { say } from "../messages.ts";
import { knownModel } from "../models/known.ts";
import type { ModelRow } from "../models/models.ts";
import { readModelList } from "../models/store.ts";
import { type BoundLogin, loginOfToken } from "../profiles/bound-login.ts";
import { classifyResponse } from "../protocol/api-errors.ts";
import { KimiError } from "../protocol/errors.ts";
import type { HttpResponse } from "../protocol/http.ts";
import { type MediaPart, refusedFiles } from "./media.ts";
import { kimiBody, MESSAGES_BETA } from "./payload.ts";
import { Uploads } from "./uploads.ts";

type Provider = Parameters<OpenClawPluginApi["registerMediaUnderstandingProvider"]>[0];
type DescribeVideo = NonNullable<Provider["describeVideo"]>;

/** Most bytes of a response. */
const MAX_BYTES = 1024 * 1024;
/** What is asked where OpenClaw has no prompt. */
const PROMPT = "Describe the video.";

/** The model that is asked: the one that is used anyway, or another of the account's that takes video. */
function modelFor(login: BoundLogin, modelId: string | undefined): ModelRow {
  const known = modelId === undefined ? [] : [knownModel(modelId, login)];
  const row = [...known, ...(readModelList(login.key)?.models ?? [])].find(
    ({ video, protocol }) => video && protocol !== "responses",
  );
  if (row === undefined) {
    throw new KimiError("refused", say.noVideo());
  }
  return row;
}

/** A request that shows a file to a model, on the model's protocol. */
function request(row: ModelRow, id: string, prompt: string) {
  const url = `ms://${id}`;
  const isChat = row.protocol === "chat";
  const content = [
    isChat
      ? { type: "video_url", video_url: { url, id } }
      : { type: "video", source: { type: "url", url } },
    { type: "text", text: prompt },
  ];
  const body = kimiBody(
    isChat ? "openai-completions" : "anthropic-messages",
    { model: row.id, messages: [{ role: "user", content }] },
    {
      row,
      level: "off",
      sessionId: undefined,
      maxTokens: undefined,
      usedTokens: 0,
      schemas: new Map(),
    },
  );
  return {
    method: "POST" as const,
    path: isChat ? "/chat/completions" : "/messages",
    headers: {
      Accept: "application/json",
      "Content-Type": "application/json",
      ...(isChat ? {} : { "anthropic-version": "2023-06-01", "anthropic-beta": MESSAGES_BETA }),
    },
    body: JSON.stringify(body),
    maxBytes: MAX_BYTES,
  };
}

/** The text of a reply of either protocol; empty where there is none. */
function textOf({ text }: HttpResponse): string {
  const body = parseJson(text);
  const choice = isRecord(body) ? listOf(body.choices)[0] : undefined;
  const message = isRecord(choice) && isRecord(choice.message) ? choice.message : body;
  const content = isRecord(message) ? message.content : undefined;
  return typeof content === "string"
    ? content.trim()
    : listOf(content)
        .flatMap((part) => (isRecord(part) && typeof part.text === "string" ? [part.text] : []))
        .join("\n")
        .trim();
}

/**
 * Uploads a video and has it described.
 *
 * @throws KimiError in plain words, which OpenClaw logs; the model then reads that there was a video
 */
export async function describeVideo({
  buffer,
  mime = "video/mp4",
  apiKey,
  model,
  prompt = PROMPT,
  timeoutMs,
  signal,
}: Parameters<DescribeVideo>[0]): ReturnType<DescribeVideo> {
  const login = loginOfToken(apiKey);
  if (login === undefined) {
    throw new KimiError("login_missing", say.noProfile());
  }
  const row = modelFor(login, model);
  const part: MediaPart = { type: "video", data: buffer.toString("base64"), mimeType: mime };
  const uploads = new Uploads(login);
  // An id that Kimi has forgotten is uploaded once more.
  for (let isFirst = true; ; isFirst = false) {
    const id = (await uploads.idsOf([part], signal)).get(part);
    if (id === undefined) {
      throw new KimiError("refused", say.videoNotTaken());
    }
    const response = await login.request({ ...request(row, id, prompt), timeoutMs, signal });
    const text = response.status === 200 ? textOf(response) : "";
    if (text !== "") {
      return { text, model: row.id };
    }
    const report = { errorMessage: `${String(response.status)} ${response.text}` };
    const refused = refusedFiles(report, new Map([["", id]]));
    await uploads.forget(refused);
    if (!isFirst || refused.length === 0) {
      const kind = classifyResponse(response.status, response.text) ?? "refused";
      throw new KimiError(
        "refused",
        login.explain(kind, { model: row.id, status: response.status }),
      );
    }
  }
}
