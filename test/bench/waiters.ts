/** A crowd on one expired login: from the winner's write to each caller's return. */

import { type ChildProcess, fork } from "node:child_process";
import { nextMessage } from "../kit/login-processes.ts";
import type { Home } from "../../src/logins/homes.ts";
import type { ServerProcess } from "./server-process.ts";
import { expire } from "./setup.ts";
import { type Distribution, distribution } from "./statistics.ts";
import type { CrowdAnswer, CrowdMode } from "./waiters-child.ts";

export const PROCESSES = 4;
export const CALLERS = 20;
/** Time that the server takes, so that everybody is waiting when the winner writes, in ms. */
const SERVER_MS = 400;

/** What one kind of crowd came to, in ms. */
export interface CrowdResult {
  /** Of all callers of all rounds. */
  readonly latencies: readonly number[];
  /** The last caller of each round. */
  readonly last: Distribution;
  /** Refresh requests of each round; 1 is right. */
  readonly requests: readonly number[];
}

async function answers(children: readonly ChildProcess[]): Promise<CrowdAnswer[]> {
  const all = children.map(async (child) => (await nextMessage(child)) as CrowdAnswer);
  for (const child of children) {
    child.send(CALLERS);
  }
  return await Promise.all(all);
}

/** Lets a crowd of real processes meet an expired login, several times. */
export async function measureCrowd(
  home: Home,
  server: ServerProcess,
  mode: CrowdMode,
  rounds: number,
): Promise<CrowdResult> {
  const child = new URL("waiters-child.ts", import.meta.url).pathname;
  const children = Array.from({ length: PROCESSES }, () =>
    fork(child, [mode, JSON.stringify(home)], { execArgv: [] }),
  );
  const latencies: number[] = [];
  const last: number[] = [];
  const requests: number[] = [];
  try {
    await Promise.all(children.map(nextMessage));
    for (let round = -1; round < rounds; round += 1) {
      await expire(home);
      await server.refreshes();
      await server.delayNext(SERVER_MS);
      const results = await answers(children);
      const wroteAt = Math.max(...results.flatMap(({ wroteAtMs }) => wroteAtMs ?? []));
      const waits = results
        .flatMap(({ returnedAtMs }) => returnedAtMs)
        .map((at) => Math.max(0, at - wroteAt));
      if (round >= 0) {
        latencies.push(...waits);
        last.push(Math.max(...waits));
        requests.push(await server.refreshes());
      }
    }
  } finally {
    for (const one of children) {
      one.kill("SIGKILL");
    }
  }
  return { latencies, last: distribution(last), requests };
}
