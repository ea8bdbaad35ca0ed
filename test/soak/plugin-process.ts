/** A process that uses a home through this plugin, and can die at any step of a refresh. */

import { AsyncLocalStorage } from "node:async_hooks";
import type { EventEmitter } from "node:events";
import { closeSync, existsSync, readdirSync, readlinkSync, utimesSync } from "node:fs";
import fs, { type FileHandle } from "node:fs/promises";
import type { Credential } from "../../src/logins/credential.ts";
import type { Home } from "../../src/logins/homes.ts";
import { type AccessOptions, Login } from "../../src/logins/login.ts";
import type { Network } from "./network.ts";
import type { Actor, Timeline } from "./timeline.ts";

/** Steps of a refresh at which a process can die. */
export const CRASH_POINTS = ["locked", "before-sent", "after-rotated", "before-rename", "after-rename"] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];

const OPEN_FILES = "/proc/self/fd";
/** A dead process's `flock` goes with it; here that needs a list of open files. */
export const canCrash = (home: Home): boolean => home.lock.kind === "directory" || existsSync(OPEN_FILES);

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

  constructor(name: string, home: Home, timeline: Timeline, network: Network) {
    this.actor = timeline.actor(name);
    this.#home = home;
    this.#timeline = timeline;
    const headers = network.join(this.actor);
    this.#login = new Login(home, {
      headers: async () => (this.meets("locked") ? await this.crash() : headers),
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
      // Nobody renews it any more; what takes seconds is done at once here.
      const longAgo = new Date(Date.now() - 10_000);
      utimesSync(`${this.#home.lock.target}.lock`, longAgo, longAgo);
    } else {
      closeFile(this.#home.lock.path);
    }
    await Promise.all(Array.from(unfinished, async (file) => await file.close()));
    return await this.actor.die();
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

/** Temporary files that are being written; they are closed when their process dies. */
const unfinished = new Set<FileHandle>();

/** The process that some code runs in. */
const running = new AsyncLocalStorage<PluginProcess>();

/**
 * Lets doomed processes die before or after the rename that puts new tokens into their home.
 *
 * @param onUnplaced - told when one dies before it
 */
export function crashAtRename(onUnplaced: () => void): Disposable {
  const { open, rename } = fs;
  Object.assign(fs, {
    open: async (...args: Parameters<typeof open>): Promise<FileHandle> => {
      const file = await open(...args);
      if (String(args[0]).includes(".tmp.")) {
        unfinished.add(file);
        (file as FileHandle & EventEmitter).once("close", () => unfinished.delete(file));
      }
      return file;
    },
    rename: async (from: string, to: string): Promise<void> => {
      const process = running.getStore();
      if (process?.meets("before-rename") === true) {
        onUnplaced();
        await process.crash();
      }
      await rename(from, to);
      if (process?.meets("after-rename") === true) {
        await process.crash();
      }
    },
  });
  return { [Symbol.dispose]: () => void Object.assign(fs, { open, rename }) };
}
