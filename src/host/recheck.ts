/** Waiting for something that the host does without telling. */

/** How often it is looked for, in ms. */
const RECHECK_MS = 250;

/** Looks again and again until it is done or late; never keeps the process alive. */
export function recheck(limitMs: number, isDone: () => boolean): void {
  const deadline = performance.now() + limitMs;
  const timer = setInterval(() => {
    if (isDone() || performance.now() > deadline) {
      clearInterval(timer);
    }
  }, RECHECK_MS);
  timer.unref();
}
