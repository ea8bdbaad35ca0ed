/**
 * What the plugin adds to a turn of a running gateway: the time from the request until the model call
 * arrives, against a model by address and key in the same gateway.
 *
 * The kinds take turns in blocks, and the first turns of a block do not count: when the model changes
 * from turn to turn, OpenClaw builds what it keeps for the last one again, for either kind.
 */

import { kimiVariables, signInWithCliLogin } from "../kit/kimi/kimi-cli.ts";
import { startStandIn } from "../kit/standin/server.ts";
import { createHost } from "../kit/openclaw/host.ts";
import { addBenchModel, inTurns, mustSucceed, type Paired } from "./host.ts";
import { quantile } from "./statistics.ts";

/** Turns of a block that count, and turns before them that do not. */
const BLOCK = { warmUp: 2, counted: 5 } as const;

/** Measures `rounds` pairs of blocks, each kind in a session of its own; a sample is a block's median, in ms. */
export async function measureGateway(rounds: number): Promise<Paired> {
  await using standIn = await startStandIn({ checksCalls: false });
  await using host = await createHost({ env: kimiVariables(standIn) });
  await signInWithCliLogin(host, standIn);
  await addBenchModel(host, standIn);
  await using gateway = await host.startGateway();
  const turn = async (model: string): Promise<number> => {
    standIn.clear();
    const arrival = standIn.waitFor("chat").then(({ headers }) => ({
      atMs: performance.now(),
      byPlugin: "x-msh-platform" in headers,
    }));
    const startMs = performance.now();
    mustSucceed(await gateway.chat("hi", { model, session: `bench-${model}` }));
    const { atMs, byPlugin } = await arrival;
    if (byPlugin !== model.startsWith("kimi-code/")) {
      throw new Error(`the call for ${model} came by the other way`);
    }
    return atMs - startMs;
  };
  const block = (model: string) => async (): Promise<number> => {
    const samples: number[] = [];
    for (let index = -BLOCK.warmUp; index < BLOCK.counted; index += 1) {
      const ms = await turn(model);
      if (index >= 0) {
        samples.push(ms);
      }
    }
    return quantile(samples, 0.5);
  };
  return await inTurns(
    "request to model call",
    rounds,
    block("kimi-code/kimi-for-coding"),
    block("bench/kimi-for-coding"),
  );
}
