/**
 * Where a login's servers are: regions, their web sites, and environment overrides.
 *
 * Every login is bound to its endpoints permanently. A token of one region means nothing to
 * the other, so nothing here ever mixes endpoints of two logins.
 */

import { say } from "../messages.ts";
import { KimiError } from "./errors.ts";

/** Client id of both Kimi CLIs in every region; a public client without a secret (RFC 6749, 2.1). */
export const CLIENT_ID = "17e5f671-d194-4dfb-9706-5516cb48c098";

/** A region as the Kimi Code CLI names it; `custom` stands for all other endpoints. */
export type RegionId = "mainland-cn" | "global" | "custom";

/** The OAuth host and the API base that a login belongs to. */
export interface Endpoints {
  readonly region: RegionId;
  /** OAuth issuer without a trailing slash, e.g. `https://auth.kimi.com`. */
  readonly oauthHost: string;
  /** Base of the managed API without a trailing slash, e.g. `https://api.kimi.com/coding/v1`. */
  readonly apiBase: string;
}

/** Environment as read by this module; values are the user's, not checked. */
export type Env = Readonly<Record<string, string | undefined>>;

/** The two regions that Kimi runs. */
export const REGIONS = {
  "mainland-cn": {
    region: "mainland-cn",
    oauthHost: "https://auth.kimi.com",
    apiBase: "https://api.kimi.com/coding/v1",
  },
  global: {
    region: "global",
    oauthHost: "https://auth.kimi.ai",
    apiBase: "https://api.kimi.ai/coding/v1",
  },
} as const satisfies Record<string, Endpoints>;

/** Kimi's web sites for each region, where plans are bought, accounts managed and sign-ins approved. */
export const WEB_SITES = {
  "mainland-cn": ["https://www.kimi.com"],
  global: ["https://www.kimi.ai"],
  // A custom endpoint may front either region.
  custom: ["https://www.kimi.com", "https://www.kimi.ai"],
} as const satisfies Record<RegionId, readonly string[]>;

/** Kimi's web site for a login, without a trailing slash. */
export function siteOf(endpoints: Pick<Endpoints, "region">): string {
  return WEB_SITES[endpoints.region][0];
}

const LOOPBACK_HOST = /^(localhost|127(?:\.\d{1,3}){3}|\[::1\])$/i;

/** True for a host name, as a URL has it, that means this machine. */
export function isLoopbackHost(hostname: string): boolean {
  return LOOPBACK_HOST.test(hostname);
}

/**
 * Checks an endpoint and gives it back without trailing slashes.
 *
 * @param value - the endpoint's URL
 * @param source - where it came from, for the message (a variable's name, or "the profile")
 * @throws KimiError `endpoint_invalid` unless it is https, or plain http to a loopback host, with no
 *   user info, query or fragment
 */
export function checkEndpoint(value: string, source: string): string {
  const refuse = (why: string): never => {
    throw new KimiError("endpoint_invalid", say.invalidEndpoint(source, why));
  };
  let url: URL;
  try {
    url = new URL(value.trim());
  } catch {
    return refuse(value.trim() === "" ? "is empty" : "is not a valid URL");
  }
  if (url.username !== "" || url.password !== "") {
    return refuse("contains a user name or password");
  }
  // The text, because a bare "?" or "#" at its end is part of no member of the URL.
  if (/[?#]/.test(value)) {
    return refuse("contains a query or a fragment");
  }
  if (url.protocol === "http:" ? !isLoopbackHost(url.hostname) : url.protocol !== "https:") {
    return refuse("does not use https");
  }
  return stripTrailingSlashes(value.trim());
}

/** An endpoint as it is compared and stored. */
export function stripTrailingSlashes(value: string): string {
  return value.replace(/\/+$/, "");
}

/** Gives checked endpoints their region's name. */
export function endpointsOf(oauthHost: string, apiBase: string): Endpoints {
  const known = Object.values(REGIONS).find(
    (region) => region.oauthHost === oauthHost && region.apiBase === apiBase,
  );
  return known ?? { region: "custom", oauthHost, apiBase };
}

/** Host variable that counts; an empty one counts as unset, and hides no login. */
function oauthHostVariable(
  env: Env,
): { readonly name: string; readonly value: string } | undefined {
  for (const name of ["KIMI_CODE_OAUTH_HOST", "KIMI_OAUTH_HOST"]) {
    const value = env[name];
    if (value?.trim()) {
      return { name, value };
    }
  }
  return undefined;
}

/**
 * Reads the endpoints that the environment asks for.
 *
 * @returns `undefined` when the environment names none, so that the region decides
 * @throws KimiError `endpoint_invalid` for an endpoint that cannot be used
 */
export function endpointsFromEnv(env: Env): Endpoints | undefined {
  const host = oauthHostVariable(env);
  const base = env.KIMI_CODE_BASE_URL?.trim() ? env.KIMI_CODE_BASE_URL : undefined;
  if (host === undefined && base === undefined) {
    return undefined;
  }
  return endpointsOf(
    host === undefined ? REGIONS["mainland-cn"].oauthHost : checkEndpoint(host.value, host.name),
    base === undefined ? REGIONS["mainland-cn"].apiBase : checkEndpoint(base, "KIMI_CODE_BASE_URL"),
  );
}

/** Address of the token endpoint (RFC 6749, section 3.2). */
export function tokenEndpointOf(endpoints: Pick<Endpoints, "oauthHost">): string {
  return `${endpoints.oauthHost}/api/oauth/token`;
}

/** How a region is called in messages. */
export function regionLabel(endpoints: Endpoints): string {
  switch (endpoints.region) {
    case "mainland-cn":
      return "kimi.com";
    case "global":
      return "kimi.ai";
    case "custom":
      return new URL(endpoints.oauthHost).host;
  }
}
