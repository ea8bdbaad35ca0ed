import { existsSync } from "node:fs";
import { chown, rm, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { tagOf } from "../../src/logins/credential.ts";
import type { Credential } from "../../src/logins/credential.ts";
import { findSuccessor } from "../../src/logins/successor.ts";
import type { Home } from "../../src/logins/homes.ts";
import { startStandIn } from "../kit/standin/server.ts";
import type { StandIn } from "../kit/standin/server.ts";
import { endProcesses, kill, nextMessage, startProcess } from "../kit/login-processes.ts";
import {
  ageLock,
  isRoot,
  KINDS,
  leftovers,
  LIFETIME_MS,
  NOBODY,
  read,
  removeScratch,
  rotated,
  signedIn,
  stored,
} from "../kit/logins.ts";

let standIn: StandIn;

beforeEach(async () => {
  standIn = await startStandIn();
});

afterEach(async () => {
  await endProcesses();
  await standIn.close();
  await removeScratch();
});

describe.each(KINDS)(
  "a process that dies with new tokens written and not yet in place, in the %s home,",
  (kind) => {
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
      expect(await stored(home)).toMatchObject({
        access_token: login?.accessToken,
        refresh_token: login?.refreshToken,
      });
      expect(await leftovers(home)).toEqual([]);
    });
  },
);

/** The name of a temporary file of ours for this token. */
function tempFile(
  home: Home,
  { refreshToken }: Pick<Credential, "refreshToken">,
  random = "0123456789abcdef",
): string {
  return `${home.file}.tmp.${random}.${tagOf(refreshToken)}`;
}

/** Leaves a temporary file, last changed so many minutes ago. */
async function leave(file: string, content: string, ageMin = 0): Promise<string> {
  await writeFile(file, content, { mode: 0o600 });
  const then = new Date(Date.now() - ageMin * 60_000);
  await utimes(file, then, then);
  return file;
}

const GARBAGE: [string, (home: Home) => string][] = [
  ["room that was never filled", () => " ".repeat(9000)],
  ["half a login", (home) => JSON.stringify(rotated(home).members).slice(0, 60)],
  ["an empty file", () => ""],
  ["the very tokens that it should replace", (home) => JSON.stringify(read(home).members)],
];

describe("findSuccessor", () => {
  it.each(["0123456789abcdef", "4194303"])(
    "finds the next tokens by the token that they replace (name %s)",
    async (random) => {
      const { home } = await signedIn(standIn, "kimi-code-cli");
      const file = await leave(
        tempFile(home, read(home), random),
        JSON.stringify(rotated(home).members),
      );
      expect(await findSuccessor(home, read(home))).toMatchObject({
        file,
        credential: { accessToken: "at-2", refreshToken: "rt-2" },
      });
      expect(existsSync(file)).toBe(true);
    },
  );

  it("finds the next tokens however old they are", async () => {
    const { home } = await signedIn(standIn, "kimi-code-cli");
    const file = await leave(
      tempFile(home, read(home)),
      JSON.stringify(rotated(home).members),
      60 * 24 * 30,
    );
    expect(await findSuccessor(home, read(home))).toMatchObject({ file });
  });

  it("takes the newest of several", async () => {
    const { home } = await signedIn(standIn, "kimi-code-cli");
    await leave(
      tempFile(home, read(home), "0000000000000001"),
      JSON.stringify(rotated(home, 2).members),
      5,
    );
    await leave(
      tempFile(home, read(home), "0000000000000002"),
      JSON.stringify(rotated(home, 3).members),
      1,
    );
    await leave(
      tempFile(home, read(home), "0000000000000003"),
      JSON.stringify(rotated(home, 4).members),
      9,
    );
    expect(await findSuccessor(home, read(home))).toMatchObject({
      credential: { refreshToken: "rt-3" },
    });
  });

  it("does not take the successor of another token", async () => {
    const { home } = await signedIn(standIn, "kimi-code-cli");
    await leave(tempFile(home, rotated(home, 7)), JSON.stringify(rotated(home, 8).members));
    expect(await findSuccessor(home, read(home))).toBeUndefined();
  });

  it.skipIf(!isRoot)("does not take another user's file (only root can try)", async () => {
    const { home } = await signedIn(standIn, "kimi-code-cli");
    const file = await leave(tempFile(home, read(home)), JSON.stringify(rotated(home).members));
    await chown(file, NOBODY, NOBODY);
    expect(await findSuccessor(home, read(home))).toBeUndefined();
    expect(existsSync(file)).toBe(true);
  });

  it.each(GARBAGE)(
    "leaves %s alone while a process may need it, and clears it away after ten minutes",
    async (_what, content) => {
      const { home } = await signedIn(standIn, "kimi-code-cli");
      const young = await leave(tempFile(home, read(home), "0000000000000001"), content(home), 9);
      await leave(tempFile(home, read(home), "0000000000000002"), content(home), 11);
      expect(await findSuccessor(home, read(home))).toBeUndefined();
      expect(await leftovers(home)).toEqual([path.basename(young)]);
    },
  );

  it("does not bring a folder that cannot be listed down", async () => {
    const { home } = await signedIn(standIn, "kimi-code-cli");
    const current = read(home);
    await rm(path.dirname(home.file), { recursive: true });
    expect(await findSuccessor(home, current)).toBeUndefined();
  });

  it.each([
    [
      "clears away a file of another token after ten minutes",
      "0000000000000001.00000001",
      11,
      false,
    ],
    ["leaves a file of another token before that", "0000000000000002.00000002", 9, true],
    ["leaves a temporary file of the Kimi Code CLI, however old", "4711.0badcafe", 60 * 24, true],
    ["leaves a file with a name that is not ours", "0000000000000003.not-ours", 11, true],
  ])("%s", async (_what, name, ageMin, stays) => {
    const { home } = await signedIn(standIn, "kimi-code-cli");
    const file = await leave(`${home.file}.tmp.${name}`, "", ageMin);
    expect(await findSuccessor(home, read(home))).toBeUndefined();
    expect(existsSync(file)).toBe(stays);
  });
});
