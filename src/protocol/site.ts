/** Kimi's web site for a login, where plans are bought and accounts managed. */

import type { Endpoints } from "./endpoints.ts";

/** Address without a trailing slash; logins elsewhere get the `.com` site. */
export function siteOf(endpoints: Pick<Endpoints, "region">): string {
  return endpoints.region === "global" ? "https://www.kimi.ai" : "https://www.kimi.com";
}
