/**
 * What the plugin adds to a start of OpenClaw: the same installation with the plugin on and off, in
 * turns. Off, the same model is reached by an address and a key in OpenClaw's config.
 */

import { readFile, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { kimiVariables, signInWithCliLogin } from "../host/kimi.ts";
import { type StandIn, startStandIn } from "../standin/server.ts";
import { createHost, type Host } from "../support/host.ts";
import { type Distribution, distribution, quantile } from "./statistics.ts";

/** One kind of command or start, in ms. */
export interface Paired {
  readonly what: string;
  readonly on: Distribution;
  readonly off: Distribution;
  /** Median of the differences, each between two neighbors in time. */
  readonly medianExtra: number;
}

/** What was measured. */
export interface HostResult {
  readonly version: Paired;
  readonly turn: Paired;
  readonly gatewayStart: Paired;
  /** Resident memory of a gateway after its first turn, in bytes. */
  readonly memory: Paired;
}

const MODEL = "kimi-for-coding";
/** Magic number of a file system in memory (statfs(2)). */
const TMPFS = 0x01021994;

/** A folder on a disk: OpenClaw's copies cost most there. */
async function diskFolder(): Promise<string> {
  const folder = tmpdir();
  const { type } = await statfs(folder);
  if (type === TMPFS) {
    throw new Error(`${folder} is in memory; set TMPDIR to a folder on a disk`);
  }
  return folder;
}

/** The same server and model by OpenClaw's own means: an address and a key. */
export function byAddressAndKey(standIn: StandIn) {
  return {
    baseUrl: standIn.apiBase,
    apiKey: standIn.issueLogin().access_token,
    api: "openai-completions",
    models: [{ id: MODEL, name: MODEL, contextWindow: 262_144, maxTokens: 8_192 }],
  };
}

/** The installation with the plugin switched off. */
async function switchOff(host: Host, standIn: StandIn): Promise<void> {
  await host.updateConfig((config) => ({
    ...config,
    plugins: { slots: { memory: "none" }, entries: { "kimi-code-oauth": { enabled: false } } },
    gateway: { mode: "local" },
    agents: { defaults: { model: { primary: `bench/${MODEL}` } } },
    models: { mode: "merge", providers: { bench: byAddressAndKey(standIn) } },
  }));
}

/** Runs two kinds of work in turns; the first round of each is a warm-up. */
export async function inTurns(
  what: string,
  rounds: number,
  on: () => Promise<number>,
  off: () => Promise<number>,
): Promise<Paired> {
  const samples = { on: [] as number[], off: [] as number[] };
  for (let round = -1; round < rounds; round += 1) {
    const offMs = await off();
    const onMs = await on();
    if (round >= 0) {
      samples.off.push(offMs);
      samples.on.push(onMs);
    }
  }
  const extras = samples.on.map((value, index) => value - (samples.off[index] ?? 0));
  return {
    what,
    on: distribution(samples.on),
    off: distribution(samples.off),
    medianExtra: quantile(extras, 0.5),
  };
}

async function timed(work: () => Promise<void>): Promise<number> {
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

/** Resident memory of a process, in bytes. */
async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${String(pid)}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/mu.exec(status)?.[1]) * 1_024;
}

/** Measures commands, turns and gateways, `rounds` of each. */
export async function measureHost(rounds: number): Promise<HostResult> {
  await using standIn = await startStandIn();
  const setup = { env: kimiVariables(standIn), parent: await diskFolder() };
  await using offHost = await createHost(setup);
  await using onHost = await createHost(setup);
  await signInWithCliLogin(onHost, standIn);
  await switchOff(offHost, standIn);
  const command = (host: Host) => async () =>
    await timed(async () => void (await host.run(["--version"])));
  const oneTurn = (host: Host) => async () => await timed(async () => await turn(host));
  const version = await inTurns("openclaw --version", rounds, command(onHost), command(offHost));
  const turns = await inTurns("openclaw agent --local", rounds, oneTurn(onHost), oneTurn(offHost));
  const bytes = { on: [] as number[], off: [] as number[] };
  const start = (host: Host, resident: number[]) => async (): Promise<number> => {
    await using gateway = await host.startGateway();
    await gateway.chat("hi");
    resident.push(await residentBytes(gateway.command.pid));
    return gateway.readyMs;
  };
  const gatewayStart = await inTurns(
    "gateway start",
    rounds,
    start(onHost, bytes.on),
    start(offHost, bytes.off),
  );
  // The first round of each is a warm-up here, too.
  const next = (samples: number[]) => async (): Promise<number> => samples.shift() ?? Number.NaN;
  const memory = await inTurns("gateway memory", rounds, next(bytes.on), next(bytes.off));
  return { version, turn: turns, gatewayStart, memory };
}

/** Writes a config, for a caller that has its own host. */
export async function addBenchModel(host: Host, standIn: StandIn): Promise<void> {
  const config = await host.config();
  const models = { mode: "merge", providers: { bench: byAddressAndKey(standIn) } };
  await writeFile(host.configFile, JSON.stringify({ ...config, models }), { mode: 0o600 });
}
