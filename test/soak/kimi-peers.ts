/** The two Kimi CLIs as users of their homes, modelled after what the real ones do. */

import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import lockfile from "proper-lockfile";
import type { Home } from "../../src/logins/homes.ts";
import { tryFileLock } from "../../src/logins/locks/file-lock.ts";
import { CLIENT_ID, type TokenReply } from "../kit/standin/tokens.ts";
import { ConnectionError, type Network, type Reply } from "./network.ts";
import type { Random } from "../kit/random.ts";
import type { Actor, Timeline } from "./timeline.ts";

/** How a CLI's turn went. */
export type PeerTurn =
  | "fresh"
  | "adopted"
  | "refreshed"
  | "failed"
  | "signed-out"
  | "rejected"
  | "died";

/** A CLI that shares a home with the plugin. */
export interface Peer {
  /** One turn: a token that is good for now, refreshed if need be; `dies` in the middle of that. */
  turn(options?: { dies?: boolean }): Promise<PeerTurn>;
}

/** What both CLIs store. */
interface Stored {
  access_token: string;
  refresh_token: string;
  expires_at: number;
  scope: string;
  token_type: string;
  expires_in: number;
}

/** Requests of one refresh. */
const ATTEMPTS = 3;
const RETRYABLE = new Set([429, 500, 502, 503, 504]);

function load(home: Home): Stored | undefined {
  try {
    return JSON.parse(readFileSync(home.file, "utf8")) as Stored;
  } catch {
    return undefined;
  }
}

function save(home: Home, stored: Stored): void {
  const text =
    home.style === "kimi-cli" ? JSON.stringify(stored) : `${JSON.stringify(stored, null, 2)}\n`;
  const temp = `${home.file}.${randomBytes(4).toString("hex")}.tmp`;
  writeFileSync(temp, text, { mode: 0o600 });
  renameSync(temp, home.file);
}

/** Puts tokens into a home as its owner stores them after a sign-in. */
export function storeLogin(home: Home, reply: TokenReply, nowMs: number): void {
  const nowS = home.style === "kimi-cli" ? nowMs / 1000 : Math.floor(nowMs / 1000);
  const { access_token, refresh_token, scope, token_type, expires_in } = reply;
  mkdirSync(path.dirname(home.file), { recursive: true, mode: 0o700 });
  save(home, {
    access_token,
    refresh_token,
    expires_at: nowS + expires_in,
    scope,
    token_type,
    expires_in,
  });
}

function nearExpiry(stored: Stored, nowMs: number): boolean {
  return stored.expires_at - nowMs / 1000 < Math.max(300, stored.expires_in / 2);
}

/** What both CLIs do alike. */
abstract class KimiCli implements Peer {
  protected readonly actor: Actor;
  protected readonly home: Home;
  protected readonly timeline: Timeline;
  readonly #network: Network;

  constructor(name: string, home: Home, timeline: Timeline, network: Network) {
    this.actor = timeline.actor(name);
    this.home = home;
    this.timeline = timeline;
    this.#network = network;
    network.join(this.actor);
  }

  async turn({ dies = false } = {}): Promise<PeerTurn> {
    return (
      (await this.actor.run(async () => {
        const stored = load(this.home);
        if (stored === undefined || stored.access_token === "") {
          return "signed-out";
        }
        return nearExpiry(stored, this.timeline.now()) ? await this.refresh(stored, dies) : "fresh";
      })) ?? "died"
    );
  }

  protected abstract refresh(before: Stored, dies: boolean): Promise<PeerTurn>;

  /** Sends the refresh grant as both do; `undefined` when there is no answer after three requests. */
  protected async ask(refreshToken: string): Promise<Reply | undefined> {
    const body = new URLSearchParams({
      client_id: CLIENT_ID,
      grant_type: "refresh_token",
      refresh_token: refreshToken,
    }).toString();
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      try {
        const reply = await this.#network.post(this.actor, body);
        if (!RETRYABLE.has(reply.status)) {
          return reply;
        }
      } catch (error) {
        if (!(error instanceof ConnectionError)) {
          throw error;
        }
      }
      if (attempt + 1 < ATTEMPTS) {
        await this.actor.wait(1_000 * 2 ** attempt, { locked: true });
      }
    }
    return undefined;
  }

  protected keep(reply: Reply): void {
    storeLogin(this.home, JSON.parse(String(reply.body)) as TokenReply, this.timeline.now());
  }
}

/** The Kimi Code CLI (TypeScript). */
export class KimiCodeCli extends KimiCli {
  protected async refresh(before: Stored, dies: boolean): Promise<PeerTurn> {
    const unlock = await this.#lock();
    if (unlock === undefined) {
      return "failed";
    }
    if (dies) {
      this.#abandon();
      return await this.actor.die();
    }
    try {
      const now = load(this.home) ?? before;
      if (now.access_token === "") {
        return "signed-out";
      }
      if (!nearExpiry(now, this.timeline.now())) {
        return "adopted";
      }
      const reply = await this.ask(now.refresh_token);
      if (reply === undefined) {
        return "failed";
      }
      if (reply.status === 200) {
        this.keep(reply);
        return "refreshed";
      }
      await this.actor.wait(100, { locked: true });
      const later = load(this.home);
      if (
        later !== undefined &&
        later.access_token !== "" &&
        later.refresh_token !== now.refresh_token
      ) {
        return "adopted";
      }
      save(this.home, {
        ...now,
        access_token: "",
        refresh_token: "",
        expires_at: 0,
        expires_in: 0,
      });
      return "rejected";
    } finally {
      await unlock();
    }
  }

  /** Waits up to a minute, as the CLI does, and then fails. */
  async #lock(): Promise<(() => Promise<void>) | undefined> {
    const target = this.#target();
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, "", { flag: "a" });
    for (let tries = 0; tries < 120; tries += 1) {
      try {
        return await lockfile.lock(target, {
          stale: 5_000,
          realpath: false,
          retries: 0,
          onCompromised: () => undefined,
        });
      } catch {
        await this.actor.wait(500);
      }
    }
    return undefined;
  }

  #target(): string {
    return path.join(this.home.dir, "oauth", this.home.slot);
  }

  /** Leaves the lock as a process does that was killed some time ago. */
  #abandon(): void {
    const longAgo = new Date(Date.now() - 10_000);
    utimesSync(`${this.#target()}.lock`, longAgo, longAgo);
  }
}

/** The Python CLI, which goes on without its lock when it has waited long enough. */
export class PythonCli extends KimiCli {
  readonly #random: Random;

  constructor(name: string, home: Home, timeline: Timeline, network: Network, random: Random) {
    super(name, home, timeline, network);
    this.#random = random;
  }

  protected async refresh(before: Stored, dies: boolean): Promise<PeerTurn> {
    const file = path.join(path.dirname(this.home.file), "kimi-code.lock");
    let lock = tryFileLock(file);
    for (let tries = 0; lock === undefined && tries < 5; tries += 1) {
      await this.actor.wait(this.#random.between(1_000, 2_000));
      lock = tryFileLock(file);
    }
    let now: Stored;
    try {
      if (dies) {
        await lock?.release();
        return await this.actor.die();
      }
      now = (lock && load(this.home)) ?? before;
      const changed = now.refresh_token !== before.refresh_token;
      if (changed || !nearExpiry(now, this.timeline.now())) {
        return "adopted";
      }
      const reply = await this.ask(now.refresh_token);
      // A 400 is a plain error to this CLI, also when it means that the token is dead.
      if (reply === undefined) {
        return "failed";
      }
      if (reply.status === 200) {
        this.keep(reply);
        return "refreshed";
      }
    } finally {
      await lock?.release();
    }
    await this.actor.wait(1_000);
    const later = load(this.home);
    return later !== undefined && later.refresh_token !== now.refresh_token
      ? "adopted"
      : "rejected";
  }
}
