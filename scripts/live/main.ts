/** `npm run live`: checks what the plugin rests on against the real Kimi, with a contributor's subscription. */

import { createInterface } from "node:readline/promises";
import { setTimeout as delay } from "node:timers/promises";
import { type LiveOptions, parseLiveArguments, USAGE, UsageError } from "./arguments.ts";
import { EXIT, type LiveIo, runLive } from "./run.ts";

const canceled = new AbortController();

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  // Not once: a second Ctrl-C must not end the process while new tokens are being saved.
  process.on(signal, () => {
    canceled.abort();
  });
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function confirm(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // On a terminal, Ctrl-C comes here and not as a signal.
  terminal.on("SIGINT", () => {
    canceled.abort();
  });
  try {
    const answer = await terminal.question(question, { signal: canceled.signal });
    return /^y(?:es)?$/i.test(answer.trim());
  } catch (error) {
    canceled.signal.throwIfAborted();
    // Ctrl-D: nobody answers any more.
    if (error instanceof Error && error.name === "AbortError") {
      return false;
    }
    throw error;
  } finally {
    terminal.close();
  }
}

const io: LiveIo = {
  env: process.env,
  out: (text) => {
    process.stdout.write(text);
  },
  tell,
  confirm: process.stdin.isTTY ? confirm : undefined,
  signal: canceled.signal,
  waits: {
    now: Date.now,
    sleep: async (ms, signal) => {
      await delay(ms, undefined, { signal });
    },
  },
};

async function main(): Promise<number> {
  let options: LiveOptions;
  try {
    options = parseLiveArguments(process.argv.slice(2));
  } catch (error) {
    if (error instanceof UsageError) {
      tell(`${error.message}\n\n${USAGE}`);
      return EXIT.usage;
    }
    throw error;
  }
  if (options.help) {
    process.stdout.write(USAGE);
    return EXIT.match;
  }
  return await runLive(options, io);
}

try {
  process.exitCode = await main();
} catch (error) {
  // Where it failed and not why: an error's text may quote what was sent.
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const frames = stack.split("\n").filter((line) => /^ +at /.test(line));
  tell(`This program failed. Please report it with these lines:\n${frames.join("\n")}`);
  process.exitCode = EXIT.fault;
}
