/**
 * What the plugin adds to a turn of a running gateway: the time from the request until the model call
 * arrives, against a model by address and key in the same gateway; and what an empty plugin adds.
 *
 * The kinds take turns in blocks, and the first turns of a block do not count: when the model changes
 * from turn to turn, OpenClaw builds what it keeps for the last one again, for either kind.
 */

import { kimiVariables, signInWithCliLogin } from "../kit/kimi/kimi-cli.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import { createHost, type Host } from "../kit/openclaw/host.ts";
import { MODEL } from "../upstream/probe.ts";
import { createEmptyPluginHost } from "./empty-plugin.ts";
import { addBenchModel, inTurns, mustSucceed, type Paired } from "./host.ts";
import { quantile } from "./statistics.ts";

/** Turns of a block that count, and turns before them that do not. */
const BLOCK = { warmUp: 2, counted: 5 } as const;

const OWN = "kimi-code/kimi-for-coding";

/** Turns of a running gateway, each kind against a model by address and key in the same gateway. */
export interface GatewayResult {
  readonly own: Paired;
  /** A plugin that only registers a provider. */
  readonly empty: Paired;
}

/** Measures `rounds` pairs of blocks, each kind in a session of its own; a sample is a block's median, in ms. */
async function measureCalls(
  host: Host,
  standIn: StandIn,
  model: string,
  rounds: number,
): Promise<Paired> {
  await addBenchModel(host, standIn);
  await using gateway = await host.startGateway();
  const turn = async (asked: string): Promise<number> => {
    standIn.clear();
    const arrival = standIn.waitFor("chat").then(({ headers }) => ({
      atMs: performance.now(),
      byPlugin: "x-msh-platform" in headers,
    }));
    const startMs = performance.now();
    mustSucceed(await gateway.chat("hi", { model: asked, session: `bench-${asked}` }));
    const { atMs, byPlugin } = await arrival;
    if (byPlugin !== (asked === OWN)) {
      throw new Error(`the call for ${asked} came by the other way`);
    }
    return atMs - startMs;
  };
  const block = (asked: string) => async (): Promise<number> => {
    const samples: number[] = [];
    for (let index = -BLOCK.warmUp; index < BLOCK.counted; index += 1) {
      const ms = await turn(asked);
      if (index >= 0) {
        samples.push(ms);
      }
    }
    return quantile(samples, 0.5);
  };
  return await inTurns(
    "request to model call",
    rounds,
    block(model),
    block("bench/kimi-for-coding"),
  );
}

/** Measures both kinds of plugin, one after another. */
export async function measureGateway(rounds: number): Promise<GatewayResult> {
  await using standIn = await startStandIn({ checksCalls: false });
  await using host = await createHost({ env: kimiVariables(standIn) });
  await signInWithCliLogin(host, standIn);
  const own = await measureCalls(host, standIn, OWN, rounds);
  await using emptyHost = await createEmptyPluginHost(standIn);
  return { own, empty: await measureCalls(emptyHost, standIn, MODEL, rounds) };
}
