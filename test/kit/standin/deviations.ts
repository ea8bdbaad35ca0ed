/**
 * Ways in which the real Kimi could differ from what is known of it, each a switch. The check against
 * the real Kimi (`scripts/live/`) must find every one.
 */
import { isRecord, listOf } from "../../../src/json.ts";
import { AUTHORIZATION_PENDING, NOT_FOUND_HTML } from "./bodies.ts";
import { CALL_DEVIATIONS } from "./deviations-of-calls.ts";
import type { Fault } from "./faults.ts";
import type { JsonObject, Route, StandIn } from "./types.ts";

type Change = (standIn: StandIn) => void;

function without(name: string): (reply: JsonObject) => JsonObject {
  return ({ [name]: _gone, ...rest }) => rest;
}

function changed(route: Route, fn: (reply: JsonObject) => JsonObject): Change {
  return (standIn) => {
    standIn.failAlways(route, { kind: "mutateReply", fn });
  };
}

function renamed(route: Route, from: string, to: string): Change {
  return changed(route, ({ [from]: value, ...rest }) => ({ ...rest, [to]: value }));
}

function answered(route: Route, answer: Omit<Extract<Fault, { kind: "status" }>, "kind">): Change {
  return (standIn) => {
    standIn.failAlways(route, { kind: "status", ...answer });
  };
}

function rows(change: (row: JsonObject) => JsonObject): Change {
  return changed("models", (reply) => ({
    ...reply,
    data: listOf(reply["data"]).filter(isRecord).map(change),
  }));
}

const DEVIATIONS = {
  ...CALL_DEVIATIONS,
  "no lifetime of a device code": ({ device }) => {
    device.replyOverride = without("expires_in");
  },
  "another status while the user decides": (standIn) => {
    standIn.failNext("token", { kind: "status", ...AUTHORIZATION_PENDING, status: 428 });
  },
  "no rotation": ({ settings }) => {
    settings.rotatesRefreshToken = false;
  },
  "a used refresh token is taken": ({ settings }) => {
    settings.takesUsedRefreshToken = true;
  },
  "a used refresh token ends the login": ({ settings }) => {
    settings.reuseEndsLogin = true;
  },
  "a refresh ends the old access token": ({ settings }) => {
    settings.revokeOldAccessOnRefresh = true;
  },
  "another lifetime": ({ settings }) => {
    settings.accessTokenLifetimeS = 3_600;
  },
  "no lifetime": changed("token", without("expires_in")),
  "another word for invalid_grant": (standIn) => {
    standIn.failAlways(
      "token",
      { kind: "status", status: 400, body: { error: "invalid_token" } },
      { when: ({ form }) => form?.["refresh_token"]?.startsWith("made-up") === true },
    );
  },
  "a member of a model's row is gone": rows(without("display_name")),
  "an unknown protocol": rows((row) => ({ ...row, protocol: "grpc" })),
  "efforts in another form": rows((row) => ({ ...row, think_efforts: { valid: [] } })),
  "a context in words": rows((row) => ({ ...row, context_length: "256k" })),
  "another usages shape": renamed("usages", "usages", "quotas"),
  "no user id": renamed("me", "user_id", "uid"),
  "another status for a bearer on me": (standIn) => {
    standIn.failAlways(
      "me",
      { kind: "status", status: 403, body: { error: { type: "forbidden", message: "no" } } },
      { when: ({ bearer }) => bearer?.startsWith("made-up") === true },
    );
  },
  "search results under another name": renamed("search", "search_results", "results"),
  "a page in JSON": answered("fetch", { status: 200, body: { markdown: "# Page" } }),
  "no upload": answered("files", NOT_FOUND_HTML),
} satisfies Record<string, Change>;

/** The name of a deviation. */
export type Deviation = keyof typeof DEVIATIONS;

/** Every deviation. */
export const ALL_DEVIATIONS = Object.keys(DEVIATIONS) as readonly Deviation[];

/** Makes a stand-in differ from now on. */
export function deviate(standIn: StandIn, deviation: Deviation): void {
  DEVIATIONS[deviation](standIn);
}
