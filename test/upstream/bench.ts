/** An installation of the host with the probe, and what a reproduction asks of it. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { createHost, type Host } from "../kit/openclaw/host.ts";
import { makeRunDir } from "../kit/openclaw/template.ts";
import { MODEL, packProbe, type ProbeOptions, type ProbeVariables, PROVIDER } from "./probe.ts";
import { type ModelServer, startModelServer } from "./server.ts";

/** A call of a hook. */
export interface Noted {
  readonly hook: string;
  /** What the hook was handed, by name. */
  readonly members: readonly string[];
  readonly profileId?: string;
}

/** A host with the probe, signed in. */
export interface Bench extends AsyncDisposable {
  readonly host: Host;
  readonly server: ModelServer;
  readonly folder: string;
  readonly env: ProbeVariables;
  /** Stores the login; one that has expired is refreshed with the next turn. */
  signIn(expires?: number): Promise<void>;
  /** The calls since the last time that this was asked. */
  notes(): Noted[];
}

export const PROFILE = `${PROVIDER}:default`;

/** The login as the host stores it. */
export function login(expires: number): {
  type: string;
  provider: string;
  access: string;
  refresh: string;
  expires: number;
} {
  return { type: "oauth", provider: PROVIDER, access: "old", refresh: "old", expires };
}

/** Installs the probe into a host of its own. */
export async function createBench(options: ProbeOptions = {}): Promise<Bench> {
  const folder = await makeRunDir();
  const server = await startModelServer();
  const env: ProbeVariables = {
    PROBE_LOG: path.join(folder, "hooks.jsonl"),
    PROBE_BASE_URL: server.baseUrl,
  };
  const host = await createHost({ plugin: await packProbe(folder, options), env: { ...env } });
  return {
    host,
    server,
    folder,
    env,
    signIn: async (expires = Date.now() + 3_600_000) => {
      await host.signIn(PROFILE, login(expires), MODEL);
    },
    notes: () => {
      const lines = existsSync(env.PROBE_LOG) ? readFileSync(env.PROBE_LOG, "utf8") : "";
      rmSync(env.PROBE_LOG, { force: true });
      return lines
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as Noted);
    },
    [Symbol.asyncDispose]: async () => {
      await host.dispose();
      await server[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** How often each hook was called. */
export function counts(notes: readonly Noted[]): Record<string, number> {
  const counted: Record<string, number> = {};
  for (const { hook } of notes) {
    counted[hook] = (counted[hook] ?? 0) + 1;
  }
  return counted;
}

/** What a reproduction prints, a line each. */
export type Print = (line: string) => void;

/** A time in ms as a text. */
export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
/** Limit of a command that may have to wait for the host's own limits, in ms. */
export const MINUTES_5 = 300_000;
