/** The user's side of a host under test: Kimi CLI logins in its home, and the real Kimi CLI. */
import { chmod, mkdir, readdir, readFile, stat, utimes, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import type { StandIn, TokenReply } from "../standin/server.ts";
import type { Host } from "../openclaw/host.ts";
import { hostEnvironment } from "../openclaw/layout.ts";
import { type CommandResult, runCommand, startCommand, tail } from "../openclaw/process.ts";

const KIMI = path.join(
  path.dirname(createRequire(import.meta.url).resolve("@moonshot-ai/kimi-code/package.json")),
  "dist/main.mjs",
);

/** A time long past, in seconds since the epoch. */
const LONG_AGO_S = 1_700_000_000;

/** Variables that keep the Kimi CLI on the stand-in and nowhere else. */
export function kimiVariables(standIn: StandIn): Record<string, string> {
  return { ...standIn.env, KIMI_DISABLE_TELEMETRY: "1", KIMI_CODE_NO_AUTO_UPDATE: "1" };
}

/** The Kimi Code CLI's credential file in a host's home. */
export function credentialFile(host: Host, standIn: StandIn): string {
  return path.join(host.home, ".kimi-code", "credentials", `${standIn.cliSlot}.json`);
}

/** The Python CLI's credential file in a host's home. */
export function pythonCredentialFile(host: Host): string {
  return path.join(host.home, ".kimi", "credentials", "kimi-code.json");
}

/** The credential files of the logins that a host has made for itself. */
export async function ownHomes(host: Host): Promise<string[]> {
  const folder = path.join(host.stateDir, "kimi-code-oauth", "credentials");
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => name.endsWith(".json")).map((name) => path.join(folder, name));
}

/** Writes a login as the Kimi Code CLI stores it; `lifetimeS` 0 makes it an expired one. */
export async function writeCliLogin(
  host: Host,
  standIn: StandIn,
  tokens: TokenReply,
  lifetimeS = tokens.expires_in,
): Promise<string> {
  const file = credentialFile(host, standIn);
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const credential = {
    access_token: tokens.access_token,
    refresh_token: tokens.refresh_token,
    expires_at: lifetimeS === 0 ? LONG_AGO_S : Math.floor(Date.now() / 1000) + lifetimeS,
    scope: tokens.scope,
    token_type: tokens.token_type,
    expires_in: tokens.expires_in,
  };
  await writeFile(file, `${JSON.stringify(credential, null, 2)}\n`, { mode: 0o600 });
  return file;
}

/** Moves the expiry of a stored login into the past, in its home and in the host's profile. */
export async function expireLogin(host: Host, file: string): Promise<void> {
  const before = await stat(file);
  const credential = JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>;
  await writeFile(file, `${JSON.stringify({ ...credential, expires_at: LONG_AGO_S }, null, 2)}\n`);
  await chmod(file, before.mode);
  // A stamp of its own, also on a file system that counts in whole seconds.
  await utimes(file, before.atime, new Date(before.mtimeMs - 1_000));
  for (const [id, profile] of Object.entries(host.readAuthProfiles())) {
    host.writeAuthProfile(id, { ...profile, expires: 1_000 });
  }
}

/** Runs the published Kimi CLI in a host's home. */
export async function kimi(
  host: Host,
  standIn: StandIn,
  args: readonly string[],
): Promise<CommandResult> {
  const command = startCommand({
    file: process.execPath,
    args: [KIMI, ...args],
    cwd: host.home,
    env: hostEnvironment(host, { ...kimiVariables(standIn), TERM: "dumb" }),
  });
  return await runCommand(command, { timeoutMs: 60_000 });
}

/** What a credential file holds. */
export async function readCredential(file: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>;
}

/** Waits for a command of the set-up; what failed is named by its output. */
export async function succeed(command: Promise<CommandResult>): Promise<void> {
  const { code, stdout, stderr } = await command;
  if (code !== 0) {
    throw new Error(`a command ended with ${String(code)}:\n${tail(stdout + stderr)}`);
  }
}

/** The state that onboarding leaves on a Kimi CLI's login, made at once. */
export async function signInWithCliLogin(
  host: Host,
  standIn: StandIn,
  model = "kimi-code/kimi-for-coding",
): Promise<void> {
  const tokens = standIn.issueLogin();
  await writeCliLogin(host, standIn, tokens);
  const profile = {
    type: "oauth",
    provider: "kimi-code",
    authFlow: `kimi-code-cli:${standIn.cliSlot}`,
    issuer: standIn.oauthHost,
    enterpriseUrl: standIn.apiBase,
    access: tokens.access_token,
    refresh: tokens.refresh_token,
    expires: Date.now() + tokens.expires_in * 1000,
  };
  await host.signIn("kimi-code:default", profile, model);
}
