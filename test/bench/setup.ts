/** Homes and logins for measuring. */

import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Home, makeHome } from "../../src/logins/homes.ts";
import type { LoginDeps } from "../../src/logins/login-deps.ts";
import { identityHeaders } from "../../src/protocol/identity.ts";
import { ownerText } from "../kit/logins.ts";
import type { ServerProcess } from "./server-process.ts";

/** CallSite of a login as the plugin gives them. */
export const deps: LoginDeps = {
  headers: async () => identityHeaders("00000000-0000-4000-8000-000000000000"),
  notice: () => undefined,
  now: Date.now,
  sleep: async (ms) => {
    await sleep(ms);
  },
};

/** A Kimi Code CLI home with a login that was made just now. */
export async function signedInHome(dir: string, server: ServerProcess): Promise<Home> {
  const endpoints = {
    region: "custom",
    oauthHost: server.oauthHost,
    apiBase: server.apiBase,
  } as const;
  const home = makeHome("kimi-code-cli", dir, server.cliSlot, endpoints);
  await mkdir(path.dirname(home.file), { recursive: true, mode: 0o700 });
  await writeFile(home.file, ownerText(home, await server.issueLogin()), { mode: 0o600 });
  return home;
}

/** Puts a login's expiry into the past. */
export async function expire(home: Home): Promise<void> {
  const text = await readFile(home.file, "utf8");
  const past = Math.floor(Date.now() / 1000) - 10;
  await writeFile(home.file, text.replace(/"expires_at": \d+/u, `"expires_at": ${String(past)}`));
}
