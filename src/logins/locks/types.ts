/** A lock on a home that this process holds. */
export interface HeldLock {
  /** True once another process may have taken the lock over, e.g. after this one was suspended. */
  readonly compromised: boolean;
  /** Gives the lock back; never throws. */
  release(): Promise<void>;
}

/**
 * Tries to take a lock without waiting.
 *
 * @returns `undefined` while another process holds it
 * @throws an error with a system code when it cannot be taken at all
 */
export type TryLock = () => Promise<HeldLock | undefined>;
