/**
 * A process of its own that uses one home, run as `node child.ts <home as JSON> [stop-at-rename]`.
 *
 * It says "ready", then answers each order over the IPC channel; see `processes.ts`.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { isKimiError } from "../../src/protocol/errors.ts";
import type { Home } from "../../src/logins/homes.ts";
import { Login } from "../../src/logins/login.ts";
import type { Order, Result } from "./login-processes.ts";

const [homeText = "", mode] = process.argv.slice(2);
let login = open(JSON.parse(homeText) as Home);

function open(home: Home): Login {
  return new Login(home, {
    headers: async () => ({ "User-Agent": "kimi-code-oauth-test/1" }),
    notice: () => undefined,
    now: Date.now,
    sleep: async (ms) => {
      await sleep(ms);
    },
  });
}

if (mode === "stop-at-rename") {
  // The new tokens are written and not yet in place: the worst moment to die.
  const { renameSync } = fs;
  fs.renameSync = (from, to) => {
    if (to === login.home.file) {
      process.send?.("renaming");
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    }
    renameSync(from, to);
  };
  syncBuiltinESMExports();
}

async function call(order: Order): Promise<Result> {
  try {
    const { accessToken } = await login.access({ rejectedAccessToken: order.rejectedAccessToken });
    return { accessToken };
  } catch (error) {
    return { code: isKimiError(error) ? error.code : String(error) };
  }
}

async function run(order: Order): Promise<void> {
  if (order.home !== undefined) {
    login = open(order.home);
  }
  process.send?.(await Promise.all(Array.from({ length: order.callers }, () => call(order))));
}

process.on("message", (order: Order) => {
  if (order.blockMs === undefined) {
    void run(order);
  } else {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, order.blockMs);
  }
});
process.send?.("ready");
