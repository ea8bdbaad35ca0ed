/**
 * What the plugin adds to a turn of a running gateway: the time from the request until the model call
 * arrives, against a model by address and key in the same gateway, in turns.
 */

import { kimiVariables, signInWithCliLogin } from "../host/kimi.ts";
import { startStandIn } from "../standin/server.ts";
import { createHost } from "../support/host.ts";
import { addBenchModel, inTurns, type Paired } from "./host.ts";

/** Measures `rounds` turns of each kind, each kind in a session of its own. */
export async function measureGateway(rounds: number): Promise<Paired> {
  await using standIn = await startStandIn();
  await using host = await createHost({ env: kimiVariables(standIn) });
  await signInWithCliLogin(host, standIn);
  await addBenchModel(host, standIn);
  await using gateway = await host.startGateway();
  const turn = (model: string) => async (): Promise<number> => {
    standIn.clear();
    const arrived = standIn.waitFor("chat").then(() => performance.now());
    const startMs = performance.now();
    const { ok, text } = await gateway.chat("hi", { model, session: `bench-${model}` });
    if (!ok) {
      throw new Error(`the turn failed: ${text}`);
    }
    return (await arrived) - startMs;
  };
  const through = turn("kimi-code/kimi-for-coding");
  const byKey = turn("bench/kimi-for-coding");
  // What is loaded with the first turns is no part of a turn.
  for (let warmUp = 0; warmUp < 4; warmUp += 1) {
    await byKey();
    await through();
  }
  return await inTurns("request to model call", rounds, through, byKey);
}
