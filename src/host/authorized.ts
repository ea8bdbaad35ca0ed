/** A request to Kimi's managed API on behalf of a login. */

import { sortAnswer } from "../protocol/api-errors.ts";
import { exchange, type HttpReply, type HttpRequest } from "../protocol/http.ts";
import { loginOf, requestHeaders } from "./context.ts";
import { noteIfEnded } from "./ended.ts";
import { isLongLived } from "./lifetime.ts";
import type { LoginRef } from "./login-ref.ts";

/** A request below the login's API base. */
export interface ApiRequest extends Omit<HttpRequest, "url"> {
  /** Path with its leading slash, e.g. `/models`. */
  readonly path: string;
}

/**
 * Sends a request with the login's bearer and this plugin's identity. When Kimi does not accept the
 * bearer, it is refreshed and the request sent once more.
 *
 * @throws KimiError when there is no bearer or no reply; any status is a reply
 */
export async function authorizedExchange(
  ref: LoginRef,
  { path, headers, ...request }: ApiRequest,
): Promise<HttpReply> {
  const { home, accountId } = ref;
  const login = loginOf(home);
  const access = async (rejectedAccessToken?: string): Promise<string> => {
    try {
      const tokens = await login.access({
        accountId,
        background: isLongLived(),
        rejectedAccessToken,
        signal: request.signal,
      });
      return tokens.accessToken;
    } catch (error) {
      await noteIfEnded(error, ref);
      throw error;
    }
  };
  const send = async (token: string): Promise<HttpReply> =>
    await exchange({
      ...request,
      url: `${home.endpoints.apiBase}${path}`,
      headers: { ...(await requestHeaders()), ...headers, Authorization: `Bearer ${token}` },
    });
  const token = await access();
  const reply = await send(token);
  if (sortAnswer(reply.status, reply.text) !== "rejected_bearer") {
    return reply;
  }
  const renewed = await access(token);
  return renewed === token ? reply : await send(renewed);
}
