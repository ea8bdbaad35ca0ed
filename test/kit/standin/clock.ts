/** The stand-in's own time. */

/** A clock in ms since the epoch that can be put forward. */
export interface Clock {
  now(): number;
  /** Puts the clock forward by this many ms (back, if negative). */
  advance(ms: number): void;
}

/** A clock that runs with real time, from `startTimeMs` (default: now) on. */
export function createClock(startTimeMs?: number): Clock {
  let offsetMs = startTimeMs === undefined ? 0 : startTimeMs - Date.now();
  return {
    now: () => Date.now() + offsetMs,
    advance: (ms) => {
      offsetMs += ms;
    },
  };
}

// Taken at load, so that a test with faked timers does not freeze the server that runs in its process.
const realSetTimeout = globalThis.setTimeout;
const realSetImmediate = globalThis.setImmediate;

/** Waits this many ms of real time, also where a test has faked the timers. */
export function realDelay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    // Unreferenced: a delayed answer must not keep a finished test process alive.
    realSetTimeout(resolve, ms).unref();
  });
}

/** Lets pending input and output run. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    realSetImmediate(resolve);
  });
}
