/** Faults of the disk: the system's calls fail, or something else happens to a file in between. */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

/** An error as the system throws it. */
export function systemError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: by the test`), { code });
}

/** A call that fails. */
export function refuse(code: string): () => never {
  return () => {
    throw systemError(code);
  };
}

/** Calls of `node:fs` are answered by these; disposing of the result ends it. */
export function withFs(calls: Partial<typeof fs>): Disposable {
  const before: Partial<typeof fs> = Object.fromEntries(
    Object.keys(calls).map((name) => [name, fs[name as keyof typeof fs]]),
  );
  Object.assign(fs, calls);
  syncBuiltinESMExports();
  return {
    [Symbol.dispose]: () => {
      Object.assign(fs, before);
      syncBuiltinESMExports();
    },
  };
}

/** `fsync` by promise or callback fails at this call of it (1 is the first), after `act`. */
export function failingSync(
  call: number,
  code: string,
  act: () => void = () => undefined,
): Disposable {
  const { fsync } = fs;
  let calls = 0;
  return withFs({
    fsync: ((fd: number, done: (error: Error | null) => void) => {
      calls += 1;
      if (calls === call) {
        act();
        done(systemError(code));
      } else {
        fsync(fd, done);
      }
    }) as typeof fsync,
  });
}
