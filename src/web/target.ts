/** Which pages Kimi is asked to fetch: public ones only, judged before anything is sent. */

import { ssrfSdk } from "../host/sdk.ts";
import { isRecord } from "../json.ts";
import { say } from "../messages.ts";
import { WebToolError } from "./ask.ts";

type Policy = NonNullable<
  NonNullable<
    Parameters<ReturnType<typeof ssrfSdk>["resolvePinnedHostnameWithPolicy"]>[1]
  >["policy"]
>;

/**
 * What of OpenClaw's own policy holds here. What a user opens for OpenClaw's own fetch (private
 * networks, single names) stays closed, because an internal address is no business of Kimi's. The two
 * ranges of fake addresses stand for public names behind a proxy.
 */
function policyOf(value: unknown): Policy {
  const policy = isRecord(value) ? value : {};
  const blocked = Array.isArray(policy.blockedHostnames) ? policy.blockedHostnames : [];
  return {
    allowRfc2544BenchmarkRange: policy.allowRfc2544BenchmarkRange === true,
    allowIpv6UniqueLocalRange: policy.allowIpv6UniqueLocalRange === true,
    blockedHostnames: blocked.filter((name) => typeof name === "string"),
  };
}

/**
 * Checks a page's address: http or https, no user or password, and no address on a private, loopback,
 * link-local or otherwise special network, be it as a number in any notation, by IPv6 form or by name.
 * A name that cannot be resolved here is refused as well, because where it leads is not known.
 *
 * @param ssrfPolicy - OpenClaw's setting `tools.web.fetch.ssrfPolicy`
 * @returns the address that may be sent, without its fragment
 * @throws WebToolError
 */
export async function publicPage(
  raw: unknown,
  ssrfPolicy: unknown,
  signal?: AbortSignal,
): Promise<string> {
  // The URL parser turns every notation of an IPv4 address into the usual one.
  const url = typeof raw === "string" ? URL.parse(raw.trim()) : null;
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new WebToolError("invalid_url", say.notAPage());
  }
  if (url.username !== "" || url.password !== "") {
    throw new WebToolError("invalid_url", say.pageWithPassword());
  }
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const policy = policyOf(ssrfPolicy);
  const sdk = ssrfSdk();
  try {
    await sdk.resolvePinnedHostnameWithPolicy(host, {
      policy,
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof Error && error.name === "SsrFBlockedError"
      ? new WebToolError("private_address", say.privatePage())
      : new WebToolError("unknown_host", say.pageUnknown({ host }));
  }
  url.hash = "";
  return url.href;
}
