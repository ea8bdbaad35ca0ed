/** Transient failures: what happened, what to do, and that the user is still signed in. */

/** A transient failure: what happened, and the whole message. */
export interface TransientFailure {
  readonly what: string;
  readonly message: string;
}

/** True unless the failure belongs to a sign-in, where there is no login yet. */
export type SignedIn = boolean;

export function transient(
  what: string,
  advice: string,
  signedIn: SignedIn = true,
): TransientFailure {
  return { what, message: `${what} ${advice}${signedIn ? "; you are still signed in." : "."}` };
}

/** A proxy on the way. */
export interface ProxyFacts {
  readonly label: string;
  /** The environment variable that names it. */
  readonly variable: string;
}

export function throughProxy(proxy: ProxyFacts | undefined): string {
  return proxy === undefined ? "" : ` through the proxy ${proxy.label}`;
}

/** A status in brackets, if there was one. */
export function statusInBrackets(status: number | undefined): string {
  return status === undefined ? "" : ` (HTTP ${String(status)})`;
}
