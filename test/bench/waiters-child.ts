/** One process of a crowd: `node waiters-child.ts plugin|official <home as JSON>`. */

import fs from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import path from "node:path";
import lockfile from "proper-lockfile";
import { request } from "undici";
import type { Home } from "../../src/logins/homes.ts";
import { Login } from "../../src/logins/login.ts";
import { CLIENT_ID } from "../kit/standin/tokens.ts";
import type { TokenReply } from "../kit/standin/server.ts";
import { deps } from "./setup.ts";

/** Who the crowd is made of; `official` waits and locks as the Kimi Code CLI does. */
export type CrowdMode = "plugin" | "official";

/** Times by the machine's monotonic clock, in ms. */
export interface CrowdAnswer {
  readonly wroteAtMs: number | undefined;
  readonly returnedAtMs: readonly number[];
}

const [mode, homeText = ""] = process.argv.slice(2);
const home = JSON.parse(homeText) as Home;
let wroteAtMs: number | undefined;

function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

// Noted right after the rename, which is when everybody can see the new tokens.
const { renameSync } = fs;
fs.renameSync = (from, to) => {
  renameSync(from, to);
  if (to === home.file) {
    wroteAtMs = nowMs();
  }
};
syncBuiltinESMExports();

interface Stored {
  refresh_token: string;
  expires_at: number;
}

async function load(): Promise<Stored> {
  return JSON.parse(await readFile(home.file, "utf8")) as Stored;
}

/** A refresh with the Kimi Code CLI's lock and its patience. */
async function officialRefresh(): Promise<void> {
  const target = path.join(home.dir, "oauth", home.slot);
  await mkdir(path.dirname(target), { recursive: true });
  await writeFile(target, "", { flag: "a" });
  const release = await lockfile.lock(target, {
    stale: 5_000,
    realpath: false,
    retries: { retries: 120, factor: 1, minTimeout: 500, maxTimeout: 1_000 },
  });
  try {
    const stored = await load();
    if (stored.expires_at * 1000 > Date.now()) {
      return;
    }
    const reply = await request(`${home.endpoints.oauthHost}/api/oauth/token`, {
      method: "POST",
      headers: { "Content-Type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({
        client_id: CLIENT_ID,
        grant_type: "refresh_token",
        refresh_token: stored.refresh_token,
      }).toString(),
    });
    const issued = (await reply.body.json()) as TokenReply;
    const next = { ...issued, expires_at: Math.floor(Date.now() / 1000) + issued.expires_in };
    const temp = `${home.file}.tmp`;
    await writeFile(temp, `${JSON.stringify(next, null, 2)}\n`, { mode: 0o600 });
    fs.renameSync(temp, home.file);
  } finally {
    await release();
  }
}

/** Each round is another minute, because a login is not refreshed more than four times in one. */
let minutes = 0;
const login = new Login(home, { ...deps, now: () => Date.now() + minutes * 61_000 });
let flight: Promise<void> | undefined;

async function access(): Promise<void> {
  if (mode === "plugin") {
    await login.access();
    return;
  }
  flight ??= officialRefresh().finally(() => (flight = undefined));
  await flight;
}

async function answer(callers: number): Promise<void> {
  wroteAtMs = undefined;
  minutes += 1;
  const returnedAtMs = await Promise.all(
    Array.from({ length: callers }, async () => {
      await access();
      return nowMs();
    }),
  );
  process.send?.({ wroteAtMs, returnedAtMs } satisfies CrowdAnswer);
}

process.on("message", (callers: number) => {
  void answer(callers);
});
process.send?.("ready");
