/**
 * The link on which a person approves a sign-in (RFC 8628, section 3.3.1).
 *
 * It is shown to the user and opened in their browser, so it must lead to Kimi's own site whatever a
 * server, a proxy or a captive portal put into the response.
 */

import { type Endpoints, isLoopbackHost, WEB_SITES } from "./endpoints.ts";

/** Longest link that is shown, in characters; a real one has about 70. */
const MAX_LINK_LENGTH = 2_048;

/**
 * Checks a link from a device authorization.
 *
 * @returns the link as it may be shown, or `undefined` unless it leads, by https and without user
 *   info, to the site of the region; with an issuer on loopback, to loopback
 */
export function checkVerificationLink(value: string, endpoints: Endpoints): string | undefined {
  if (value.length > MAX_LINK_LENGTH || !URL.canParse(value)) {
    return undefined;
  }
  const url = new URL(value);
  if (url.username !== "" || url.password !== "") {
    return undefined;
  }
  const sites: readonly string[] = WEB_SITES[endpoints.region];
  if (isLoopbackHost(new URL(endpoints.oauthHost).hostname)) {
    const plain = url.protocol === "http:" || url.protocol === "https:";
    return plain && isLoopbackHost(url.hostname) ? url.href : undefined;
  }
  // `href` holds printable ASCII only, so a terminal shows it as it is.
  return sites.includes(url.origin) ? url.href : undefined;
}
