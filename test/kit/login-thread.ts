/** A worker thread that asks a login for access once, and reports what it got. */
import { parentPort, workerData } from "node:worker_threads";
import { isKimiError } from "../../src/protocol/errors.ts";
import type { Home } from "../../src/logins/homes.ts";
import { Login } from "../../src/logins/login.ts";
import type { AccessOptions } from "../../src/logins/login.ts";

const { home, options } = workerData as { home: Home; options: AccessOptions };
const login = new Login(home, {
  headers: async () => ({ "User-Agent": "kimi-code-oauth-test/1" }),
  notice: () => undefined,
  now: Date.now,
  sleep: async () => undefined,
});

async function report(): Promise<string> {
  try {
    return (await login.access(options)).accessToken;
  } catch (error) {
    return isKimiError(error)
      ? `${error.code}, ${error.transient ? "transient" : "final"}`
      : String(error);
  }
}

parentPort?.postMessage(await report(), []);
