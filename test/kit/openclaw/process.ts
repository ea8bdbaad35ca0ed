/** Child processes of the tests: run them, read them while they run, and end them together with everything they started. */
import { execFileSync, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** How a command ended. */
export interface CommandResult {
  /** Null if a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** From the start to the end, ms. */
  readonly durationMs: number;
}

/** What to run and in which surroundings; nothing is inherited. */
export interface CommandOptions {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Limits and input of a command that is waited for. */
export interface RunLimits {
  /** After this many ms the whole process tree is killed and the call rejects. */
  readonly timeoutMs?: number;
  /** Text for its standard input, which is closed afterwards. */
  readonly input?: string;
  /** Kills the whole process tree and rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A command that is still running, or has ended. */
export interface RunningCommand {
  readonly pid: number;
  /** Resolves when it has ended and its output has been read; never rejects. */
  readonly exited: Promise<CommandResult>;
  /** Standard output and error so far, in the order of arrival. */
  output(): string;
  /** Writes to its standard input. */
  write(text: string): void;
  /** Ends its standard input. */
  closeInput(): void;
  /**
   * The first match in the output, already there or to come.
   * Rejects with the tail of the output after `timeoutMs` ms (default 30 s), or when the command ends without it.
   */
  waitForOutput(pattern: RegExp | string, timeoutMs?: number): Promise<string>;
  /** The same for any question about the output; `what` names it in an error. */
  waitUntil<Found>(
    check: (output: string) => Found | undefined,
    what: string,
    timeoutMs?: number,
  ): Promise<Found>;
  /** Sends a signal to the command alone, as a service manager would. */
  signal(signal: NodeJS.Signals): void;
  /** Sends a signal (default SIGKILL) to the command and all its descendants at once; resolves when it has ended. */
  killTree(signal?: NodeJS.Signals): Promise<CommandResult>;
}

/** Room for a rejected command's last words. */
const TAIL_LENGTH = 4000;

/** After the command itself is gone, how long a descendant may keep its output open, ms. */
const OUTPUT_GRACE_MS = 1000;

/** Starts a command whose output is collected. */
export function startCommand({ file, args, cwd, env }: CommandOptions): RunningCommand {
  const startedAt = performance.now();
  // A group of its own keeps a Ctrl-C in the developer's terminal from reaching it before the test does.
  const child = spawn(file, args, { cwd, env, stdio: "pipe", detached: true });
  if (child.pid === undefined) {
    throw new Error(`could not start ${file}`);
  }
  const pid = child.pid;
  const output = { stdout: "", stderr: "", both: "" };
  const listeners = new Set<() => void>();
  let result: CommandResult | undefined;

  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (chunk: string) => {
      output[name] += chunk;
      output.both += chunk;
      for (const listener of listeners) {
        listener();
      }
    });
  }
  // A command that ends before it has read its input is not an error here.
  child.stdin.on("error", () => {});

  const exited = new Promise<CommandResult>((resolve) => {
    const end = (code: number | null, signal: NodeJS.Signals | null): void => {
      result ??= {
        code,
        signal,
        stdout: output.stdout,
        stderr: output.stderr,
        durationMs: performance.now() - startedAt,
      };
      resolve(result);
      for (const listener of listeners) {
        listener();
      }
    };
    child.once("close", end);
    child.once("error", (error) => {
      output.stderr += error.message;
      end(null, null);
    });
    child.once("exit", (code, signal) => {
      setTimeout(end, OUTPUT_GRACE_MS, code, signal).unref();
    });
  });

  const waitUntil: RunningCommand["waitUntil"] = (check, what, timeoutMs = 30_000) =>
    new Promise((resolve, reject) => {
      const finish = (action: () => void): void => {
        listeners.delete(look);
        clearTimeout(timer);
        action();
      };
      const look = (): void => {
        const found = check(output.both);
        if (found !== undefined) {
          finish(() => resolve(found));
        } else if (result !== undefined) {
          finish(() =>
            reject(new Error(`the command ended without ${what}:\n${tail(output.both)}`)),
          );
        }
      };
      const timer = setTimeout(() => {
        finish(() => reject(new Error(`no ${what} within ${timeoutMs} ms:\n${tail(output.both)}`)));
      }, timeoutMs);
      listeners.add(look);
      look();
    });

  return {
    pid,
    exited,
    output: () => output.both,
    write: (text) => void child.stdin.write(text),
    closeInput: () => void child.stdin.end(),
    waitForOutput: (pattern, timeoutMs) =>
      waitUntil((text) => findIn(text, pattern), String(pattern), timeoutMs),
    waitUntil,
    signal: (signal) => void child.kill(signal),
    killTree: (signal = "SIGKILL") => {
      if (result === undefined) {
        killAll(processTree(pid), signal);
      }
      return exited;
    },
  };
}

/** Runs a command to its end, whatever its exit code; rejects only if it had to be killed. */
export async function runCommand(
  command: RunningCommand,
  limits: RunLimits = {},
): Promise<CommandResult> {
  const { timeoutMs = 120_000, input, signal } = limits;
  const stopped = Promise.withResolvers<Error>();
  const timer = setTimeout(
    () => stopped.resolve(new Error(`no end within ${timeoutMs} ms`)),
    timeoutMs,
  );
  const onAbort = (): void => stopped.resolve(new Error("aborted", { cause: signal?.reason }));
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted === true) {
    onAbort();
  }
  if (input !== undefined) {
    command.write(input);
  }
  command.closeInput();
  try {
    const ended = await Promise.race([command.exited, stopped.promise]);
    if (ended instanceof Error) {
      await command.killTree();
      throw new Error(`${ended.message}; last output:\n${tail(command.output())}`, {
        cause: ended.cause,
      });
    }
    return ended;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

/** The process and all its living descendants, which may be in other process groups. */
export function processTree(rootPid: number): number[] {
  const childrenOf = Map.groupBy(listProcesses(), ({ parent }) => parent);
  const tree = [rootPid];
  for (const pid of tree) {
    tree.push(...(childrenOf.get(pid) ?? []).map((child) => child.pid));
  }
  return tree;
}

/** Processes whose environment has this `NAME=value`, for those that lost their parent; none where there is no /proc. */
export function processesWithEnvironment(assignment: string): number[] {
  return procPids().filter(
    (pid) => readProc(pid, "environ").split("\0").includes(assignment) && pid !== process.pid,
  );
}

/** Sends a signal to each process that still exists. */
export function killAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // Already gone.
    }
  }
}

/** The end of a text, for error messages. */
export function tail(text: string): string {
  return text.length > TAIL_LENGTH ? `…${text.slice(-TAIL_LENGTH)}` : text;
}

/** The part of a text that a pattern matches. */
export function findIn(text: string, pattern: RegExp | string): string | undefined {
  if (typeof pattern === "string") {
    return text.includes(pattern) ? pattern : undefined;
  }
  return pattern.exec(text)?.[0];
}

interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
}

function listProcesses(): ProcessEntry[] {
  if (process.platform === "linux") {
    // The parent is the second field after the name, which is in parentheses and may hold anything.
    return procPids().map((pid) => ({
      pid,
      parent: Number(readProc(pid, "stat").split(") ").at(-1)?.split(" ")[1] ?? 0),
    }));
  }
  const table = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" });
  return table.split("\n").map((line) => {
    const [pid, parent] = line.trim().split(/\s+/u).map(Number);
    return { pid: pid ?? 0, parent: parent ?? 0 };
  });
}

function procPids(): number[] {
  return process.platform === "linux"
    ? readdirSync("/proc").map(Number).filter(Number.isInteger)
    : [];
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    // Ended since, or another user's.
    return "";
  }
}
