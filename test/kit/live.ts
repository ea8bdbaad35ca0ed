/** The check against the real Kimi, run in this process against a stand-in. */
import path from "node:path";
import type { LiveOptions } from "../../scripts/live/arguments.ts";
import { type LiveIo, runLive } from "../../scripts/live/run.ts";
import type { Env } from "../../src/protocol/endpoints.ts";
import { fakeWaits } from "./device.ts";
import { scratch } from "./logins.ts";
import { defaultModels, type ModelRow } from "./standin/accounts.ts";
import type { StandIn } from "./standin/server.ts";

/** What a run left behind. */
export interface LiveRun {
  readonly code: number;
  /** The table and what is around it. */
  readonly out: string;
  /** Everything else that the user saw. */
  readonly screen: string;
  /** Verdicts by the check's id. */
  readonly verdicts: Readonly<Record<string, string>>;
}

/** Models of an account that has one for each protocol. */
export function modelsOfAllProtocols(): ModelRow[] {
  const [first, ...others] = defaultModels();
  if (first === undefined) {
    throw new Error("the stand-in has no models");
  }
  return [
    first,
    ...others,
    { ...first, id: "kimi-messages", protocol: "anthropic" },
    { ...first, id: "kimi-responses", protocol: "response" },
  ];
}

/** The environment of a user whose CLIs keep their logins in a folder of this test's. */
export async function liveEnv(standIn: StandIn): Promise<Env & { readonly folder: string }> {
  const folder = await scratch();
  return {
    ...standIn.env,
    folder,
    KIMI_CODE_HOME: path.join(folder, "kimi-code"),
    KIMI_SHARE_DIR: path.join(folder, "kimi"),
  };
}

/** The options of a run that asks nothing. */
export function liveOptions(more: Partial<LiveOptions> = {}): LiveOptions {
  return { yes: true, device: false, spend: false, help: false, ...more };
}

/** The verdicts in a table, by the check's id. */
export function verdictsIn(table: string): Record<string, string> {
  return Object.fromEntries(
    table.split("\n").flatMap((line) => {
      const [, id, verdict] = /\(`([\w.-]+)`\) \|.* \| (\S[^|]*) \|$/u.exec(line) ?? [];
      return id === undefined || verdict === undefined ? [] : [[id, verdict]];
    }),
  );
}

/** Runs the check. */
export async function live(
  standIn: StandIn,
  options: LiveOptions,
  more: Partial<LiveIo> = {},
): Promise<LiveRun> {
  let out = "";
  let screen = "";
  const code = await runLive(options, {
    env: standIn.env,
    out: (text) => {
      out += text;
    },
    tell: (text) => {
      screen += `${text}\n`;
    },
    signal: new AbortController().signal,
    waits: fakeWaits(standIn),
    ...more,
  });
  return { code, out, screen, verdicts: verdictsIn(out) };
}
