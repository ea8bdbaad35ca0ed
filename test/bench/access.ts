/** One process: a fresh token against a bare `stat`, and a whole refresh against the bare round trip. */

import { readFileSync, statSync } from "node:fs";
import { request } from "undici";
import type { Home } from "../../src/logins/homes.ts";
import { Login } from "../../src/logins/login.ts";
import { CLIENT_ID } from "../kit/standin/tokens.ts";
import type { TokenReply } from "../kit/standin/server.ts";
import { ACCOUNT, type ServerProcess } from "./server-process.ts";
import { deps } from "./setup.ts";
import { type Distribution, distribution } from "./statistics.ts";

/** Access to a fresh token, in µs. */
export interface FreshResult {
  readonly access: Distribution;
  /** Anchor: one `stat` of the same file. */
  readonly stat: Distribution;
  /** What the official CLI does each time. */
  readonly readAndParse: Distribution;
}

const WARM_UP = 2_000;
const ROUNDS = 20_000;

/** Measures access to a fresh token, taking turns with its anchors. */
export async function measureFresh(home: Home): Promise<FreshResult> {
  const login = new Login(home, deps);
  const times = { access: [] as number[], stat: [] as number[], readAndParse: [] as number[] };
  for (let round = -WARM_UP; round < ROUNDS; round += 1) {
    const start = performance.now();
    statSync(home.file);
    const statDone = performance.now();
    await login.access({ accountId: ACCOUNT });
    const accessDone = performance.now();
    JSON.parse(readFileSync(home.file, "utf8"));
    const readDone = performance.now();
    if (round >= 0) {
      times.stat.push((statDone - start) * 1000);
      times.access.push((accessDone - statDone) * 1000);
      times.readAndParse.push((readDone - accessDone) * 1000);
    }
  }
  return {
    access: distribution(times.access),
    stat: distribution(times.stat),
    readAndParse: distribution(times.readAndParse),
  };
}

/** A refresh, in ms. */
export interface RefreshResult {
  readonly whole: Distribution;
  /** Anchor: the same request without lock and file, over a warm connection. */
  readonly roundTrip: Distribution;
  /** Median of the differences of neighbours. */
  readonly medianExtra: number;
}

const REFRESHES = 60;

/** Measures whole refreshes, taking turns with the bare request. */
export async function measureRefresh(home: Home, server: ServerProcess): Promise<RefreshResult> {
  let laterMs = 0;
  const login = new Login(home, { ...deps, now: () => Date.now() + laterMs });
  let bare = (await server.issueLogin()).refresh_token;
  const whole: number[] = [];
  const roundTrip: number[] = [];
  for (let round = -5; round < REFRESHES; round += 1) {
    const start = performance.now();
    const reply = await request(`${server.oauthHost}/api/oauth/token`, {
      method: "POST",
      headers: {
        ...(await deps.headers()),
        Accept: "application/json",
        "Content-Type": "application/x-www-form-urlencoded",
      },
      body: new URLSearchParams({
        client_id: CLIENT_ID,
        grant_type: "refresh_token",
        refresh_token: bare,
      }).toString(),
    });
    bare = ((await reply.body.json()) as TokenReply).refresh_token;
    const bareDone = performance.now();
    // A token's life later, so that there is something to refresh.
    laterMs += 900_000;
    await login.access();
    const done = performance.now();
    if (round >= 0) {
      roundTrip.push(bareDone - start);
      whole.push(done - bareDone);
    }
  }
  const extras = whole.map((ms, index) => ms - (roundTrip[index] ?? 0));
  return {
    whole: distribution(whole),
    roundTrip: distribution(roundTrip),
    medianExtra: distribution(extras).p50,
  };
}
