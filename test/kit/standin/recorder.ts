/** What arrived, in order, and promises of what is to arrive. */
import type { IncomingHttpHeaders } from "node:http";
import type { Grant, RecordedRequest, RequestFilter, Route } from "./types.ts";

/** The grant type of RFC 8628. */
export const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";

const PATHS: ReadonlyMap<string, { route: Route; method: string }> = new Map([
  ["/api/oauth/device_authorization", { route: "device_authorization", method: "POST" }],
  ["/api/oauth/token", { route: "token", method: "POST" }],
  ["/coding/v1/models", { route: "models", method: "GET" }],
  ["/coding/v1/usages", { route: "usages", method: "GET" }],
  ["/coding/v1/me", { route: "me", method: "GET" }],
  ["/coding/v1/search", { route: "search", method: "POST" }],
  ["/coding/v1/fetch", { route: "fetch", method: "POST" }],
  ["/coding/v1/files", { route: "files", method: "POST" }],
  ["/coding/v1/chat/completions", { route: "chat", method: "POST" }],
  ["/coding/v1/messages", { route: "messages", method: "POST" }],
  ["/coding/v1/responses", { route: "responses", method: "POST" }],
]);

/** The route of a path without its query, and the one method that it takes. */
export function routeOf(pathname: string): { route: Route; method: string | undefined } {
  return PATHS.get(pathname) ?? { route: "other", method: undefined };
}

function flatten(headers: IncomingHttpHeaders): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) {
      flat[name] = Array.isArray(value) ? value.join(", ") : value;
    }
  }
  return flat;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function grantOf(form: Record<string, string> | undefined): Grant | undefined {
  const grant = form?.["grant_type"];
  if (grant === DEVICE_GRANT) {
    return "device_code";
  }
  return grant === "refresh_token" ? grant : undefined;
}

/** The token that a request presents, by either of the two headers in use. */
function bearerOf(headers: Record<string, string>): string | undefined {
  const match = /^Bearer (.+)$/iu.exec(headers["authorization"] ?? "");
  return match?.[1] ?? headers["x-api-key"];
}

interface Arrival {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  atMs: number;
  /** Reads the status off the answer as it stands. */
  status: () => number | null;
}

interface Waiter {
  isDone: () => boolean;
  reject: (reason: Error) => void;
}

/** Records requests and wakes those who wait for one. */
export class Recorder {
  readonly requests: RecordedRequest[] = [];
  #waiters: Waiter[] = [];

  record(arrival: Arrival): RecordedRequest {
    const headers = flatten(arrival.headers);
    const { route } = routeOf(pathnameOf(arrival.path));
    const type = headers["content-type"] ?? "";
    const form = type.startsWith("application/x-www-form-urlencoded")
      ? Object.fromEntries(new URLSearchParams(arrival.body))
      : undefined;
    const json = /^application\/json\b/u.test(type) ? parseJson(arrival.body) : undefined;
    const grantType = route === "token" ? grantOf(form) : undefined;
    const bearer = bearerOf(headers);
    const request: RecordedRequest = {
      method: arrival.method,
      path: arrival.path,
      route,
      headers,
      body: arrival.body,
      ...(form !== undefined && { form }),
      ...(json !== undefined && { json }),
      ...(grantType !== undefined && { grantType }),
      ...(bearer !== undefined && { bearer }),
      atMs: arrival.atMs,
      get status() {
        return arrival.status();
      },
      answeredAtMs: null,
    };
    this.requests.push(request);
    this.#waiters = this.#waiters.filter((waiter) => !waiter.isDone());
    return request;
  }

  find(route: Route, filter: RequestFilter = () => true): RecordedRequest[] {
    return this.requests.filter((request) => request.route === route && filter(request));
  }

  waitFor(route: Route, count: number, filter?: RequestFilter): Promise<RecordedRequest> {
    const { promise, resolve, reject } = Promise.withResolvers<RecordedRequest>();
    const isDone = (): boolean => {
      const found = this.find(route, filter)[count - 1];
      if (found !== undefined) {
        resolve(found);
      }
      return found !== undefined;
    };
    if (!isDone()) {
      this.#waiters.push({ isDone, reject });
      // A caller that stops waiting before the server closes does not need the rejection.
      promise.catch(() => undefined);
    }
    return promise;
  }

  rejectWaiters(): void {
    for (const waiter of this.#waiters) {
      waiter.reject(new Error("the stand-in was closed before the request arrived"));
    }
    this.#waiters = [];
  }
}

/** A path without its query. */
export function pathnameOf(path: string): string {
  return path.split("?", 1)[0] ?? path;
}
