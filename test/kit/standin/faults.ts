/** Faults: what a network or a server can do to a request, on demand. */
import type { ServerResponse } from "node:http";
import { answerReply, sendBroken, sendDrip, sendHalf, sendHuge, sendReply } from "./http.ts";
import type { Reply } from "./http.ts";
import { realDelay } from "./clock.ts";
import type { JsonObject, RecordedRequest, RequestFilter, Route } from "./types.ts";

/**
 * A fault. Where it says `at`: `before` (default) holds the request back unhandled, `after` lets the server act on it
 * (a refresh rotates) and holds the reply back.
 */
export type Fault =
  /** Answers without handling the request; spread an answer of `bodies.ts` here. */
  | {
      kind: "status";
      status: number;
      body?: JsonObject | string;
      headers?: Readonly<Record<string, string>>;
    }
  /** Never answers. */
  | { kind: "hang"; at?: "before" | "after" }
  /** Answers late, by ms of real time. */
  | { kind: "delay"; ms: number; at?: "before" | "after" }
  /** Answers once the promise is settled. */
  | { kind: "gate"; gate: Promise<unknown>; at?: "before" | "after" }
  /** Resets the connection before any byte, the request unhandled. */
  | { kind: "reset" }
  /** Handles the request, sends the head and half of the body, then destroys the socket. */
  | { kind: "resetMidBody" }
  /** Handles the request (the token route rotates), then resets the connection before any byte. */
  | { kind: "rotateThenDrop" }
  | { kind: "redirect"; location: string; status?: 301 | 302 | 303 | 307 | 308 }
  /** A valid JSON body of this size. */
  | { kind: "huge"; bytes: number }
  /** Sends a good head, and then a byte each `everyMs` ms, without an end. */
  | { kind: "drip"; everyMs: number }
  | { kind: "rawBody"; status: number; contentType: string; body: string }
  /** Handles the request and changes the JSON of the reply. */
  | { kind: "mutateReply"; fn: (reply: JsonObject) => unknown }
  /** Chat protocols only: half of the stream, then its error event. */
  | { kind: "midStreamError" };

/** Which requests a fault is for. */
export interface FaultOptions {
  /** How many requests; default 1. */
  times?: number;
  when?: RequestFilter;
}

interface Planned {
  route: Route;
  fault: Fault;
  left: number;
  when: RequestFilter;
}

/** The faults still to come, in the order they were asked for. */
export class FaultPlan {
  #planned: Planned[] = [];

  add(route: Route, fault: Fault, times: number, when: RequestFilter = () => true): void {
    if (
      fault.kind === "midStreamError" &&
      route !== "chat" &&
      route !== "messages" &&
      route !== "responses"
    ) {
      throw new Error(`midStreamError needs a chat route, not ${route}`);
    }
    if (fault.kind === "rotateThenDrop" && route !== "token") {
      throw new Error(`rotateThenDrop is for the token route, not ${route}`);
    }
    this.#planned.push({ route, fault, left: times, when });
  }

  /** The fault for this request; a counted one goes before a permanent one. */
  take(request: RecordedRequest): Fault | undefined {
    const fits = this.#planned.filter((plan) => plan.route === request.route && plan.when(request));
    const chosen = fits.find((plan) => Number.isFinite(plan.left)) ?? fits[0];
    if (chosen === undefined) {
      return undefined;
    }
    chosen.left -= 1;
    this.#planned = this.#planned.filter((plan) => plan.left > 0);
    return chosen.fault;
  }

  heal(route?: Route): void {
    this.#planned = route === undefined ? [] : this.#planned.filter((plan) => plan.route !== route);
  }
}

function mutate(reply: Reply, fn: (reply: JsonObject) => unknown): Reply {
  const parsed: unknown = typeof reply.body === "string" ? JSON.parse(reply.body) : undefined;
  if (typeof parsed !== "object" || parsed === null) {
    throw new Error("mutateReply needs a reply that is a JSON object");
  }
  return { ...reply, body: JSON.stringify(fn({ ...parsed })) };
}

/** Waits as the fault says, around the handling of the request; undefined if no reply is ever to be sent. */
async function hold(fault: Fault, handle: () => Reply): Promise<Reply | undefined> {
  if (fault.kind !== "delay" && fault.kind !== "gate" && fault.kind !== "hang") {
    return handle();
  }
  const early = fault.at === "after" ? handle() : undefined;
  if (fault.kind === "hang") {
    return undefined;
  }
  await (fault.kind === "delay" ? realDelay(fault.ms) : fault.gate.catch(() => undefined));
  return early ?? handle();
}

/** Answers a request the way a fault wants it. */
export async function answerWithFault(
  fault: Fault,
  handle: () => Reply,
  res: ServerResponse,
): Promise<void> {
  switch (fault.kind) {
    case "status":
      await sendReply(res, answerReply({ body: "", ...fault }));
      return;
    case "rawBody":
      await sendReply(res, {
        status: fault.status,
        headers: { "content-type": fault.contentType },
        body: fault.body,
      });
      return;
    case "redirect":
      await sendReply(res, {
        status: fault.status ?? 307,
        headers: { location: fault.location },
        body: "",
      });
      return;
    case "huge":
      await sendHuge(res, fault.bytes);
      return;
    case "drip":
      await sendDrip(res, fault.everyMs);
      return;
    case "reset":
      res.socket?.resetAndDestroy();
      return;
    case "rotateThenDrop":
      handle();
      res.socket?.resetAndDestroy();
      return;
    case "resetMidBody": {
      const reply = handle();
      reply.undo?.();
      await sendHalf(res, reply);
      return;
    }
    case "midStreamError": {
      const reply = handle();
      reply.undo?.();
      await sendBroken(res, reply);
      return;
    }
    case "mutateReply":
      await sendReply(res, mutate(handle(), fault.fn));
      return;
    case "hang":
    case "delay":
    case "gate": {
      const reply = await hold(fault, handle);
      if (reply !== undefined) {
        await sendReply(res, reply);
      }
    }
  }
}
