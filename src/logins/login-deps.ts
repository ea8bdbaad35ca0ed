/** What a login needs from outside: identity, clock and memory. */

/** Handed in by the code that opens a login. */
export interface LoginDeps {
  /** Headers that identify this plugin. */
  readonly headers: () => Promise<Readonly<Record<string, string>>>;
  /** Told once when something works less safely than it should. */
  readonly notice: (message: string) => void;
  /** Current time, ms since the epoch. */
  readonly now: () => number;
  /** Waits, in ms. */
  readonly sleep: (ms: number) => Promise<void>;
  /** Remembers across processes whose login some tokens are; without it each process asks Kimi. */
  readonly accounts?: AccountMemory | undefined;
}

/** Accounts of logins, by the fingerprint of their refresh token. */
export interface AccountMemory {
  readonly recall: (of: string) => Promise<string | undefined>;
  readonly remember: (of: string, accountId: string) => Promise<void>;
}
