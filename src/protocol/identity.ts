/**
 * Who we say we are. Every request to Kimi names this plugin and its version; it never poses as a
 * Kimi CLI or as another program. A user whom Kimi has given another name to use can set that. The
 * header names are the ones that Kimi's own clients send.
 */

import os from "node:os";
import { PLUGIN_VERSION } from "../constants.ts";

/** Value of `X-Msh-Platform`: each program states its own. */
const PLATFORM = "kimi_code_oauth";

/** Product token of the `User-Agent` header (RFC 9110, section 10.1.5). */
const PRODUCT = `kimi-code-oauth/${PLUGIN_VERSION}`;

/** Keeps printable ASCII, the only bytes that are safe in a header value. */
function headerSafe(value: string): string {
  const safe = value.replace(/[^\x20-\x7e]/g, "").trim();
  return safe === "" ? "unknown" : safe;
}

/** What a user has set in place of this plugin's own name. */
export interface StatedIdentity {
  /** Product token, `name/version`. */
  readonly product?: string | undefined;
  readonly platform?: string | undefined;
}

/**
 * Headers that identify this plugin.
 *
 * @param deviceId - this installation's id; left out when it is not known
 * @param stated - what Kimi has told the user to say
 */
export function identityHeaders(
  deviceId: string | undefined,
  { product, platform }: StatedIdentity = {},
): Record<string, string> {
  return {
    "User-Agent": headerSafe(product ?? `${PRODUCT} (OpenClaw)`),
    "X-Msh-Platform": headerSafe(platform ?? PLATFORM),
    "X-Msh-Version": headerSafe(product?.split("/")[1] ?? PLUGIN_VERSION),
    "X-Msh-Device-Name": headerSafe(os.hostname()),
    "X-Msh-Device-Model": headerSafe(`${os.type()} ${os.release()} ${os.arch()}`),
    "X-Msh-Os-Version": headerSafe(os.release()),
    ...(deviceId === undefined ? {} : { "X-Msh-Device-Id": headerSafe(deviceId) }),
  };
}
