/**
 * What the plugin adds to a start of OpenClaw: the same installation with the plugin on and off, in
 * turns. Off, the same model is reached by an address and a key in OpenClaw's config.
 */

import { readFile, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { kimiVariables, signInWithCliLogin } from "../kit/kimi/kimi-cli.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import { createHost, type Host } from "../kit/openclaw/host.ts";
import type { JsonObject } from "../kit/openclaw/layout.ts";
import { processTree } from "../kit/openclaw/process.ts";
import { createEmptyPluginHost } from "./empty-plugin.ts";
import { type Distribution, distribution, quantile } from "./statistics.ts";

/** One kind of work with the plugin on and off, in ms unless a member says otherwise. */
export interface Paired {
  readonly what: string;
  readonly on: Distribution;
  readonly off: Distribution;
  /** Median of the differences, each between two neighbors in time. */
  readonly medianExtra: number;
}

/** What was measured. */
export interface HostResult {
  /** The folder of both installations; it is not in memory. */
  readonly diskFolder: string;
  readonly version: Paired;
  readonly turn: Paired;
  /** The same for a plugin that only registers a provider. */
  readonly emptyTurn: Paired;
  readonly gatewayStart: Paired;
  /** Resident memory of a gateway after its first turn, in bytes. */
  readonly memory: Paired;
}

const MODEL = "kimi-for-coding";
/** Magic number of a file system in memory (statfs(2)). */
const TMPFS = 0x01021994;

/** A folder on a disk, where users keep OpenClaw; rejects when there is only memory. */
async function diskFolder(): Promise<string> {
  const folder = tmpdir();
  const { type } = await statfs(folder);
  if (type === TMPFS) {
    throw new Error(`${folder} is in memory; set TMPDIR to a folder on a disk`);
  }
  return folder;
}

/** OpenClaw's own way to the same server and model: an address and a key. */
function benchModels(standIn: StandIn): JsonObject {
  const model = { id: MODEL, name: MODEL, contextWindow: 262_144, maxTokens: 8_192 };
  const bench = {
    baseUrl: standIn.apiBase,
    apiKey: standIn.issueLogin().access_token,
    api: "openai-completions",
    models: [model],
  };
  return { mode: "merge", providers: { bench } };
}

/** Adds the model by address and key to a host that is not running. */
export async function addBenchModel(host: Host, standIn: StandIn): Promise<void> {
  await host.updateConfig((config) => ({ ...config, models: benchModels(standIn) }));
}

/** Switches the plugin off; the default model is the one by address and key. */
async function switchOff(host: Host, standIn: StandIn): Promise<void> {
  const workspace = path.join(host.stateDir, "workspace");
  await host.updateConfig((config) => ({
    ...config,
    plugins: {
      ...(config["plugins"] as JsonObject),
      entries: { "kimi-code-oauth": { enabled: false } },
    },
    gateway: { mode: "local" },
    agents: { defaults: { workspace, model: { primary: `bench/${MODEL}` } } },
    models: benchModels(standIn),
  }));
}

/** Sums up two kinds whose samples were taken in turns. */
function paired(what: string, on: readonly number[], off: readonly number[]): Paired {
  const extras = on.map((value, index) => value - (off[index] ?? Number.NaN));
  return {
    what,
    on: distribution(on),
    off: distribution(off),
    medianExtra: quantile(extras, 0.5),
  };
}

/** Runs two kinds of work in turns, off first; the first round of each is a warm-up. */
export async function inTurns(
  what: string,
  rounds: number,
  on: () => Promise<number>,
  off: () => Promise<number>,
): Promise<Paired> {
  const samples = { on: [] as number[], off: [] as number[] };
  for (let round = -1; round < rounds; round += 1) {
    const ofOff = await off();
    const ofOn = await on();
    if (round >= 0) {
      samples.off.push(ofOff);
      samples.on.push(ofOn);
    }
  }
  return paired(what, samples.on, samples.off);
}

async function timed(work: Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work;
  return performance.now() - startMs;
}

async function runVersion(host: Host): Promise<void> {
  const { code, stderr } = await host.run(["--version"]);
  if (code !== 0) {
    throw new Error(`openclaw --version failed: ${stderr}`);
  }
}

/** Throws when a turn has failed: a failure is faster than an answer. */
export function mustSucceed({ ok, text }: { readonly ok: boolean; readonly text: string }): void {
  if (!ok) {
    throw new Error(`the turn failed: ${text}`);
  }
}

async function runTurn(host: Host): Promise<void> {
  mustSucceed(await host.agentTurn("hi"));
}

/** Resident memory of a process and all its children, in bytes: the gateway is a child of its launcher. */
async function residentBytes(pid: number): Promise<number> {
  const sizes = await Promise.all(
    processTree(pid).map(async (member) => {
      const status = await readFile(`/proc/${String(member)}/status`, "utf8").catch(() => "");
      return Number(/^VmRSS:\s+(\d+) kB$/mu.exec(status)?.[1] ?? 0) * 1_024;
    }),
  );
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
}

/** One start of a gateway: ms until it is ready, and resident bytes after its first turn. */
async function startOnce(host: Host): Promise<{ readyMs: number; bytes: number }> {
  await using gateway = await host.startGateway();
  mustSucceed(await gateway.chat("hi"));
  return { readyMs: gateway.readyMs, bytes: await residentBytes(gateway.command.pid) };
}

/** Measures `rounds` commands and one-shot turns of each kind, and `starts` gateways. */
export async function measureHost(rounds: number, starts: number): Promise<HostResult> {
  await using standIn = await startStandIn({ checksCalls: false });
  const parent = await diskFolder();
  const setup = { env: kimiVariables(standIn), parent };
  await using off = await createHost(setup);
  await using on = await createHost(setup);
  await using empty = await createEmptyPluginHost(standIn, parent);
  await signInWithCliLogin(on, standIn);
  await switchOff(off, standIn);
  const version = await inTurns(
    "openclaw --version",
    rounds,
    () => timed(runVersion(on)),
    () => timed(runVersion(off)),
  );
  const turn = await inTurns(
    "openclaw agent --local",
    rounds,
    () => timed(runTurn(on)),
    () => timed(runTurn(off)),
  );
  const emptyTurn = await inTurns(
    "openclaw agent --local",
    rounds,
    () => timed(runTurn(empty)),
    () => timed(runTurn(off)),
  );
  const bytes = { on: [] as number[], off: [] as number[] };
  const start = async (side: "on" | "off"): Promise<number> => {
    const started = await startOnce(side === "on" ? on : off);
    bytes[side].push(started.bytes);
    return started.readyMs;
  };
  const gatewayStart = await inTurns(
    "gateway start",
    starts,
    () => start("on"),
    () => start("off"),
  );
  // The first start of each kind is a warm-up for its memory, too.
  const memory = paired("gateway memory after a turn", bytes.on.slice(1), bytes.off.slice(1));
  return { diskFolder: parent, version, turn, emptyTurn, gatewayStart, memory };
}
