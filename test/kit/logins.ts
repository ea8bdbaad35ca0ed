/** Homes, logins and what a test needs around them; nothing of the plugin writes the files here. */
import { EventEmitter, once } from "node:events";
import fs from "node:fs";
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rm,
  stat,
  utimes,
  writeFile,
} from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import path from "node:path";
import { inspect } from "node:util";
import { isKimiError } from "../../src/protocol/errors.ts";
import type { KimiError } from "../../src/protocol/errors.ts";
import { withNewTokens } from "../../src/logins/credential.ts";
import type { Credential } from "../../src/logins/credential.ts";
import { DEFAULT_SLOT, makeHome } from "../../src/logins/homes.ts";
import type { Home, HomeKind } from "../../src/logins/homes.ts";
import { readHome } from "../../src/logins/home-file.ts";
import { loadKoffi } from "../../src/logins/locks/koffi.ts";
import type { LoginDeps } from "../../src/logins/login-deps.ts";
import type { StandIn, TokenReply } from "./standin/server.ts";

/** Lifetime of the stand-in's access tokens, in ms. */
export const LIFETIME_MS = 900_000;
/** The three owners of a home. */
export const KINDS = [
  "kimi-cli",
  "kimi-code-cli",
  "openclaw",
] as const satisfies readonly HomeKind[];
/** A user without rights, for the tests that root runs. */
export const NOBODY = 65_534;

export const isRoot = process.getuid?.() === 0;

const folders: string[] = [];

/** A folder of this test's own; {@link removeScratch} clears it away. */
export async function scratch(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "kimi-logins-"));
  folders.push(folder);
  return folder;
}

/** Clears away every folder that {@link scratch} made. */
export async function removeScratch(): Promise<void> {
  for (const folder of folders.splice(0)) {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The home of an owner under this folder, for the stand-in's addresses. */
export function homeFor(
  kind: HomeKind,
  dir: string,
  standIn: Pick<StandIn, "oauthHost" | "apiBase" | "cliSlot">,
): Home {
  const endpoints = {
    region: "custom",
    oauthHost: standIn.oauthHost,
    apiBase: standIn.apiBase,
  } as const;
  return makeHome(kind, dir, kind === "kimi-cli" ? DEFAULT_SLOT : standIn.cliSlot, endpoints);
}

/** How a login is put into a home. */
export interface LoginFile {
  /** When the tokens were issued, ms since the epoch; default now. */
  readonly issuedAtMs?: number;
  /** Members beyond the six known ones. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

function pythonFloat(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : `${value}`;
}

/** The bytes that a home's owner writes for these tokens. */
export function ownerText(home: Home, pair: TokenReply, file: LoginFile = {}): string {
  const issuedAtS = (file.issuedAtMs ?? Date.now()) / 1000;
  const extra = file.extra ?? {};
  const { access_token, refresh_token, scope, token_type, expires_in } = pair;
  if (home.kind !== "kimi-cli") {
    const expires_at = Math.floor(issuedAtS) + expires_in;
    const members = {
      access_token,
      refresh_token,
      expires_at,
      scope,
      token_type,
      expires_in,
      ...extra,
    };
    return `${JSON.stringify(members, null, 2)}\n`;
  }
  const members = [
    ["access_token", JSON.stringify(access_token)],
    ["refresh_token", JSON.stringify(refresh_token)],
    ["expires_at", pythonFloat(issuedAtS + expires_in)],
    ["scope", JSON.stringify(scope)],
    ["token_type", JSON.stringify(token_type)],
    ["expires_in", pythonFloat(expires_in)],
    ...Object.entries(extra).map(([key, value]) => [key, JSON.stringify(value)]),
  ].map(([key, value]) => `"${key}": ${value}`);
  return `{${members.join(", ")}}`;
}

/** Puts tokens into a home, with the rights that its owner gives the file. */
export async function writeLogin(
  home: Home,
  pair: TokenReply,
  file: LoginFile = {},
): Promise<void> {
  await mkdir(path.dirname(home.file), { recursive: true, mode: 0o700 });
  await writeFile(home.file, ownerText(home, pair, file), { mode: 0o600 });
}

/** A home with a new login of the stand-in; its tokens were issued now, or `ageMs` ago. */
export async function signedIn(
  standIn: StandIn,
  kind: HomeKind,
  { ageMs = 0, accountId }: { ageMs?: number; accountId?: string } = {},
): Promise<{ home: Home; pair: TokenReply }> {
  const home = homeFor(kind, await scratch(), standIn);
  const pair = standIn.issueLogin(accountId);
  await writeLogin(home, pair, { issuedAtMs: standIn.clock.now() - ageMs });
  return { home, pair };
}

/** The members of a home's file. */
export async function stored(home: Home): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(home.file, "utf8")) as Record<string, unknown>;
}

/** The login in a home, which must be there. */
export function read(home: Home): Credential {
  const state = readHome(home);
  if (state.status !== "valid") {
    throw new Error(`the home is ${state.status}`);
  }
  return state.credential;
}

/** A home's login with other tokens, `at-<serial>` and `rt-<serial>`. */
export function rotated(home: Home, serial = 2): Credential {
  const tokens = { accessToken: `at-${serial}`, refreshToken: `rt-${serial}`, expiresInS: 900 };
  return withNewTokens(read(home).members, tokens, home.style, Date.now());
}

/** Waits for a moment of real time, in ms, where a last look needs one. */
export async function pause(ms: number): Promise<void> {
  await sleep(ms);
}

/** Names of the temporary files beside a home's file. */
export async function leftovers(home: Home): Promise<string[]> {
  return (await readdir(path.dirname(home.file))).filter((name) => name.includes(".tmp"));
}

/** The number of files that are open in this process; Linux alone tells. */
export async function openFiles(): Promise<number> {
  return (await readdir("/proc/self/fd")).length;
}

/** Rights of a file or folder, as in `0o600`. */
export async function modeOf(file: string): Promise<number> {
  return (await stat(file)).mode & 0o777;
}

/** Dependencies of a login that note what they are asked for; pauses are noted and not waited for. */
export interface TestDeps extends LoginDeps {
  readonly notices: string[];
  readonly pauses: number[];
}

/** CallSite with the stand-in's clock, or any other. */
export function testDeps(now: () => number): TestDeps {
  const notices: string[] = [];
  const pauses: number[] = [];
  return {
    notices,
    pauses,
    now,
    headers: async () => ({ "User-Agent": "kimi-code-oauth-test/1" }),
    notice: (message) => {
      notices.push(message);
    },
    sleep: async (ms) => {
      pauses.push(ms);
    },
  };
}

/** The KimiError that a promise rejects with; anything else is an error of the test. */
export async function failureOf(work: Promise<unknown>): Promise<KimiError> {
  const result = await work.then(
    () => "it succeeded",
    (error: unknown) => error,
  );
  if (isKimiError(result)) {
    return result;
  }
  throw new Error("expected a KimiError", { cause: result });
}

/** Everything that a log could print of an error. */
export function everythingIn(error: unknown): string {
  const texts: string[] = [];
  for (
    let current = error, depth = 0;
    current instanceof Error && depth < 10;
    current = current.cause, depth += 1
  ) {
    texts.push(String(current), current.stack ?? "", JSON.stringify(current));
  }
  texts.push(inspect(error, { depth: Infinity, showHidden: true }));
  return texts.join("\n");
}

/** Gives a folder and what is in it to the user without rights, where root runs the tests. */
export async function giveAway(folder: string): Promise<void> {
  if (isRoot) {
    await chown(folder, NOBODY, NOBODY);
    for (const entry of await readdir(folder, { recursive: true })) {
      await chown(path.join(folder, entry), NOBODY, NOBODY);
    }
  } else {
    await chmod(folder, 0o700);
  }
}

/** Runs something as a user whom file rights bind; root steps down for that long. */
export async function unprivileged<T>(work: () => Promise<T>): Promise<T> {
  if (!isRoot) {
    return await work();
  }
  // Loaded while this process may still read every folder.
  await Promise.all([import("undici"), import("proper-lockfile")]);
  loadKoffi();
  process.setegid?.(NOBODY);
  process.seteuid?.(NOBODY);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}

/** Makes a lock that a dead or suspended process left look as if it had not been renewed for ten seconds. */
export async function ageLock(home: Home): Promise<void> {
  if (home.lock.kind === "directory") {
    const then = new Date(Date.now() - 10_000);
    await utimes(`${home.lock.target}.lock`, then, then);
  }
}

const realOpen = fs.openSync;

/**
 * Counts how often a home is read, which is done before each further try to lock it; the result
 * waits for that many tries more. {@link stopWatching} ends the counting.
 */
export function watchTries(home: Home): (tries: number) => Promise<void> {
  const reads = new EventEmitter();
  fs.openSync = (file, ...rest) => {
    if (file === home.file) {
      reads.emit("read");
    }
    return realOpen(file, ...rest);
  };
  syncBuiltinESMExports();
  return async (tries) => {
    for (let left = tries; left > 0; left -= 1) {
      await once(reads, "read");
    }
  };
}

/** Ends what {@link watchTries} began. */
export function stopWatching(): void {
  fs.openSync = realOpen;
  syncBuiltinESMExports();
}
