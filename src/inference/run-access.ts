/** The bearer of a model call, from the login that its run belongs to. */

import { loginOf } from "../host/context.ts";
import { noteIfEnded } from "../host/ended.ts";
import { isLongLived } from "../host/lifetime.ts";
import type { LoginRef } from "../host/login-ref.ts";
import { loginOfRun } from "./run-login.ts";

/** How a model call gets its bearer. */
export interface RunAccess {
  /** Gives a token that is good now; `rejected` is one that Kimi just refused. */
  readonly token: (rejected?: string) => Promise<string>;
  /** The header that names the login between two hooks and is not for the server. */
  readonly header: string;
  readonly login: LoginRef;
}

/**
 * Access for a run.
 *
 * @param headers - the run's headers, as `prepareRuntimeAuth` made them
 * @returns `undefined` for a run that does not use one of our profiles
 */
export function accessOfRun(
  headers: Readonly<Record<string, string>> | undefined,
  signal: AbortSignal | undefined,
): RunAccess | undefined {
  const run = loginOfRun(headers);
  if (run === undefined) {
    return undefined;
  }
  const login = loginOf(run.home);
  return {
    header: run.header,
    login: { home: run.home, accountId: run.accountId },
    token: async (rejected) => {
      try {
        const tokens = await login.access({
          signal,
          accountId: run.accountId,
          rejectedAccessToken: rejected,
          background: isLongLived(),
        });
        return tokens.accessToken;
      } catch (error) {
        await noteIfEnded(error, run);
        throw error;
      }
    },
  };
}
