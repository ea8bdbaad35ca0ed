/** The network's moods over a day. */

import type { NetworkFault } from "./network.ts";
import type { Random } from "../kit/random.ts";

/** Which troubles a run has. */
export interface WeatherOptions {
  /** Replies may be lost after the server has rotated, which no client can repair. */
  readonly losesReplies: boolean;
  /** Longest reply, in ms. */
  readonly slowestMs: number;
  /** A Kimi CLI sends requests too. */
  readonly sharedWithCli: boolean;
}

interface Spell {
  readonly fromMs: number;
  readonly toMs: number;
  readonly probability: number;
  readonly trouble: () => NetworkFault;
}

/** Part of the requests that meet trouble on a fine day. */
const STRAY_TROUBLE = 0.02;

function loseReply(): NetworkFault {
  return { kind: "reply-lost" };
}

function troubles(
  random: Random,
  options: WeatherOptions,
): readonly [() => NetworkFault, ...(() => NetworkFault)[]] {
  const common: [() => NetworkFault, ...(() => NetworkFault)[]] = [
    () => ({ kind: "refused" }),
    () => ({ kind: "dropped" }),
    () => ({ kind: "timeout" }),
    () => ({ kind: "status", status: random.pick([500, 502, 503, 504]) }),
    () => ({ kind: "status", status: 429, retryAfterS: random.whole(1, 90) }),
    () => ({ kind: "slow", ms: random.between(1_000, options.slowestMs) }),
  ];
  // A Kimi CLI takes any 403 for the end of its login, and cannot read every one of these forms.
  const pluginOnly: (() => NetworkFault)[] = [
    () => ({ kind: "proxy" }),
    () => ({ kind: "odd", form: random.pick(["gzip", "br", "mark", "cut", "created"]) }),
  ];
  return [
    ...common,
    ...(options.sharedWithCli ? [] : pluginOnly),
    ...(options.losesReplies ? [loseReply] : []),
  ];
}

/** The weather of one day: some bad spells, and stray trouble in between. */
export class Weather {
  /** When a request last met trouble, or has to bear its consequences, ms since the epoch. */
  lastFaultMs = Number.NEGATIVE_INFINITY;
  #spells: Spell[];
  readonly #random: Random;
  readonly #kinds: readonly [() => NetworkFault, ...(() => NetworkFault)[]];

  constructor(random: Random, startMs: number, lengthMs: number, options: WeatherOptions) {
    this.#random = random;
    this.#kinds = troubles(random, options);
    this.#spells = Array.from({ length: random.whole(0, 6) }, () => {
      const fromMs = startMs + random.between(0, lengthMs);
      return {
        fromMs,
        toMs: fromMs + random.between(20_000, 1_200_000),
        probability: random.between(0.4, 1),
        trouble: random.pick(this.#kinds),
      };
    });
  }

  /** What happens to a request that is sent now. */
  at(nowMs: number): NetworkFault {
    const spell = this.#spells.find(({ fromMs, toMs }) => fromMs <= nowMs && nowMs < toMs);
    const met = this.#random.chance(spell?.probability ?? STRAY_TROUBLE);
    const trouble: NetworkFault = met
      ? (spell?.trouble ?? this.#random.pick(this.#kinds))()
      : { kind: "none" };
    if (trouble.kind !== "none") {
      const more = trouble.kind === "status" ? (trouble.retryAfterS ?? 0) * 1_000 : 0;
      this.lastFaultMs = Math.max(this.lastFaultMs, nowMs + more);
    }
    return trouble;
  }

  /** Ends all trouble. */
  clear(): void {
    this.#spells = [];
    this.at = () => ({ kind: "none" });
  }
}
