/**
 * OpenClaw's `web_fetch` by `POST /fetch`. OpenClaw reads a page itself first and asks here when that
 * does not work out; it also marks the text as foreign and cuts it to the size that a call may have.
 */

import type { OpenClawPluginApi } from "openclaw/plugin-sdk/plugin-entry";
import { WEB_PROVIDER_ID } from "../constants.ts";
import { isRecord, parseJson } from "../json.ts";
import { say } from "../messages.ts";
import { askKimi, loginForWeb, timeoutOf, unexpectedResponse, WebToolError } from "./ask.ts";
import { publicPage } from "./target.ts";

type Provider = Parameters<OpenClawPluginApi["registerWebFetchProvider"]>[0];
type ToolContext = Parameters<Provider["createTool"]>[0];

/** Largest part of a page that is read, in bytes. */
const MAX_BYTES = 2 * 1024 * 1024;
/** Most characters of a page that are handed over; OpenClaw shows a part and keeps up to two million. */
const MAX_CHARACTERS = 1_000_000;

/** True for what Kimi does not answer with: it answers with a page's text, not with HTML or an error. */
function isForeign(text: string): boolean {
  if (/^\s*<(?:!doctype|html|head|body)\b/i.test(text)) {
    return true;
  }
  const json = /^\s*\{/.test(text) ? parseJson(text) : undefined;
  return isRecord(json) && "error" in json;
}

function titleOf(text: string): string | undefined {
  return /^\s*#\s+(.{1,300})$/m.exec(text.slice(0, 2_000))?.[1]?.trim();
}

/** The tool behind `web_fetch`. */
export function webFetchTool({
  config,
  fetchConfig = {},
}: ToolContext): ReturnType<Provider["createTool"]> {
  return {
    description: "Fetch a page's text with Kimi.",
    parameters: {
      type: "object",
      properties: { url: { type: "string", description: "HTTP(S) URL." } },
      required: ["url"],
    },
    execute: async (args, { signal } = {}) => {
      signal?.throwIfAborted();
      const url = await publicPage(args.url, fetchConfig.ssrfPolicy, signal);
      const login = loginForWeb(undefined, config);
      const startMs = Date.now();
      const response = await askKimi(login, {
        signal,
        tool: "fetch",
        body: { url },
        accept: "text/markdown",
        timeoutMs: timeoutOf(fetchConfig.timeoutSeconds),
        maxBytes: MAX_BYTES,
        acceptCut: true,
      });
      if (isForeign(response.text)) {
        throw unexpectedResponse(login, "fetch");
      }
      if (response.text.trim() === "") {
        throw new WebToolError("empty_page", say.pageEmpty());
      }
      const text = response.text.slice(0, MAX_CHARACTERS);
      const isCut = response.cut !== undefined || text.length < response.text.length;
      const title = titleOf(text);
      return {
        url,
        finalUrl: url,
        status: response.status,
        contentType: "text/markdown",
        extractor: WEB_PROVIDER_ID,
        ...(title === undefined ? {} : { title }),
        text,
        truncated: isCut,
        ...(isCut ? { warning: say.pageCut({ characters: text.length }) } : {}),
        fetchedAt: new Date().toISOString(),
        tookMs: Date.now() - startMs,
      };
    },
  };
}
