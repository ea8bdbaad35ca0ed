/** A lock on a home that this process holds. */
export interface HeldLock {
  /**
   * False once another process may have the lock, e.g. after this one was suspended or its event loop
   * stood still. Looks at the disk and at the monotonic clock; synchronous.
   */
  isHeld(): boolean;
  /** Gives the lock back, unless it is another's by now; never throws. */
  release(): Promise<void>;
}

/** Thrown when this machine or file system offers no such lock. */
export class LockUnsupportedError extends Error {
  override readonly name = "LockUnsupportedError";
}

/** Thrown when something lies in the place of the lock and will not go away by itself. */
export class LockBlockedError extends Error {
  override readonly name = "LockBlockedError";
  readonly file: string;
  readonly why: string;

  /**
   * @param file - what is in the way
   * @param why - what it is, as the end of a sentence
   */
  constructor(file: string, why: string) {
    super(why);
    this.file = file;
    this.why = why;
  }
}
