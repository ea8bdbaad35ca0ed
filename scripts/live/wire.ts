/**
 * Reads responses of the OAuth host as they came over the wire, beside the plugin's own code: that
 * mends what is missing (a lifetime, say), and the check wants to see it missing.
 */

import diagnostics from "node:diagnostics_channel";
import { isRecord, parseJson } from "../../src/json.ts";
import type { Endpoints } from "../../src/protocol/endpoints.ts";

/** A response as it came; it may hold tokens. */
export interface WireResponse {
  readonly path: string;
  readonly status: number;
  /** `undefined` for a body that is not JSON. */
  readonly json: unknown;
}

interface Open {
  readonly path: string;
  status: number;
  readonly chunks: Uint8Array[];
}

/** Of undici's messages, what is used here. */
interface Message {
  readonly request: object;
  readonly status: number | undefined;
  readonly chunk: Uint8Array | undefined;
}

function read(value: unknown): Message | undefined {
  if (!isRecord(value) || typeof value.request !== "object" || value.request === null) {
    return undefined;
  }
  const { request, response, chunk } = value;
  return {
    request,
    status:
      isRecord(response) && typeof response.statusCode === "number"
        ? response.statusCode
        : undefined,
    chunk: chunk instanceof Uint8Array ? chunk : undefined,
  };
}

/** The address of a request, where it goes to this host. */
function pathOf(request: object, oauthHost: string): string | undefined {
  if (!("origin" in request) || !("path" in request) || typeof request.path !== "string") {
    return undefined;
  }
  const url = URL.parse(request.path, String(request.origin));
  return url !== null && url.href.startsWith(`${oauthHost}/`) ? url.pathname : undefined;
}

/** Runs something, and gives the OAuth host's responses to it besides its result. */
export async function watchOAuth<T>(
  { oauthHost }: Pick<Endpoints, "oauthHost">,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly responses: readonly WireResponse[] }> {
  const open = new Map<object, Open>();
  const onHeaders = (value: unknown): void => {
    const message = read(value);
    const path = message === undefined ? undefined : pathOf(message.request, oauthHost);
    if (message?.status !== undefined && path !== undefined) {
      open.set(message.request, { path, status: message.status, chunks: [] });
    }
  };
  const onChunk = (value: unknown): void => {
    const message = read(value);
    if (message?.chunk !== undefined) {
      open.get(message.request)?.chunks.push(message.chunk);
    }
  };
  diagnostics.subscribe("undici:request:headers", onHeaders);
  diagnostics.subscribe("undici:request:bodyChunkReceived", onChunk);
  try {
    const result = await work();
    const responses = [...open.values()].map(({ path, status, chunks }) => ({
      path,
      status,
      json: parseJson(Buffer.concat(chunks).toString("utf8")),
    }));
    return { result, responses };
  } finally {
    diagnostics.unsubscribe("undici:request:headers", onHeaders);
    diagnostics.unsubscribe("undici:request:bodyChunkReceived", onChunk);
  }
}
