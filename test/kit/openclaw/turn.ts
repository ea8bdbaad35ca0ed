/** The outcome of one agent turn, read from what a gateway reports of it, or `openclaw agent --json` prints. */
import type { CommandResult } from "./process.ts";

/** One agent turn, whether it worked or not. */
export interface ReportedTurn {
  /** The turn was not aborted, and a command of it succeeded. */
  readonly ok: boolean;
  /** The reply's texts, joined by line breaks; of a failed turn the error message. */
  readonly text: string;
  /** The report; undefined if there was none. */
  readonly raw: unknown;
}

/** A turn that a command made. */
export interface AgentTurn extends ReportedTurn {
  readonly command: CommandResult;
}

interface Printed {
  readonly payloads?: readonly { readonly text?: string | null; readonly isError?: boolean }[];
  readonly error?: { readonly message?: string } | string;
  readonly meta?: { readonly aborted?: boolean; readonly error?: unknown };
  /** A gateway wraps the same in an envelope. */
  readonly result?: Printed;
}

/** Reads the outcome of `openclaw agent --json`. */
export function readTurn(command: CommandResult): AgentTurn {
  const { ok, text, raw } = readReport(parseLast(command.stdout));
  return {
    ok: command.code === 0 && ok,
    text: text === "" ? command.stderr.trim() : text,
    raw,
    command,
  };
}

/** Reads a gateway's report of a turn. */
export function readReport(raw: Printed | undefined): ReportedTurn {
  const printed: Printed = raw?.result ?? raw ?? {};
  const payloads = printed.payloads ?? [];
  const error = typeof printed.error === "object" ? printed.error.message : printed.error;
  const texts = payloads.flatMap(({ text }) => (typeof text === "string" ? [text] : []));
  return {
    ok: printed.meta?.aborted !== true && !payloads.some(({ isError }) => isError === true),
    text: texts.length > 0 ? texts.join("\n") : (error ?? ""),
    raw,
  };
}

/** The JSON object at the end of the output; lines of text may stand before it. */
function parseLast(output: string): Printed | undefined {
  const start = output.startsWith("{") ? 0 : output.indexOf("\n{") + 1;
  try {
    return JSON.parse(output.slice(start)) as Printed;
  } catch {
    return undefined;
  }
}
