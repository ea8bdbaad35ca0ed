import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import {
  fingerprint,
  formatCredential,
  keyOf,
  parseCredential,
  tagOf,
  withNewTokens,
} from "../../src/logins/credential.ts";
import type { Credential, CredentialStyle } from "../../src/logins/credential.ts";
import { readHome } from "../../src/logins/home-file.ts";
import { removeScratch, scratch } from "../kit/logins.ts";

afterEach(removeScratch);

// Bytes as the CLIs themselves write them, with shortened tokens.
const TS_FILE = `{
  "access_token": "at-1",
  "refresh_token": "rt-1",
  "expires_at": 1795427500,
  "scope": "kimi-code",
  "token_type": "Bearer",
  "expires_in": 900
}
`;
const PYTHON_FILE =
  '{"access_token": "at-1", "refresh_token": "rt-1", "expires_at": 1795427500.7072937, "scope": "kimi-code \u2014 f\u00fcr \u4f60", "token_type": "Bearer", "expires_in": 900.0}';
const TS_RICH = `{
  "access_token": "at-1",
  "refresh_token": "rt-1",
  "expires_at": 1795427500,
  "scope": "kimi-code",
  "token_type": "Bearer",
  "expires_in": 900,
  "serial": 12345678901234567890,
  "ratio": 1.10,
  "tiny": 1e-400,
  "zero": -0,
  "nested": {
    "list": [
      1.0,
      "two",
      null,
      {},
      []
    ],
    "__proto__": {
      "polluted": true
    }
  },
  "__proto__": {
    "deep": 1.50
  },
  "constructor": "kept",
  "text": "\u4f60\u597d \\u0007 \\" \\\\"
}
`;
const PYTHON_RICH =
  '{"access_token": "at-1", "refresh_token": "rt-1", "expires_at": 1795427500.0, "scope": "", "token_type": "Bearer", "expires_in": 900.0, "serial": 12345678901234567890, "ratio": 1.10, "whole": 7, "nested": {"list": [1.0, "two", null, true, {}, []], "__proto__": {"polluted": true}}, "__proto__": {"deep": 1.50}, "constructor": "kept", "text": "\u4f60\u597d \\u0007 \\" \\\\"}';

/** A list in a list, that many of them. */
function nested(depth: number): string {
  return `${"[".repeat(depth)}${"]".repeat(depth)}`;
}

function valid(text: string): Credential {
  const state = parseCredential(text);
  if (state.status !== "valid") {
    throw new Error(`expected a valid credential, got ${JSON.stringify(state)}`);
  }
  return state.credential;
}

describe("a credential file", () => {
  it.each<[string, CredentialStyle, string]>([
    ["the Kimi Code CLI's", "kimi-code-cli", TS_FILE],
    ["the Python CLI's", "kimi-cli", PYTHON_FILE],
    ["the Kimi Code CLI's with members that nobody knows", "kimi-code-cli", TS_RICH],
    ["the Python CLI's with members that nobody knows", "kimi-cli", PYTHON_RICH],
  ])("that is %s is written back byte for byte", (_whose, style, text) => {
    expect(formatCredential(valid(text), style)).toBe(text);
  });

  it("is read with its times in ms and its tokens as they are", () => {
    expect(valid(TS_FILE)).toMatchObject({
      accessToken: "at-1",
      refreshToken: "rt-1",
      expiresAtMs: 1_795_427_500_000,
      expiresInS: 900,
    });
    expect(valid(PYTHON_FILE)).toMatchObject({ expiresAtMs: 1_795_427_500_707, expiresInS: 900 });
  });

  it("with a __proto__ member changes nothing but itself", () => {
    const { members } = valid(TS_RICH);
    expect(Object.hasOwn(members, "__proto__")).toBe(true);
    expect(Object.getPrototypeOf(members)).toBe(Object.prototype);
    expect(Object.keys({})).toEqual([]);
    expect("polluted" in {} || "deep" in {}).toBe(false);
  });

  it.each<[string, string, number]>([
    ["is missing", TS_FILE.replace(',\n  "expires_in": 900', ""), 0],
    ["is text", TS_FILE.replace('"expires_in": 900', '"expires_in": "900"'), 0],
    ["is negative", TS_FILE.replace('"expires_in": 900', '"expires_in": -900'), 0],
    ["is a fraction", TS_FILE.replace('"expires_in": 900', '"expires_in": 900.5'), 900.5],
  ])("whose lifetime %s is still a login", (_what, text, expiresInS) => {
    expect(valid(text).expiresInS).toBe(expiresInS);
  });

  it("of the Python CLI is valid for the Kimi Code CLI's style too, and the other way round", () => {
    expect(formatCredential(valid(PYTHON_FILE), "kimi-code-cli")).toContain(
      '\n  "expires_in": 900.0\n}\n',
    );
    expect(formatCredential(valid(TS_FILE), "kimi-cli")).toContain('"expires_at": 1795427500.0, ');
  });
});

describe("new tokens", () => {
  const tokens = { accessToken: "at-2", refreshToken: "rt-2", expiresInS: 900 };
  const now = 1_795_428_000_750;

  function rotated(text: string, style: CredentialStyle, more: object = {}): string {
    return formatCredential(
      withNewTokens(valid(text).members, { ...tokens, ...more }, style, now),
      style,
    );
  }

  it("go into the Kimi Code CLI's file with whole seconds, counted from the whole second", () => {
    const wanted = TS_FILE.replace("at-1", "at-2")
      .replace("rt-1", "rt-2")
      .replace("1795427500", "1795428900");
    expect(rotated(TS_FILE, "kimi-code-cli")).toBe(wanted);
  });

  it("go into the Python CLI's file as floats, counted from the exact time", () => {
    const wanted = PYTHON_FILE.replace("at-1", "at-2")
      .replace("rt-1", "rt-2")
      .replace("1795427500.7072937", "1795428900.75");
    expect(rotated(PYTHON_FILE, "kimi-cli")).toBe(wanted);
    const even = formatCredential(
      withNewTokens(valid(PYTHON_FILE).members, tokens, "kimi-cli", 1_795_428_000_000),
      "kimi-cli",
    );
    expect(even).toContain('"expires_at": 1795428900.0, ');
  });

  it.each<[CredentialStyle, string, string, string]>([
    ["kimi-code-cli", TS_RICH, "1795427500", "1795428900"],
    ["kimi-cli", PYTHON_RICH, "1795427500.0", "1795428900.75"],
  ])("leave every other member of a %s file as it was", (style, text, before, after) => {
    const wanted = text.replace("at-1", "at-2").replace("rt-1", "rt-2").replace(before, after);
    expect(rotated(text, style)).toBe(wanted);
  });

  it("bring their scope and type with them, and keep the old ones where they name none", () => {
    const named = JSON.parse(
      rotated(TS_FILE, "kimi-code-cli", { scope: "wide", tokenType: "bearer" }),
    ) as object;
    expect(named).toMatchObject({ scope: "wide", token_type: "bearer" });
    expect(JSON.parse(rotated(TS_FILE, "kimi-code-cli"))).toMatchObject({
      scope: "kimi-code",
      token_type: "Bearer",
    });
  });

  it.each([
    ["kimi-code-cli", 1_795_428_400_000],
    ["kimi-cli", 1_795_428_400_707],
  ] as const)("end in memory when the %s file says so", (style, expiresAtMs) => {
    expect(withNewTokens({}, tokens, style, 1_795_427_500_707)).toMatchObject({
      accessToken: "at-2",
      refreshToken: "rt-2",
      expiresInS: 900,
      expiresAtMs,
    });
  });

  it("do not keep a scope or a type that is no text", () => {
    const { members } = withNewTokens({ scope: 7, token_type: null }, tokens, "kimi-cli", 0);
    expect(members).toMatchObject({ scope: "", token_type: "Bearer" });
  });

  it("complete a file that lacks members, in the CLIs' order", () => {
    const bare = '{"note": 1, "expires_at": 1, "refresh_token": "rt-1", "access_token": "at-1"}';
    const keys = Object.keys(JSON.parse(rotated(bare, "kimi-code-cli")) as object);
    expect(keys).toEqual([
      "access_token",
      "refresh_token",
      "expires_at",
      "scope",
      "token_type",
      "expires_in",
      "note",
    ]);
    expect(JSON.parse(rotated(bare, "kimi-code-cli"))).toMatchObject({
      scope: "",
      token_type: "Bearer",
    });
  });
});

describe("what a home holds", () => {
  function changed(member: string, value: string): string {
    return TS_FILE.replace(new RegExp(`"${member}": [^,\\n]+`, "u"), `"${member}": ${value}`);
  }
  function without(member: string): string {
    return TS_FILE.replace(new RegExp(`  "${member}": [^,\\n]+,\\n`, "u"), "");
  }
  const tombstone =
    '{"access_token": "", "refresh_token": "", "expires_at": 0, "scope": "s", "token_type": "Bearer", "expires_in": 0}';
  const access = "its access token is missing or damaged";
  const refresh = "its refresh token is damaged";
  const none = "it does not hold a login";
  const cut = "it is not complete JSON";
  const deep = `${"[".repeat(30_000)}${"]".repeat(30_000)}`;

  it.each<[string, string | Buffer, object]>([
    ["a login", TS_FILE, { status: "valid" }],
    ["a tombstone", tombstone, { status: "tombstone" }],
    [
      "a tombstone with nothing but the two empty tokens",
      '{"access_token":"","refresh_token":""}',
      { status: "tombstone" },
    ],
    ["no byte", "", { status: "corrupt", reason: "it is empty" }],
    ["white space", " \n\t\n", { status: "corrupt", reason: "it is empty" }],
    ["half a login", TS_FILE.slice(0, 60), { status: "corrupt", reason: cut }],
    [
      "a login without its last byte",
      TS_FILE.trimEnd().slice(0, -1),
      { status: "corrupt", reason: cut },
    ],
    ["two logins one after the other", TS_FILE + TS_FILE, { status: "corrupt", reason: cut }],
    ["NUL bytes", Buffer.alloc(300), { status: "corrupt", reason: cut }],
    [
      "bytes that are no text",
      Buffer.from([0xff, 0xfe, 0x00, 0x80]),
      { status: "corrupt", reason: "it is not text" },
    ],
    [
      "a login with a damaged character",
      Buffer.concat([Buffer.from(TS_FILE), Buffer.from([0xc3])]),
      { status: "corrupt", reason: "it is not text" },
    ],
    [
      "more than 64 kB",
      `${TS_FILE}${" ".repeat(64 * 1024)}`,
      { status: "corrupt", reason: "it is too large to be a login" },
    ],
    ["a list", `[${TS_FILE}]`, { status: "corrupt", reason: none }],
    ["null", "null", { status: "corrupt", reason: none }],
    ["a number", "1", { status: "corrupt", reason: none }],
    ["text", '"at-1"', { status: "corrupt", reason: none }],
    ["an empty object", "{}", { status: "corrupt", reason: access }],
    [
      "a member nested too deep",
      TS_FILE.replace('"expires_in": 900', `"expires_in": 900, "deep": ${deep}`),
      { status: "corrupt", reason: "it is nested too deeply" },
    ],
    ["no access token", without("access_token"), { status: "corrupt", reason: access }],
    ["an empty access token", changed("access_token", '""'), { status: "corrupt", reason: access }],
    [
      "a number as access token",
      changed("access_token", "1"),
      { status: "corrupt", reason: access },
    ],
    [
      "null as access token",
      changed("access_token", "null"),
      { status: "corrupt", reason: access },
    ],
    [
      "a line break in the access token",
      changed("access_token", '"at\\r\\nX: y"'),
      { status: "corrupt", reason: access },
    ],
    [
      "a NUL in the access token",
      changed("access_token", '"at\\u0000"'),
      { status: "corrupt", reason: access },
    ],
    [
      "a space in the access token",
      changed("access_token", '"at 1"'),
      { status: "corrupt", reason: access },
    ],
    [
      "an umlaut in the access token",
      changed("access_token", '"\u00e4t"'),
      { status: "corrupt", reason: access },
    ],
    [
      "an access token of 20 kB",
      changed("access_token", `"${"a".repeat(20_000)}"`),
      { status: "corrupt", reason: access },
    ],
    [
      "no refresh token",
      without("refresh_token"),
      { status: "valid", credential: { refreshToken: "" } },
    ],
    [
      "an empty refresh token",
      changed("refresh_token", '""'),
      { status: "valid", credential: { refreshToken: "" } },
    ],
    [
      "a list as refresh token",
      changed("refresh_token", '["rt"]'),
      { status: "corrupt", reason: refresh },
    ],
    [
      "a delete character in the refresh token",
      changed("refresh_token", '"rt\\u007f"'),
      { status: "corrupt", reason: refresh },
    ],
    [
      "null as refresh token",
      changed("refresh_token", "null"),
      { status: "valid", credential: { refreshToken: "" } },
    ],
    [
      "a number as refresh token",
      changed("refresh_token", "7"),
      { status: "corrupt", reason: refresh },
    ],
    [
      "a refresh token that only begins well",
      changed("refresh_token", '"rt 1"'),
      { status: "corrupt", reason: refresh },
    ],
    [
      "an access token that only ends well",
      changed("access_token", '" at"'),
      { status: "corrupt", reason: access },
    ],
    [
      "an access token of 16 kB",
      changed("access_token", `"${"a".repeat(16_384)}"`),
      { status: "valid", credential: { accessToken: "a".repeat(16_384) } },
    ],
    [
      "an access token of a byte more",
      changed("access_token", `"${"a".repeat(16_385)}"`),
      { status: "corrupt", reason: access },
    ],
    [
      "an empty access token beside a refresh token",
      changed("access_token", '""'),
      { status: "corrupt", reason: access },
    ],
    [
      "an expiry as text with blanks",
      changed("expires_at", '" 1795427500 "'),
      { status: "valid", credential: { expiresAtMs: 1795427500000 } },
    ],
    [
      "an empty text as expiry",
      changed("expires_at", '""'),
      { status: "valid", credential: { expiresAtMs: 0 } },
    ],
    [
      "a member nested as deep as may be",
      TS_FILE.replace('"expires_in": 900', `"expires_in": 900, "deep": ${nested(63)}`),
      { status: "valid" },
    ],
    [
      "a member nested one deeper",
      TS_FILE.replace('"expires_in": 900', `"expires_in": 900, "deep": ${nested(64)}`),
      { status: "corrupt", reason: "it is nested too deeply" },
    ],
    ["exactly 64 kB", TS_FILE.padEnd(64 * 1024), { status: "valid" }],
    [
      "a byte more than 64 kB",
      TS_FILE.padEnd(64 * 1024 + 1),
      { status: "corrupt", reason: "it is too large to be a login" },
    ],
    ["no expiry", without("expires_at"), { status: "valid", credential: { expiresAtMs: 0 } }],
    [
      "an expiry of 0",
      changed("expires_at", "0"),
      { status: "valid", credential: { expiresAtMs: 0 } },
    ],
    [
      "a negative expiry",
      changed("expires_at", "-1795427500"),
      { status: "valid", credential: { expiresAtMs: 0 } },
    ],
    [
      "an expiry in ms",
      changed("expires_at", "1795427500000"),
      { status: "valid", credential: { expiresAtMs: 1795427500000000 } },
    ],
    [
      "an endless expiry",
      changed("expires_at", "1e999"),
      { status: "valid", credential: { expiresAtMs: 0 } },
    ],
    [
      "an expiry as text",
      changed("expires_at", '"1795427500"'),
      { status: "valid", credential: { expiresAtMs: 1795427500000 } },
    ],
    [
      "an expiry in words",
      changed("expires_at", '"soon"'),
      { status: "valid", credential: { expiresAtMs: 0 } },
    ],
    [
      "null as expiry",
      changed("expires_at", "null"),
      { status: "valid", credential: { expiresAtMs: 0 } },
    ],
  ])("is told apart: %s", async (_what, content, wanted) => {
    const file = path.join(await scratch(), "credentials", "kimi-code.json");
    await mkdir(path.dirname(file));
    await writeFile(file, content);
    expect(readHome({ file })).toMatchObject(wanted);
  });

  it.each(["credentials/kimi-code.json", "kimi-code.json"])(
    "is told apart: nothing at %s",
    async (name) => {
      expect(readHome({ file: path.join(await scratch(), name) })).toEqual({
        status: "missing",
        dangling: false,
      });
    },
  );
});

describe("what a login is known by", () => {
  it("is its refresh token, or without one its access token", () => {
    expect(keyOf({ refreshToken: "rt-1", accessToken: "at-1" })).toBe(fingerprint("rt-1"));
    expect(keyOf({ refreshToken: "", accessToken: "at-1" })).toBe(fingerprint("at-1"));
    expect(tagOf("rt-1")).toBe(fingerprint("rt-1").slice(0, 8));
  });
});

describe("a fingerprint", () => {
  it("is the SHA-256 in hex", () => {
    expect(fingerprint("abc")).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });
});
