/** Waiting for something that the host does without telling. */

/** How often it is looked for, in ms. */
const RECHECK_MS = 250;
/** First pause after a look that failed, in ms. */
const FAILED_PAUSE_MS = 5_000;
/** Longest pause after looks that failed, in ms; a busy store blocks the thread for seconds each time. */
const MAX_PAUSE_MS = 30_000;

/**
 * Looks again and again until it is done or late; never keeps the process alive.
 *
 * A look that throws is repeated later: it ran in a timer, where an error has no other owner, and the
 * host ends with any uncaught exception.
 */
export function pollUntil(limitMs: number, isDone: () => boolean): void {
  const deadline = performance.now() + limitMs;
  const lookIn = (pauseMs: number): void => {
    setTimeout(() => {
      let nextMs = RECHECK_MS;
      try {
        if (isDone()) {
          return;
        }
      } catch {
        nextMs = Math.min(Math.max(pauseMs * 4, FAILED_PAUSE_MS), MAX_PAUSE_MS);
      }
      if (performance.now() + nextMs <= deadline) {
        lookIn(nextMs);
      }
    }, pauseMs).unref();
  };
  lookIn(RECHECK_MS);
}
