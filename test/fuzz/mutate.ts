/** Damages texts in the ways in which files and responses come to be damaged, and in those in which they are made to be. */

import type { Random } from "../kit/random.ts";

/** Values that programs have stumbled over. */
const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1e12,
  1e308,
  -0,
  0.1,
  9_007_199_254_740_992,
  "",
  " ",
  "\u0000",
  "a\r\nInjected: header",
  "\u{1F511}",
  "\uD800",
  "900",
  "NaN",
  "x".repeat(20_000),
  [],
  [[]],
  {},
  { toString: 1 },
  { __proto__: null, length: -1 },
];

const ODD_TEXTS = [
  "",
  "null",
  "[]",
  "\uFEFF{}",
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  "[".repeat(20_000),
  '{"a":'.repeat(5_000),
  "<!doctype html><title>502</title>",
  "\u0000\u0000\u0000",
] as const;

type Members = Record<string, unknown>;

function members(text: string): Members | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? { ...value }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Changes one member of a JSON object, or adds one. */
function changeMember(text: string, random: Random): string {
  const object = members(text);
  if (object === undefined) {
    return text;
  }
  const names = Object.keys(object);
  const name = names[random.whole(0, names.length - 1)] ?? "access_token";
  const odd = ODD_VALUES[random.whole(0, ODD_VALUES.length - 1)];
  switch (random.whole(0, 5)) {
    case 0:
      return JSON.stringify({ ...object, [name]: undefined });
    case 1:
      return JSON.stringify({ ...object, [name]: odd });
    case 2:
      return JSON.stringify({ ...object, [`${name}_`]: odd });
    case 3:
      return text.replace(
        "{",
        `{"__proto__":${JSON.stringify({ polluted: true, access_token: "x" })},`,
      );
    case 4:
      return text.replace("{", `{"${name}":${JSON.stringify(odd)},`);
    default:
      return JSON.stringify({ [name]: object });
  }
}

/** Changes characters. */
function changeCharacters(text: string, random: Random): string {
  const at = random.whole(0, Math.max(0, text.length - 1));
  const length = random.whole(1, 12);
  const odd = String.fromCharCode(random.whole(0, 0xffff));
  switch (random.whole(0, 4)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(0, at) + text.slice(at + length);
    case 2:
      return text.slice(0, at) + odd.repeat(length) + text.slice(at);
    case 3:
      return (
        text.slice(0, at) + text.slice(at, at + length).repeat(random.whole(2, 20)) + text.slice(at)
      );
    default:
      return text.slice(0, at) + String.fromCharCode(random.whole(0, 127)) + text.slice(at + 1);
  }
}

/** A text that one to four things have happened to. */
export function mutate(text: string, random: Random): string {
  if (random.chance(0.03)) {
    return random.pick(ODD_TEXTS);
  }
  let mutated = text;
  for (let left = random.whole(1, 4); left > 0; left -= 1) {
    mutated = random.chance(0.5)
      ? changeMember(mutated, random)
      : changeCharacters(mutated, random);
  }
  return mutated;
}

/** The bytes of a mutated text, at times not UTF-8 any more. */
export function mutateBytes(text: string, random: Random): Buffer {
  const bytes = Buffer.from(mutate(text, random), "utf8");
  if (bytes.length > 0 && random.chance(0.1)) {
    bytes[random.whole(0, bytes.length - 1)] = random.whole(0x80, 0xff);
  }
  return bytes;
}
