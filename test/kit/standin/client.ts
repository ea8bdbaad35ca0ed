/** A plain HTTP client for trying the stand-in out: nothing of the plugin is in it. */
import { CLIENT_ID } from "./tokens.ts";
import type { JsonObject, StandIn } from "./types.ts";

/** An answer, read to its end. */
export interface Got {
  status: number;
  type: string;
  headers: Headers;
  text: string;
  /** Empty if the text is not a JSON object. */
  json: JsonObject;
}

function toObject(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

/** One request, its redirects not followed; POST if there is a body. */
export async function call(url: string, init: RequestInit = {}): Promise<Got> {
  const method = init.method ?? (init.body === undefined ? "GET" : "POST");
  const response = await fetch(url, { redirect: "manual", ...init, method });
  const text = await response.text();
  const type = response.headers.get("content-type") ?? "";
  return { status: response.status, type, headers: response.headers, text, json: toObject(text) };
}

/** The init of a form POST. */
export function form(fields: Record<string, string> | string): RequestInit {
  return { body: new URLSearchParams(fields) };
}

/** The init of a request with a bearer. */
export function bearer(accessToken: string): RequestInit {
  return { headers: { authorization: `Bearer ${accessToken}` } };
}

/** The refresh grant. */
export function refresh(standIn: StandIn, refreshToken: string): Promise<Got> {
  const fields = { client_id: CLIENT_ID, grant_type: "refresh_token", refresh_token: refreshToken };
  return call(`${standIn.oauthHost}/api/oauth/token`, form(fields));
}

/** GET under the API base. */
export function getJson(standIn: StandIn, path: string, accessToken: string): Promise<Got> {
  return call(`${standIn.apiBase}${path}`, bearer(accessToken));
}

/** POST of JSON under the API base, with the headers of both CLIs. */
export function postJson(
  standIn: StandIn,
  path: string,
  body: unknown,
  accessToken: string,
): Promise<Got> {
  return call(`${standIn.apiBase}${path}`, {
    headers: {
      authorization: `Bearer ${accessToken}`,
      "content-type": "application/json",
      ...(path === "/fetch" && { accept: "text/markdown" }),
    },
    body: JSON.stringify(body),
  });
}
