/** A worker thread that asks logins for access, and reports what it got. */
import { parentPort } from "node:worker_threads";
import { isKimiError } from "../../src/protocol/errors.ts";
import type { Home } from "../../src/logins/homes.ts";
import { Login } from "../../src/logins/login.ts";
import type { AccessOptions } from "../../src/logins/login.ts";

/** What a thread is asked to do, with a login that it has not used before. */
export interface ThreadOrder {
  readonly home: Home;
  readonly options: AccessOptions;
}

async function report({ home, options }: ThreadOrder): Promise<string> {
  const login = new Login(home, {
    headers: async () => ({ "User-Agent": "kimi-code-oauth-test/1" }),
    notice: () => undefined,
    now: Date.now,
    sleep: async () => undefined,
  });
  try {
    return (await login.access(options)).accessToken;
  } catch (error) {
    return isKimiError(error)
      ? `${error.code}, ${error.transient ? "transient" : "final"}`
      : String(error);
  }
}

parentPort?.on("message", async (order: ThreadOrder) => {
  parentPort?.postMessage(await report(order), []);
});
