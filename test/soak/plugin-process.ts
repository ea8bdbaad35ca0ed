/** A process that uses a home through this plugin, and can die at any step of a refresh. */

import { AsyncLocalStorage } from "node:async_hooks";
import fs, { closeSync, existsSync, readdirSync, readlinkSync, utimesSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import path from "node:path";
import type { Credential } from "../../src/logins/credential.ts";
import type { Home } from "../../src/logins/homes.ts";
import { type AccessOptions, Login } from "../../src/logins/login.ts";
import type { Network } from "./network.ts";
import type { Actor, Timeline } from "./timeline.ts";

/** Steps of a refresh at which a process can die. */
export const CRASH_POINTS = [
  "locked",
  "before-sent",
  "after-rotated",
  "before-rename",
  "after-rename",
] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];

const OPEN_FILES = "/proc/self/fd";
/** A dead process's `flock` goes with it; here that needs a list of open files. */
export const canCrash = (home: Home): boolean =>
  home.lock.kind === "directory" || existsSync(OPEN_FILES);

/** What one call came to. */
export type CallResult =
  | { readonly credential: Credential; readonly waitedMs: number }
  | { readonly error: unknown }
  | "died";

/** One process; after its death it is of no use. */
export class PluginProcess {
  readonly actor: Actor;
  readonly #home: Home;
  readonly #timeline: Timeline;
  readonly #login: Login;
  #doom: CrashPoint | undefined;
  /** How long it stands still with the lock taken, at its next refresh, in ms. */
  suspendForMs = 0;

  constructor(name: string, home: Home, timeline: Timeline, network: Network) {
    this.actor = timeline.actor(name);
    this.#home = home;
    this.#timeline = timeline;
    const headers = network.join(this.actor);
    this.#login = new Login(home, {
      headers: async () => {
        if (this.meets("locked")) {
          return await this.crash();
        }
        const suspendedMs = this.suspendForMs;
        this.suspendForMs = 0;
        if (suspendedMs > 0) {
          await this.suspend(suspendedMs);
        }
        return headers;
      },
      notice: () => undefined,
      now: timeline.now,
      sleep: async (ms) => {
        await this.actor.wait(ms);
      },
    });
  }

  /** Lets the process die when it next comes to this point. */
  doom(point: CrashPoint | undefined): void {
    this.#doom = point;
  }

  /** True once, when the process has come to the point of its death. */
  meets(point: CrashPoint): boolean {
    if (this.#doom !== point || !this.actor.alive) {
      return false;
    }
    this.#doom = undefined;
    return true;
  }

  /** Dies now, with whatever it holds. */
  async crash(): Promise<never> {
    if (this.#home.lock.kind === "directory") {
      this.#ageLock();
    } else {
      closeFile(this.#home.lock.path);
    }
    this.ageTemporaries(11 * 60_000);
    return await this.actor.die();
  }

  /**
   * Lets the temporary files beside the home look older. A process that waits for a reply makes others
   * wait for it, unless it is known to be dead; all of these have the same real process.
   */
  ageTemporaries(ms: number): void {
    const folder = path.dirname(this.#home.file);
    const then = new Date(Date.now() - ms);
    for (const name of readdirSync(folder).filter((entry) => entry.includes(".tmp."))) {
      utimesSync(path.join(folder, name), then, then);
    }
  }

  /** Stands still for a while, at a moment at which others may take the lock over. */
  async suspend(ms: number): Promise<void> {
    this.#ageLock();
    // The kernel keeps a file's lock for a process that stands still, and the others can only wait.
    await this.actor.wait(ms, { locked: this.#home.lock.kind === "flock" });
  }

  /** Nobody renews the lock any more; what takes seconds is done at once here. */
  #ageLock(): void {
    if (this.#home.lock.kind === "directory") {
      const longAgo = new Date(Date.now() - 10_000);
      utimesSync(`${this.#home.lock.target}.lock`, longAgo, longAgo);
    }
  }

  /** One caller. */
  async call(options: AccessOptions): Promise<CallResult> {
    const startMs = this.#timeline.now();
    const result = await this.actor.run(async (): Promise<CallResult> => {
      try {
        const credential = await running.run(this, () => this.#login.access(options));
        // A refresh in the background is work that others may have to wait for.
        void this.idle();
        return { credential, waitedMs: this.#timeline.now() - startMs };
      } catch (error) {
        return { error };
      }
    });
    return result ?? "died";
  }

  /** Resolves when no refresh is under way. */
  async idle(): Promise<void> {
    await this.actor.run(async () => {
      await this.#login.settled;
    });
  }
}

function closeFile(file: string): void {
  for (const fd of readdirSync(OPEN_FILES)) {
    try {
      if (readlinkSync(`${OPEN_FILES}/${fd}`) === file) {
        closeSync(Number(fd));
      }
    } catch {
      // The list itself was a file that is closed by now.
    }
  }
}

/** The process that some code runs in. */
const running = new AsyncLocalStorage<PluginProcess>();

/** Calls that change the disk; a dead process makes none. */
const CHANGES = [
  "openSync",
  "writeSync",
  "renameSync",
  "rmSync",
  "linkSync",
  "ftruncateSync",
  "rmdirSync",
  "utimesSync",
] as const;

/** What happens at the moments of a refresh that the simulation watches. */
export interface Watch {
  /** A doomed process has died with new tokens written and not in place. */
  readonly onUnplaced: () => void;
  /** The disk syncs a file of this process. */
  readonly onSync: (process: PluginProcess) => void;
}

/**
 * Lets doomed processes die before or after the rename that puts new tokens into their home, and tells
 * when the disk syncs. What a dead process still does is refused.
 */
export function watchDisk(homeFile: string, { onUnplaced, onSync }: Watch): Disposable {
  const real = Object.fromEntries(
    [...CHANGES, "fsync" as const].map((name) => [name, fs[name]]),
  ) as Pick<typeof fs, (typeof CHANGES)[number] | "fsync">;
  const changed: Record<string, unknown> = {};
  for (const name of CHANGES) {
    const call = real[name] as (...args: unknown[]) => unknown;
    changed[name] = (...args: unknown[]): unknown => {
      if (running.getStore()?.actor.alive === false) {
        throw Object.assign(new Error("this process is dead"), { code: "ESRCH" });
      }
      return call(...args);
    };
  }
  changed.renameSync = (from: string, to: string): void => {
    const process = running.getStore();
    if (process?.actor.alive === false) {
      throw Object.assign(new Error("this process is dead"), { code: "ESRCH" });
    }
    const isPlacing = to === homeFile;
    if (isPlacing && process?.meets("before-rename") === true) {
      onUnplaced();
      void process.crash();
      throw Object.assign(new Error("this process is dead"), { code: "ESRCH" });
    }
    real.renameSync(from, to);
    if (isPlacing && process?.meets("after-rename") === true) {
      void process.crash();
    }
  };
  changed.fsync = (fd: number, done: (error: Error | null) => void): void => {
    const process = running.getStore();
    if (process?.actor.alive === true) {
      onSync(process);
    }
    real.fsync(fd, done);
  };
  Object.assign(fs, changed);
  syncBuiltinESMExports();
  return {
    [Symbol.dispose]: () => {
      Object.assign(fs, real);
      syncBuiltinESMExports();
    },
  };
}
