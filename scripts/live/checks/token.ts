/** The sign-in, the tokens and their rotation. */

import { isRecord } from "../../../src/json.ts";
import { isAlive } from "../../../src/logins/freshness.ts";
import { isKimiError } from "../../../src/protocol/errors.ts";
import { refreshGrant } from "../../../src/protocol/refresh-grant.ts";
import { type Check, type Live, notChecked, type Seen, verdict } from "../check.ts";
import { isPassing } from "../kimi.ts";
import { watchOAuth, type WireResponse } from "../wire.ts";

/** A refresh token that nobody has. */
const MADE_UP = "made-up-refresh-token-of-a-check";

/** What RFC 8628, section 3.2, and both Kimi CLIs have in the two answers. */
const DEVICE_MEMBERS = [
  "device_code",
  "expires_in",
  "user_code",
  "verification_uri",
  "verification_uri_complete",
];
const TOKEN_MEMBERS = ["access_token", "expires_in", "refresh_token", "scope", "token_type"];

const PEER = notChecked("another program refreshed the login at this moment; run it again");
const NO_DEVICE = notChecked("only with --device");
const NO_SPEND = notChecked("only with --device --spend");

function members(value: unknown): string {
  return isRecord(value) ? Object.keys(value).toSorted().join(", ") : "no JSON object";
}

function hasMembers(value: unknown, needed: readonly string[]): Seen {
  const missing = needed.filter((name) => !isRecord(value) || !(name in value));
  return missing.length === 0
    ? verdict(true, members(value))
    : verdict(false, `${members(value)}; missing: ${missing.join(", ")}`);
}

function withResponse(
  { refreshed: { response } }: Live,
  look: (response: WireResponse) => Seen,
): Seen {
  return response === undefined ? PEER : look(response);
}

function member(response: WireResponse, name: string): unknown {
  return isRecord(response.json) ? response.json[name] : undefined;
}

/** Sends a refresh token that must not work, and tells how it was refused. */
async function refusal(live: Live, refreshToken: string): Promise<Seen> {
  const { kimi } = live;
  const { endpoints } = kimi.home;
  const { result, responses } = await watchOAuth(endpoints, async () => {
    try {
      await refreshGrant({ endpoints, headers: kimi.headers, refreshToken });
      return "taken" as const;
    } catch (error) {
      if (isPassing(error) && error.code !== "refused") {
        throw error;
      }
      return isKimiError(error) ? error.code : Promise.reject(error);
    }
  });
  const response = responses.at(-1);
  const error = response === undefined ? undefined : member(response, "error");
  const name = typeof error === "string" ? error : `members ${members(response?.json)}`;
  const seen = `${String(response?.status)} ${result === "taken" ? "with new tokens" : name}`;
  return verdict(result === "login_ended" && [400, 401].includes(response?.status ?? 0), seen);
}

export const TOKEN_CHECKS: readonly Check[] = [
  {
    id: "device.reply",
    fact: "Members of a device authorization's answer",
    expected: `${DEVICE_MEMBERS.join(", ")} among them`,
    requests: 0,
    calls: 0,
    run: async ({ options, signIn }) => {
      const response = signIn.find(({ path }) => path.endsWith("/device_authorization"));
      return options.device ? hasMembers(response?.json, DEVICE_MEMBERS) : NO_DEVICE;
    },
  },
  {
    id: "device.pending",
    fact: "Answer to a poll before the user has decided",
    expected: "400 or 200 authorization_pending",
    requests: 0,
    calls: 0,
    run: async ({ options, signIn }) => {
      const early = signIn.find(
        ({ path, json }) => path.endsWith("/token") && !(isRecord(json) && "access_token" in json),
      );
      if (!options.device) {
        return NO_DEVICE;
      }
      if (early === undefined) {
        return notChecked("the first poll came after the decision");
      }
      const error = member(early, "error");
      return verdict(
        [400, 200].includes(early.status) && error === "authorization_pending",
        `${String(early.status)} ${typeof error === "string" ? error : members(early.json)}`,
      );
    },
  },
  {
    id: "token.reply",
    fact: "Members of the token endpoint's answer",
    expected: `${TOKEN_MEMBERS.join(", ")} among them`,
    requests: 0,
    calls: 0,
    run: async (live) => withResponse(live, ({ json }) => hasMembers(json, TOKEN_MEMBERS)),
  },
  {
    id: "token.lifetime",
    fact: "Lifetime of an access token",
    expected: "expires_in 900",
    requests: 1,
    calls: 0,
    run: async (live) =>
      withResponse(live, (response) => {
        const value = member(response, "expires_in");
        return verdict(value === 900, `expires_in ${JSON.stringify(value) ?? "is missing"}`);
      }),
  },
  {
    id: "token.rotation",
    fact: "A refresh gives a new refresh token",
    expected: "another one",
    requests: 0,
    calls: 0,
    run: async (live) =>
      withResponse(live, (response) => {
        const next = member(response, "refresh_token");
        const isNew = typeof next === "string" && next !== live.refreshed.before.refreshToken;
        return verdict(isNew, isNew ? "another one" : next === undefined ? "none" : "the same");
      }),
  },
  {
    id: "token.old-access",
    fact: "The access token from before a refresh lives until its end",
    expected: "200 on `/me`",
    assumed: true,
    requests: 1,
    calls: 0,
    run: async ({ kimi, refreshed: { before } }) => {
      if (before.expiresAtMs === 0 || !isAlive(before, Date.now() + 30_000)) {
        return notChecked("that token was at its end already; run it again");
      }
      const { status } = await kimi.ask({ path: "/me", bearer: before.accessToken });
      return verdict(status === 200, `${String(status)} on \`/me\``);
    },
  },
  {
    id: "token.invalid-grant",
    fact: "A refresh token that does not exist is refused",
    expected: "400 or 401 invalid_grant",
    requests: 1,
    calls: 0,
    run: async (live) => await refusal(live, MADE_UP),
  },
];

/** These come last, because they may end the login. */
export const SPEND_CHECKS: readonly Check[] = [
  {
    id: "token.reuse",
    fact: "A refresh token that was used is refused",
    expected: "400 or 401 invalid_grant",
    requests: 1,
    calls: 0,
    run: async (live) =>
      live.options.spend ? await refusal(live, live.refreshed.before.refreshToken) : NO_SPEND,
  },
  {
    id: "token.reuse-ends",
    fact: "The login goes on after that",
    expected: "the next refresh works",
    assumed: true,
    requests: 1,
    calls: 0,
    run: async ({ kimi, options }) => {
      if (!options.spend) {
        return NO_SPEND;
      }
      try {
        await kimi.refresh();
        return verdict(true, "the next refresh works");
      } catch (error) {
        if (isKimiError(error) && error.code === "login_ended") {
          return verdict(false, "the login is over");
        }
        throw error;
      }
    },
  },
];
