/**
 * Simulated time: it stands still while anybody works on real files, and jumps to the next event when
 * all that is left to do is to wait.
 */

import { setImmediate as immediate } from "node:timers/promises";

interface Wake {
  readonly atMs: number;
  readonly serial: number;
  readonly wake: () => void;
}

/** Real time after which a run that neither works nor waits is given up, in ms. */
const STUCK_MS = 20_000;

/** One process of the simulated machine. */
export class Actor {
  readonly name: string;
  readonly #timeline: Timeline;
  readonly #death = Promise.withResolvers<void>();
  #calls = 0;
  #waits = 0;
  #locked = 0;
  #alive = true;

  constructor(name: string, timeline: Timeline) {
    this.name = name;
    this.#timeline = timeline;
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** True while it waits for something with its home locked, so that others can only wait too. */
  get blocksOthers(): boolean {
    return this.#alive && this.#locked > 0;
  }

  /** True while it works on something real. */
  get works(): boolean {
    return this.#alive && this.#calls > 0 && this.#waits === 0;
  }

  /** Runs something as this process; `undefined` when the process dies before the end. */
  async run<T>(work: () => Promise<T>): Promise<T | undefined> {
    this.#calls += 1;
    try {
      return await Promise.race([work(), this.#death.promise.then(() => undefined)]);
    } finally {
      this.#calls -= 1;
      this.#timeline.changed();
    }
  }

  /** Lets simulated time pass. */
  async wait(ms: number, { locked = false } = {}): Promise<void> {
    this.#waits += 1;
    this.#locked += locked ? 1 : 0;
    this.#timeline.changed();
    await this.#timeline.at(this.#timeline.now() + ms, () => {
      this.#waits -= 1;
      this.#locked -= locked ? 1 : 0;
    });
  }

  /** Ends the process; what called this goes no further, as in a process that is killed. */
  async die(): Promise<never> {
    this.#alive = false;
    this.#death.resolve();
    this.#timeline.remove(this);
    return await Promise.withResolvers<never>().promise;
  }
}

/** The time of one simulated machine. */
export class Timeline {
  readonly #actors = new Set<Actor>();
  #wakes: Wake[] = [];
  #nowMs: number;
  #serial = 0;
  #change = Promise.withResolvers<void>();

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  readonly now = (): number => this.#nowMs;

  /** A new process. */
  actor(name: string): Actor {
    const actor = new Actor(name, this);
    this.#actors.add(actor);
    return actor;
  }

  /** Forgets a process. */
  remove(actor: Actor): void {
    this.#actors.delete(actor);
    this.changed();
  }

  /** Told whenever somebody starts or stops waiting. */
  changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers<void>();
  }

  /** Resolves at a moment; `onWake` is called right before. */
  async at(atMs: number, onWake: () => void = () => undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#serial += 1;
    const wake = { atMs, serial: this.#serial, wake: () => (onWake(), resolve()) };
    this.#wakes.push(wake);
    this.#wakes.sort((a, b) => a.atMs - b.atMs || a.serial - b.serial);
    this.changed();
    await promise;
  }

  /** Puts the clock forward while nobody does anything. */
  skip(ms: number): void {
    this.#nowMs += ms;
  }

  /** Lets time pass until some work is done. */
  async settle<T>(work: Promise<T>): Promise<T> {
    const state = { done: false };
    const end = (): void => {
      state.done = true;
      this.changed();
    };
    work.then(end, end);
    // The work has a turn to begin.
    await Promise.resolve();
    while (!state.done) {
      if (this.#anyoneWorks()) {
        await this.#nextChange();
        continue;
      }
      // A caller that only thinks and waits for nothing takes no time.
      await immediate();
      if (state.done || this.#anyoneWorks()) {
        continue;
      }
      const next = this.#wakes.shift();
      if (next === undefined) {
        await this.#nextChange();
        continue;
      }
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.wake();
      await Promise.resolve();
    }
    return await work;
  }

  #anyoneWorks(): boolean {
    const actors = [...this.#actors];
    const blocked = actors.some((actor) => actor.blocksOthers);
    return !blocked && actors.some((actor) => actor.works);
  }

  async #nextChange(): Promise<void> {
    const stuck = Promise.withResolvers<never>();
    const timer = setTimeout(() => stuck.reject(new Error("the simulation is stuck")), STUCK_MS);
    try {
      await Promise.race([this.#change.promise, stuck.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}
