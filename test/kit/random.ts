/** Random numbers that can be had again: all that a run does by chance follows from one printed seed. */

/** A source of chance. */
export interface Random {
  /** A number from 0 (included) to 1 (excluded). */
  next(): number;
  /** A number between two bounds. */
  between(low: number, high: number): number;
  /** A whole number between two bounds, both included. */
  whole(low: number, high: number): number;
  /** True with this probability. */
  chance(probability: number): boolean;
  /** One of some things. */
  pick<T>(things: readonly [T, ...T[]]): T;
}

/** Chance from a seed (the generator is mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const whole = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return {
    next,
    between: (low, high) => low + next() * (high - low),
    whole,
    chance: (probability) => next() < probability,
    pick: ([first, ...others]) => others[whole(-1, others.length - 1)] ?? first,
  };
}

/** A seed of its own for each part of a run, so that one part can be run alone. */
export function seedOf(seed: number, part: number): number {
  return (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) + Math.imul(part + 1, 0xc2b2ae35)) >>> 0;
}

/** A seed from the clock, for a run that is given none. */
export function freshSeed(): number {
  return (Date.now() ^ (process.pid << 16)) >>> 0;
}

/** So many random cases, or that many times as many: `RANDOM_TIMES=5 npx vitest run --project unit test/fuzz`. */
export function rounds(count: number): number {
  return count * Number(process.env["RANDOM_TIMES"] ?? 1);
}
