/** A command in a pseudo terminal, driven by keys. */
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { findIn, startCommand, type CommandOptions, type RunningCommand } from "./process.ts";

/** Keys that are no text. */
export const keys = {
  enter: "\r",
  up: "\u001B[A",
  down: "\u001B[B",
  space: " ",
  escape: "\u001B",
  ctrlC: "\u0003",
} as const;

/** A command in a terminal of its own. */
export interface Terminal extends RunningCommand {
  /** Everything shown so far, without colours and cursor movements; what a prompt redraws appears again. */
  screen(): string;
  /** Presses keys. */
  send(text: string): void;
  /**
   * Waits until a text is shown that was not there when keys were last sent.
   * Rejects with the tail of the screen after `timeoutMs` ms (default 30 s), or when the command ends without it.
   */
  waitFor(pattern: RegExp | string, timeoutMs?: number): Promise<string>;
}

/** Wide enough that no text of the host's is broken into lines. */
const COLUMNS = 200;
const ROWS = 50;

const relay = fileURLToPath(new URL("pty-relay.py", import.meta.url));

/** Starts a command in a pseudo terminal; needs python3. */
export function startTerminal({ file, args, cwd, env }: CommandOptions): Terminal {
  const command = startCommand({
    file: "python3",
    args: [relay, String(COLUMNS), String(ROWS), file, ...args],
    cwd,
    env: { ...env, TERM: "xterm-256color" },
  });
  // Where the text begins that has not been reacted to yet, in characters of the raw output.
  let seen = 0;
  return {
    ...command,
    screen: () => stripVTControlCharacters(command.output()),
    send: (text) => {
      seen = command.output().length;
      command.write(text);
    },
    waitFor: (pattern, timeoutMs) =>
      command.waitUntil(
        (output) => findIn(stripVTControlCharacters(output.slice(seen)), pattern),
        String(pattern),
        timeoutMs,
      ),
  };
}
