/** Real processes beside the test: more users of a home, and Python with its own lock. */
import { fork, spawn, spawnSync } from "node:child_process";
import type { ChildProcess, ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import type { Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import type { Home } from "../../src/logins/homes.ts";

/** What a process is told to do: that many callers at once ask for access. */
export interface Order {
  readonly callers: number;
  readonly rejectedAccessToken?: string | undefined;
  /** Another home from now on; a process is slow to start, and knows nothing of the one before. */
  readonly home?: Home;
  /** Instead: keeps the event loop from turning for that long, in ms; it has no result. */
  readonly blockMs?: number;
}

/** What one caller got. */
export type Result = { readonly accessToken: string } | { readonly code: string };

const CHILD = path.join(import.meta.dirname, "login-child.ts");
const PYTHON_STORE = path.join(import.meta.dirname, "kimi", "python_store.py");

/** False where the Python CLI's lock cannot be tried from Python. */
export const hasPython = spawnSync("python3", ["-c", "import fcntl"]).status === 0;

const children = new Set<ChildProcess>();

function track<T extends ChildProcess>(child: T): T {
  children.add(child);
  child.once("close", () => children.delete(child));
  return child;
}

/** Ends every process that this file started and that still runs. */
export async function endProcesses(): Promise<void> {
  await Promise.all(
    Array.from(children, async (child) => {
      const closed = once(child, "close");
      child.kill("SIGKILL");
      await closed;
    }),
  );
}

/** The next message of a process; rejects when the process ends without one. */
export async function nextMessage(child: ChildProcess): Promise<unknown> {
  const ended = new AbortController();
  const onExit = (code: number | null): void => {
    ended.abort(new Error(`the process ended with code ${String(code)} before it answered`));
  };
  child.once("exit", onExit);
  try {
    const [message]: unknown[] = await once(child, "message", { signal: ended.signal });
    return message;
  } catch (error) {
    throw ended.signal.aborted ? ended.signal.reason : error;
  } finally {
    child.off("exit", onExit);
  }
}

/** A process that uses a home. */
export interface LoginProcess {
  readonly child: ChildProcess;
  /** Sends an order without waiting for its results. */
  send(order: Order): void;
  /** Results of the order that was sent last. */
  results(): Promise<Result[]>;
  /** One caller's result. */
  access(rejectedAccessToken?: string): Promise<Result>;
}

/** Starts a process that uses this home, and waits until it has loaded everything. */
export async function startProcess(home: Home, mode?: "stop-at-rename"): Promise<LoginProcess> {
  const args = [JSON.stringify(home), ...(mode === undefined ? [] : [mode])];
  const child = track(
    fork(CHILD, args, { execArgv: [], stdio: ["ignore", "inherit", "inherit", "ipc"] }),
  );
  await nextMessage(child);
  const results = async (): Promise<Result[]> => (await nextMessage(child)) as Result[];
  return {
    child,
    send: (order) => {
      child.send(order);
    },
    results,
    access: async (rejectedAccessToken) => {
      const answer = results();
      child.send({ callers: 1, rejectedAccessToken } satisfies Order);
      const [result] = await answer;
      return result ?? { code: "no result" };
    },
  };
}

/** Several processes that have loaded everything and wait for their order. */
export async function startProcesses(home: Home, count: number): Promise<LoginProcess[]> {
  return await Promise.all(Array.from({ length: count }, () => startProcess(home)));
}

/** Gives all processes the same order at once, and waits for all results. */
export async function runTogether(
  processes: readonly LoginProcess[],
  order: Order,
): Promise<Result[]> {
  const all = processes.map((one) => one.results());
  for (const one of processes) {
    one.send(order);
  }
  return (await Promise.all(all)).flat();
}

/** Kills a process without warning and waits until it is gone. */
export async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

type PythonProcess = ChildProcessByStdio<Writable, Readable, Readable>;

function startPython(args: readonly string[]): PythonProcess {
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: "1" };
  return track(spawn("python3", [PYTHON_STORE, ...args], { env, stdio: ["pipe", "pipe", "pipe"] }));
}

async function outputOf(child: PythonProcess): Promise<string> {
  const [out, errors] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  if (child.exitCode !== 0) {
    throw new Error(`python_store.py ended with code ${String(child.exitCode)}: ${errors}`);
  }
  return out;
}

/** What the Python store answers; see `python_store.py`. */
export interface PythonAnswer {
  readonly result: "fresh" | "adopted" | "refreshed" | "rejected" | "signed-out" | "free" | "busy";
  readonly locked?: boolean;
  readonly access_token?: string;
}

/** Runs the Python store to its end, and gives its output. */
export async function pythonText(...args: string[]): Promise<string> {
  return await outputOf(startPython(args));
}

/** Runs the Python store to its end. */
export async function python(...args: string[]): Promise<PythonAnswer> {
  return JSON.parse(await pythonText(...args)) as PythonAnswer;
}

/** Starts the Python store; `waiting` resolves when it has found its lock taken. */
export function startPythonTurn(...args: string[]): {
  waiting: Promise<unknown>;
  answer: Promise<PythonAnswer>;
} {
  const child = startPython(args);
  const waiting = once(child.stderr, "data");
  const answer = outputOf(child).then((out) => JSON.parse(out) as PythonAnswer);
  answer.catch(() => undefined);
  return { waiting, answer };
}

/** A Python process that holds a lock until it is told to let go. */
export async function pythonHolding(
  lockFile: string,
): Promise<{ child: ChildProcess; letGo: () => Promise<void> }> {
  const child = startPython(["hold", lockFile]);
  const held = once(child.stdout, "data");
  const ended = outputOf(child);
  ended.catch(() => undefined);
  await Promise.race([held, ended]);
  return {
    child,
    letGo: async () => {
      child.stdin.end();
      await ended;
    },
  };
}

/** What a reader of a file saw while others replaced it. */
export interface Seen {
  /** Times that the file was complete JSON. */
  readonly whole: number;
  /** Times that it was anything else, or not there. */
  readonly torn: number;
  /** Different contents. */
  readonly different: number;
}

const READER = `
const { readFileSync } = require("node:fs");
let whole = 0, torn = 0, stopped = false;
const contents = new Set();
function look() {
  try {
    contents.add(JSON.parse(readFileSync(process.argv[1], "utf8")).access_token);
    whole += 1;
  } catch {
    torn += 1;
  }
  if (stopped) process.send({ whole, torn, different: contents.size }, () => process.disconnect());
  else setImmediate(look);
}
process.on("message", () => { stopped = true; });
look();
process.send("reading");
`;

/** Starts a process that reads a file again and again. */
export async function startReader(file: string): Promise<{ stop: () => Promise<Seen> }> {
  const child = track(
    spawn(process.execPath, ["-e", READER, file], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    }),
  );
  await nextMessage(child);
  return {
    stop: async () => {
      const seen = nextMessage(child);
      child.send("stop");
      return (await seen) as Seen;
    },
  };
}
