/** The start of the real OpenClaw, with and without the plugin. */

import { writeFile } from "node:fs/promises";
import { startStandIn } from "../standin/server.ts";
import { createHost, type Host } from "../support/host.ts";
import { kimiVariables, succeed, writeCliLogin } from "../host/kimi.ts";
import { type Distribution, distribution } from "./statistics.ts";

/** Durations in ms. */
export interface HostResult {
  readonly rows: readonly {
    readonly what: string;
    readonly withPlugin: Distribution;
    readonly without: Distribution;
  }[];
}

const ROUNDS = 4;
const MODEL = "kimi-for-coding";

async function time(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

async function turn(host: Host): Promise<void> {
  const { ok, text } = await host.agentTurn("hi");
  if (!ok) {
    throw new Error(`the turn failed: ${text}`);
  }
}

/** Measures `openclaw --version` and one agent turn, each kind in its turn. */
export async function measureHost(): Promise<HostResult> {
  await using standIn = await startStandIn();
  await using plain = await createHost({ env: kimiVariables(standIn) });
  await using host = await createHost({ env: kimiVariables(standIn) });
  await writeCliLogin(host, standIn, standIn.issueLogin());
  await succeed(host.onboard());
  const { access_token } = standIn.issueLogin();
  // The same server and model by the host's own means: an address and a key.
  const provider = {
    baseUrl: standIn.apiBase,
    apiKey: access_token,
    api: "openai-completions",
    models: [{ id: MODEL, name: MODEL, contextWindow: 262_144, maxTokens: 8_192 }],
  };
  const config = {
    logging: { file: plain.logFile },
    plugins: { slots: { memory: "none" }, entries: { "kimi-code-oauth": { enabled: false } } },
    gateway: { mode: "local" },
    agents: { defaults: { model: { primary: `bench/${MODEL}` } } },
    models: { mode: "merge", providers: { bench: provider } },
  };
  await writeFile(plain.configFile, JSON.stringify(config), { mode: 0o600 });
  const jobs: [string, (host: Host) => Promise<unknown>][] = [
    ["openclaw --version", async (one) => await one.run(["--version"])],
    ["a turn of openclaw agent --local", turn],
  ];
  const rows: HostResult["rows"][number][] = [];
  for (const [what, job] of jobs) {
    const withPlugin: number[] = [];
    const without: number[] = [];
    for (let round = -1; round < ROUNDS; round += 1) {
      const plainMs = await time(async () => await job(plain));
      const ms = await time(async () => await job(host));
      if (round >= 0) {
        without.push(plainMs);
        withPlugin.push(ms);
      }
    }
    rows.push({ what, withPlugin: distribution(withPlugin), without: distribution(without) });
  }
  return { rows };
}
