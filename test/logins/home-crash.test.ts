import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { rm, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fingerprint } from "../../src/logins/credential.ts";
import type { Credential } from "../../src/logins/credential.ts";
import { findSuccessor } from "../../src/logins/home-file.ts";
import type { Home } from "../../src/logins/homes.ts";
import { startStandIn } from "../standin/server.ts";
import type { StandIn } from "../standin/server.ts";
import { endProcesses, kill, nextMessage, startProcess } from "./processes.ts";
import { ageLock, KINDS, leftovers, LIFETIME_MS, read, removeScratch, rotated, signedIn, stored } from "./support.ts";

/** The id of a process that is gone. */
const DEAD = spawnSync(process.execPath, ["--version"]).pid;

let standIn: StandIn;

beforeEach(async () => {
  standIn = await startStandIn();
});

afterEach(async () => {
  await endProcesses();
  await standIn.close();
  await removeScratch();
});

describe.each(KINDS)("a process that dies with new tokens written and not yet in place, in the %s home,", (kind) => {
  it("has not lost them: the next one finds them and needs no request", async () => {
    const { home, pair } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS });
    const dying = await startProcess(home, "stop-at-rename");
    const renaming = nextMessage(dying.child);
    dying.send({ callers: 1 });
    expect(await renaming).toBe("renaming");
    await kill(dying.child);
    expect(await stored(home)).toMatchObject({ refresh_token: pair.refresh_token });
    expect(await leftovers(home)).toHaveLength(1);
    await ageLock(home);
    const next = await startProcess(home);
    const result = await next.access();
    const login = standIn.login(pair.refresh_token);
    expect(result).toEqual({ accessToken: login?.accessToken });
    expect(standIn.tokenRequests()).toHaveLength(1);
    expect(await stored(home)).toMatchObject({ access_token: login?.accessToken, refresh_token: login?.refreshToken });
    expect(await leftovers(home)).toEqual([]);
  });
});

function tempFile(home: Home, current: Credential, pid: number): string {
  return `${home.file}.tmp.${pid}.${fingerprint(current.refreshToken).slice(0, 8)}`;
}

async function leave(home: Home, content: string, pid: number): Promise<string> {
  const file = tempFile(home, read(home), pid);
  await writeFile(file, content, { mode: 0o600 });
  return file;
}

describe("a pair that a dead process left behind", () => {
  it("is found by the token that it replaces", async () => {
    const { home } = await signedIn(standIn, "kimi-code-cli");
    const file = await leave(home, JSON.stringify(rotated(home).members), DEAD);
    expect(await findSuccessor(home, read(home))).toMatchObject({ accessToken: "at-2", refreshToken: "rt-2" });
    expect(existsSync(file)).toBe(true);
  });

  it("is not taken for the successor of another token", async () => {
    const { home } = await signedIn(standIn, "kimi-code-cli");
    await writeFile(tempFile(home, rotated(home, 7), DEAD), JSON.stringify(rotated(home, 8).members));
    expect(await findSuccessor(home, read(home))).toBeUndefined();
  });

  it.each<[string, (home: Home) => string]>([
    ["room that was never filled", () => " ".repeat(9000)],
    ["half a pair", (home) => JSON.stringify(rotated(home).members).slice(0, 60)],
    ["an empty file", () => ""],
    ["the very pair that it should replace", (home) => JSON.stringify(read(home).members)],
  ])("is cleared away when it is only %s, unless its process lives", async (_what, content) => {
    const { home } = await signedIn(standIn, "kimi-code-cli");
    const suspended = await leave(home, content(home), process.pid);
    await leave(home, content(home), DEAD);
    expect(await findSuccessor(home, read(home))).toBeUndefined();
    expect(await leftovers(home)).toEqual([path.basename(suspended)]);
  });

  it("does not bring a folder that cannot be listed down", async () => {
    const { home } = await signedIn(standIn, "kimi-code-cli");
    const current = read(home);
    await rm(path.dirname(home.file), { recursive: true });
    expect(await findSuccessor(home, current)).toBeUndefined();
  });

  it.each([
    ["goes away", "of a dead process after ten minutes", `${DEAD}.00000001`, 11, false],
    ["stays", "of a dead process before that", `${DEAD}.00000002`, 9, true],
    ["stays", "of a live process", `${process.pid}.00000003`, 11, true],
    ["stays", "with a name that is not ours", `${DEAD}.not-ours`, 11, true],
  ])("%s when it belongs to another token: one %s", async (_what, _whose, name, ageMin, stays) => {
    const { home } = await signedIn(standIn, "kimi-code-cli");
    const file = `${home.file}.tmp.${name}`;
    await writeFile(file, "");
    const then = new Date(Date.now() - ageMin * 60_000);
    await utimes(file, then, then);
    expect(await findSuccessor(home, read(home))).toBeUndefined();
    expect(existsSync(file)).toBe(stays);
  });
});
