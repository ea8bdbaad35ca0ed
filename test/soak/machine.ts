/** A machine with a login, the processes that share it, and the rules that must hold. */

import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { Worker } from "node:worker_threads";
import { isKimiError } from "../../src/protocol/errors.ts";
import { type Home, type HomeKind, makeHome } from "../../src/logins/homes.ts";
import type { DayResult } from "./day.ts";
import { KimiCodeCli, type Peer, PythonCli, storeLogin } from "./kimi-peers.ts";
import { Network } from "./network.ts";
import {
  type CallResult,
  canCrash,
  CRASH_POINTS,
  type CrashPoint,
  PluginProcess,
  watchDisk,
} from "./plugin-process.ts";
import type { ThreadOrder } from "../kit/login-thread.ts";
import type { Random } from "../kit/random.ts";
import { Timeline } from "./timeline.ts";
import { Weather } from "./weather.ts";

/** `lossless` has no trouble in which a Kimi CLI would lose its login; `harsh` has all of them. */
export type Mode = "lossless" | "harsh";

/** Who takes part in a moment. */
export interface Moment {
  readonly callers: number;
  /** Kimi has just rejected the access token that they use. */
  readonly rejected: boolean;
  readonly peer: boolean;
  /** A process that lives for one turn. */
  readonly oneShot: boolean;
  /** Something beside the network goes wrong. */
  readonly accident?: Accident | undefined;
}

/** What can go wrong on the machine itself. */
export const ACCIDENTS = ["suspended", "mounted", "worker", "signs-in", "signs-out"] as const;
export type Accident = (typeof ACCIDENTS)[number];

const ENDPOINTS = {
  region: "custom",
  oauthHost: "https://auth.kimi.test",
  apiBase: "https://api.kimi.test/coding/v1",
} as const;

/** An agent is active when its last turn is not longer ago, in ms. */
const ACTIVE_MS = 300_000;
/** How long trouble excuses what follows it, in ms: a token's life. */
const AFTERMATH_MS = 900_000;
/** Longest reply in the lossless mode, in ms; the Python CLI waits no longer for the lock. */
const SLOW_MS = 3_500;
/** Longest reply in the harsh mode, in ms. */
const VERY_SLOW_MS = 25_000;

/** See the module's comment. */
export class Machine implements Disposable {
  readonly timeline: Timeline;
  readonly network: Network;
  readonly #home: Home;
  readonly #mode: Mode;
  readonly #random: Random;
  readonly #weather: Weather;
  readonly #disk: Disposable;
  readonly #problems: string[] = [];
  #gateway: PluginProcess;
  #peer: Peer;
  #serial = 0;
  #doomed: CrashPoint | undefined;
  /** A refresh token of the login in use. */
  #chain = "";
  #lastTurnMs = Number.NEGATIVE_INFINITY;
  #disturbedMs = Number.NEGATIVE_INFINITY;
  /** What the owner does while the disk syncs new tokens. */
  #ownerAct: "signs-in" | "signs-out" | undefined;
  #syncsBefore = 0;
  #counts = { calls: 0, crashes: 0, lostWithReply: 0, lost: 0, waits: 0 };

  constructor(
    folder: string,
    kind: HomeKind,
    mode: Mode,
    startMs: number,
    lengthMs: number,
    random: Random,
  ) {
    this.#mode = mode;
    this.#random = random;
    this.timeline = new Timeline(startMs);
    this.network = new Network(this.timeline, random);
    this.#home = makeHome(kind, folder, "kimi-code", ENDPOINTS);
    this.#weather = new Weather(random, startMs, lengthMs, {
      losesReplies: mode === "harsh",
      slowestMs: mode === "harsh" ? VERY_SLOW_MS : SLOW_MS,
      sharedWithCli: kind !== "openclaw",
    });
    this.network.trouble = () => this.#weather.at(this.timeline.now());
    this.network.doomed = (actor, point) =>
      this.#gateway.actor === actor && this.#gateway.meets(point);
    this.network.kill = async () => await this.#gateway.crash();
    this.#disk = watchDisk(this.#home.file, {
      onUnplaced: () => {
        this.network.noteUndelivered(this.#chain);
      },
      onSync: () => {
        this.#whileSyncing();
      },
    });
    this.#gateway = this.#newProcess("gateway");
    this.#peer = this.#newPeer();
    this.#signIn();
  }

  [Symbol.dispose](): void {
    this.#disk[Symbol.dispose]();
  }

  /** Notes something that must not happen. */
  problem(what: string): void {
    const time = new Date(this.timeline.now()).toISOString().slice(11, 19);
    this.#problems.push(`${time} ${this.#home.kind} ${this.#mode}: ${what}`);
  }

  /** What the day came to. */
  result(): DayResult {
    const { rotations, rejections, reused, early, violations } = this.network;
    const excused = this.#mode === "harsh";
    const rules: [boolean, string][] = [
      [early === 0, `${String(early)} refreshes that nobody needed`],
      [violations.length === 0, violations.join("; ")],
      [excused || rejections === 0, `${String(rejections)} refreshes rejected by Kimi`],
      [excused || reused === 0, `${String(reused)} refresh tokens spent twice`],
      [excused || this.#counts.lostWithReply === 0, "a login lost although no reply was"],
    ];
    const broken = rules.flatMap(([holds, what]) => (holds ? [] : [what]));
    return { ...this.#counts, rotations, rejections, problems: [...this.#problems, ...broken] };
  }

  /** Lets the gateway die at some step of its next refresh, now and then. */
  doomSomething(): void {
    const points = CRASH_POINTS.filter(
      (point) => this.#mode === "harsh" || point !== "after-rotated",
    );
    this.#doomed =
      this.#random.chance(0.25) && canCrash(this.#home)
        ? points[this.#random.whole(0, points.length - 1)]
        : undefined;
    this.#gateway.doom(this.#doomed);
  }

  /** Lets nobody die any more. */
  spare(): void {
    this.#doomed = undefined;
    this.#gateway.doom(undefined);
  }

  /** The machine sleeps, and nobody does anything. */
  sleep(ms: number): void {
    this.timeline.skip(ms);
  }

  /** One moment of the day, to its end. */
  async turn(moment: Moment): Promise<void> {
    if (moment.accident !== undefined) {
      await this.#accident(moment.accident);
    }
    const rejectedAccessToken = moment.rejected ? this.#revoke() : undefined;
    const active = this.timeline.now() - this.#lastTurnMs <= ACTIVE_MS;
    const callers = Array.from({ length: moment.callers }, async () => {
      this.#judge(
        await this.#gateway.call({ background: true, rejectedAccessToken }),
        active && !moment.rejected,
      );
    });
    // Where new tokens wait for the next process of the plugin, a CLI cannot know of them.
    const safe = this.#mode === "harsh" || this.#doomed !== "before-rename";
    const others = [
      ...(moment.peer && safe ? [this.#peerTurn()] : []),
      ...(moment.oneShot ? [this.#oneShotTurn()] : []),
    ];
    await this.timeline.settle(Promise.all([...callers, ...others]));
    await this.timeline.settle(this.#gateway.idle());
    this.#lastTurnMs = this.timeline.now();
    await this.#restart();
    this.#keepUp();
  }

  /** Something goes wrong on the machine, and is over afterwards. */
  async #accident(accident: Accident): Promise<void> {
    // The token is past half its life, so that there is something to refresh.
    this.timeline.skip(this.#random.between(460_000, 880_000));
    this.#disturbedMs = this.timeline.now();
    switch (accident) {
      case "suspended":
        // Another process goes on for as long as it stands still, and takes its lock over.
        this.#gateway.suspendForMs = this.#random.between(6_000, 120_000);
        await this.timeline.settle(Promise.all([this.#gatewayCall(), this.#oneShotTurn()]));
        this.#gateway.suspendForMs = 0;
        break;
      case "mounted":
        await this.#whileMounted();
        break;
      case "worker":
        await this.#workerTurn();
        break;
      case "signs-in":
      case "signs-out":
        // The first sync is for the room, the second one for the tokens.
        this.#syncsBefore = this.#random.whole(0, 1);
        this.#ownerAct = accident;
        await this.timeline.settle(this.#gatewayCall());
        await this.timeline.settle(this.#gateway.idle());
        this.#ownerAct = undefined;
        if (!existsSync(this.#home.file)) {
          this.#signIn();
        }
        break;
    }
    await this.timeline.settle(this.#gateway.idle());
    await this.#restart();
    this.#keepUp();
  }

  async #gatewayCall(): Promise<void> {
    const result = await this.#gateway.call({ background: true });
    if (
      result !== "died" &&
      "error" in result &&
      isKimiError(result.error) &&
      result.error.code === "login_missing"
    ) {
      return; // The owner has signed out.
    }
    this.#judge(result, false);
  }

  /** The owner acts while the new tokens are synced; what it did must stand afterwards. */
  #whileSyncing(): void {
    if (this.#ownerAct !== undefined && this.#syncsBefore > 0) {
      this.#syncsBefore -= 1;
      return;
    }
    const act = this.#ownerAct;
    this.#ownerAct = undefined;
    if (act === "signs-out") {
      rmSync(this.#home.file);
    } else if (act === "signs-in") {
      this.#signIn();
      const signedIn = this.#stored().refresh_token;
      void this.timeline.at(this.timeline.now() + 60_000, () => {
        if (existsSync(this.#home.file) && !this.network.isLive(this.#stored().refresh_token)) {
          this.problem(`a new sign-in was overwritten: ${signedIn.slice(0, 4)}`);
        }
      });
    }
  }

  /** The file is mounted alone for a while, so that it cannot be replaced. */
  async #whileMounted(): Promise<void> {
    if (spawnSync("mount", ["--bind", this.#home.file, this.#home.file]).status !== 0) {
      return;
    }
    let result: CallResult;
    try {
      const before = this.network.requests;
      result = await this.timeline.settle(this.#gateway.call({ background: true }));
      await this.timeline.settle(this.#gateway.idle());
      if (this.network.requests !== before) {
        this.problem("a token was spent although the file cannot be replaced");
      }
    } finally {
      spawnSync("umount", [this.#home.file]);
    }
    if (
      result === "died" ||
      !("error" in result) ||
      !isKimiError(result.error) ||
      result.error.code !== "home_not_writable"
    ) {
      this.#judge(result, false);
    }
    // What could not be written answers for those who ask right after it.
    this.timeline.skip(5_000);
  }

  /** A worker thread wants a token while the main thread stands still. */
  async #workerTurn(): Promise<void> {
    const before = readFileSync(this.#home.file, "utf8");
    const worker = new Worker(path.join(import.meta.dirname, "..", "kit", "login-thread.ts"));
    const answer = once(worker, "message");
    const options = { rejectedAccessToken: this.#stored().access_token };
    worker.postMessage({ home: this.#home, options } satisfies ThreadOrder, []);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    const [result] = (await answer) as [string];
    await worker.terminate();
    if (result !== "home_busy, transient" || readFileSync(this.#home.file, "utf8") !== before) {
      this.problem(`a worker thread did more than to look: ${result.slice(0, 40)}`);
    }
  }

  /** Ends the day: no more trouble, and everybody must still be signed in. */
  async evening(): Promise<void> {
    this.#weather.clear();
    this.spare();
    for (let round = 0; round < 2; round += 1) {
      this.timeline.skip(AFTERMATH_MS * 2);
      await this.turn({ callers: 3, rejected: false, peer: true, oneShot: true });
    }
    const { refresh_token } = this.#stored();
    if (!this.network.isLive(refresh_token)) {
      this.problem("the day ends without a login");
    }
  }

  async #restart(): Promise<void> {
    if (this.#gateway.actor.alive) {
      return;
    }
    this.#counts.crashes += 1;
    this.spare();
    this.#disturbedMs = this.timeline.now();
    this.#gateway = this.#newProcess("gateway");
    this.timeline.skip(this.#random.between(1_000, 30_000));
    this.#judge(await this.timeline.settle(this.#gateway.call({ background: true })), false);
    await this.timeline.settle(this.#gateway.idle());
  }

  /** Remembers the login, and replaces one that Kimi has ended. */
  #keepUp(): void {
    const { refresh_token } = this.#stored();
    this.#chain = refresh_token === "" ? this.#chain : refresh_token;
  }

  #judge(result: CallResult, mayNotWait: boolean): void {
    this.#counts.calls += 1;
    if (result === "died") {
      return;
    }
    const calm =
      this.timeline.now() - Math.max(this.#weather.lastFaultMs, this.#disturbedMs) > AFTERMATH_MS;
    if ("credential" in result) {
      if (mayNotWait && calm && result.waitedMs > 0) {
        this.#counts.waits += 1;
        this.problem(`an active agent waited ${String(Math.round(result.waitedMs))} ms`);
      }
      return;
    }
    const { error } = result;
    if (!isKimiError(error)) {
      this.problem(`not a KimiError: ${String(error)}`);
    } else if (error.code === "login_ended" || error.code === "login_revoked") {
      this.#end(error.message);
    } else if (calm || !error.transient) {
      this.problem(`${error.code} without a reason: ${error.message}`);
    }
  }

  /** A caller was told that the login is over. */
  #end(message: string): void {
    if (this.network.isLive(this.#stored().refresh_token)) {
      // The caller was told so before the owner signed in again, or the Python CLI was faster without its lock.
      if (this.#mode === "lossless") {
        this.problem(`called over while it lives: ${message}`);
      }
      return;
    }
    if (this.network.wasUndelivered(this.#chain)) {
      this.#counts.lostWithReply += 1;
    } else {
      this.#counts.lost += 1;
      this.problem(`lost: ${message}`);
    }
    this.#signIn();
  }

  #signIn(): void {
    storeLogin(this.#home, this.network.signIn(), this.timeline.now());
    this.#chain = this.#stored().refresh_token;
    this.#disturbedMs = this.timeline.now();
  }

  #stored(): { access_token: string; refresh_token: string } {
    return JSON.parse(readFileSync(this.#home.file, "utf8")) as {
      access_token: string;
      refresh_token: string;
    };
  }

  #revoke(): string {
    const { access_token, refresh_token } = this.#stored();
    this.network.revoke(access_token, refresh_token);
    return access_token;
  }

  async #peerTurn(): Promise<void> {
    await this.timeline.at(this.timeline.now() + this.#random.between(0, 1_000));
    const dies = this.#random.chance(0.1);
    if ((await this.#peer.turn({ dies })) === "died") {
      this.#counts.crashes += 1;
      this.#peer = this.#newPeer();
    }
  }

  async #oneShotTurn(): Promise<void> {
    await this.timeline.at(this.timeline.now() + this.#random.between(0, 1_000));
    const process = this.#newProcess("one-shot");
    this.#judge(await process.call({}), false);
    this.timeline.remove(process.actor);
  }

  #newProcess(name: string): PluginProcess {
    this.#serial += 1;
    return new PluginProcess(
      `${name}-${String(this.#serial)}`,
      this.#home,
      this.timeline,
      this.network,
    );
  }

  #newPeer(): Peer {
    this.#serial += 1;
    const name = `peer-${String(this.#serial)}`;
    switch (this.#home.kind) {
      case "kimi-code-cli":
        return new KimiCodeCli(name, this.#home, this.timeline, this.network);
      case "kimi-cli":
        return new PythonCli(name, this.#home, this.timeline, this.network, this.#random);
      case "openclaw": {
        // A second gateway, whose state folder is a copy.
        const second = this.#newProcess("second");
        return {
          turn: async () => {
            this.#judge(await second.call({ background: true }), false);
            await second.idle();
            return "fresh";
          },
        };
      }
    }
  }
}
