/** Temporary files beside a home: who waits for a response, and whose tokens are put in place. */
import { existsSync } from "node:fs";
import fsp from "node:fs/promises";
import { chmod, chown, mkdir, rename, symlink, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { tagOf } from "../../src/logins/credential.ts";
import type { Home } from "../../src/logins/homes.ts";
import { processMark } from "../../src/logins/process-mark.ts";
import {
  adoptSuccessor,
  clearSuperseded,
  findSuccessor,
  isBeingRenewed,
} from "../../src/logins/successor.ts";
import {
  giveAway,
  isRoot,
  leftovers,
  NOBODY,
  openFiles,
  read,
  removeScratch,
  rotated,
  signedIn,
  stored,
  unprivileged,
} from "../kit/logins.ts";
import { startStandIn } from "../kit/standin/server.ts";
import type { StandIn } from "../kit/standin/server.ts";

const RANDOM = "0123456789abcdef";
let standIn: StandIn;
let home: Home;

beforeEach(async () => {
  standIn = await startStandIn();
  ({ home } = await signedIn(standIn, "kimi-code-cli"));
});

afterEach(async () => {
  vi.restoreAllMocks();
  await standIn.close();
  await removeScratch();
});

/** A process with a mark like ours that has certainly ended. */
function deadMark(): string {
  return processMark().replace(/"pid":\d+/u, '"pid":4194305');
}

async function leave(
  content: string,
  { ageS = 0, tag = tagOf(read(home).refreshToken), random = RANDOM } = {},
): Promise<string> {
  const file = `${home.file}.tmp.${random}.${tag}`;
  await writeFile(file, content, { mode: 0o600 });
  const then = new Date(Date.now() - ageS * 1_000);
  await utimes(file, then, then);
  return file;
}

describe("a login is being renewed", () => {
  const cases: [
    string,
    () => string,
    { ageS?: number; tag?: string; random?: string },
    boolean,
    boolean,
  ][] = [
    ["a process that runs made room", processMark, {}, true, true],
    ["a process that cannot be seen made room", () => "{}", {}, true, true],
    ["the file is still empty", () => "", {}, true, true],
    ["a process made room 89 seconds ago", processMark, { ageS: 89 }, true, true],
    ["a process made room 91 seconds ago", processMark, { ageS: 91 }, false, true],
    ["a process made room in 89 seconds by its clock", processMark, { ageS: -89 }, true, true],
    ["a process made room in 91 seconds by its clock", processMark, { ageS: -91 }, false, true],
    ["a process made room 599 seconds ago", processMark, { ageS: 599 }, false, true],
    ["a process made room 601 seconds ago", processMark, { ageS: 601 }, false, false],
    ["the process is gone", deadMark, {}, false, false],
    ["it is about another token", processMark, { tag: "0badcafe" }, false, false],
    ["the file may be the Kimi Code CLI's", processMark, { random: "4711" }, false, false],
  ];

  it.each(cases)("when %s", async (_what, mark, name, request, wake) => {
    await leave(mark().padEnd(9_000), name);
    expect(await isBeingRenewed(home, read(home), "request")).toBe(request);
    expect(await isBeingRenewed(home, read(home), "wake")).toBe(wake);
  });

  it("when one of several processes runs", async () => {
    await leave(deadMark(), { random: "0000000000000001" });
    await leave(processMark(), { random: "0000000000000002" });
    expect(await isBeingRenewed(home, read(home), "request")).toBe(true);
  });

  it.skipIf(!isRoot)("is not told by another user's file (only root can try)", async () => {
    await chown(await leave(processMark()), NOBODY, NOBODY);
    expect(await isBeingRenewed(home, read(home), "wake")).toBe(false);
  });

  it("is not told by a folder or a link", async () => {
    const file = await leave(processMark());
    await rename(file, `${home.file}.moved`);
    await mkdir(file);
    expect(await isBeingRenewed(home, read(home), "wake")).toBe(false);
    await fsp.rmdir(file);
    await symlink(home.file, file);
    expect(await isBeingRenewed(home, read(home), "wake")).toBe(false);
  });

  it("is assumed when the file cannot be read", async () => {
    const file = await leave(deadMark());
    await giveAway(home.dir);
    await chmod(file, 0);
    const current = read(home);
    expect(await unprivileged(() => isBeingRenewed(home, current, "request"))).toBe(true);
    await chmod(file, 0o600);
    expect(await unprivileged(() => isBeingRenewed(home, current, "request"))).toBe(false);
  });

  it("is not told by a file that goes away while it is looked at", async () => {
    const current = read(home);
    const { readdir } = fsp;
    vi.spyOn(fsp, "readdir").mockImplementation((async (dir: string) => [
      ...(await readdir(dir)),
      `${path.basename(home.file)}.tmp.${RANDOM}.${tagOf(current.refreshToken)}`,
    ]) as unknown as typeof readdir);
    expect(await isBeingRenewed(home, current, "wake")).toBe(false);
    expect(await findSuccessor(home, current)).toBeUndefined();
  });

  it("is not told where the home itself is gone", async () => {
    const current = read(home);
    await leave(processMark());
    await rename(home.file, `${home.file}.moved`);
    expect(await isBeingRenewed(home, current, "wake")).toBe(false);
  });
});

const text = (): string => JSON.stringify(rotated(home).members);

describe("tokens that were left behind", () => {
  it("are put in place by a rename of their file", async () => {
    const current = read(home);
    const file = await leave(text());
    const { ino } = await fsp.stat(file);
    const found = { file, credential: rotated(home) };
    expect(await adoptSuccessor(home, current, found)).toBe("placed");
    expect((await fsp.stat(home.file)).ino).toBe(ino);
    expect(await stored(home)).toMatchObject({ refresh_token: "rt-2" });
  });

  it.runIf(existsSync("/proc/self/fd"))("are looked at without leaving a file open", async () => {
    const current = read(home);
    const file = await leave(text());
    const before = await openFiles();
    await isBeingRenewed(home, current, "request");
    const found = await findSuccessor(home, current);
    expect(found).toMatchObject({ file, credential: { refreshToken: "rt-2" } });
    expect(await openFiles()).toBe(before);
    expect(await adoptSuccessor(home, current, { file, credential: rotated(home) })).toBe("placed");
    expect(await openFiles()).toBe(before);
  });

  it("are written over the file where the folder is read-only", async () => {
    const current = read(home);
    const file = await leave(text());
    await giveAway(home.dir);
    await chmod(path.dirname(home.file), 0o500);
    const found = { file, credential: rotated(home) };
    expect(await unprivileged(() => adoptSuccessor(home, current, found))).toBe("placed");
    await chmod(path.dirname(home.file), 0o700);
    expect(await stored(home)).toMatchObject({ refresh_token: "rt-2" });
  });

  it("lie where they were when the file is read-only too", async () => {
    const current = read(home);
    const file = await leave(text());
    await giveAway(home.dir);
    await chmod(home.file, 0o400);
    await chmod(path.dirname(home.file), 0o500);
    const found = { file, credential: rotated(home) };
    expect(await unprivileged(() => adoptSuccessor(home, current, found))).toBe("kept");
    await chmod(path.dirname(home.file), 0o700);
    expect(await leftovers(home)).toEqual([path.basename(file)]);
    expect(await stored(home)).toMatchObject({ refresh_token: current.refreshToken });
  });

  it("are not put in place when their file is gone and the home holds another login", async () => {
    const current = read(home);
    const found = { file: await leave(text()), credential: rotated(home, 2) };
    await fsp.rm(found.file);
    const other = JSON.stringify(rotated(home, 3).members);
    await writeFile(home.file, other);
    expect(await adoptSuccessor(home, current, found)).toBe("kept");
    expect(await stored(home)).toMatchObject({ refresh_token: "rt-3" });
  });

  it("are not put in place when another file has their name by now", async () => {
    const current = read(home);
    const file = await leave(text());
    const { open } = fsp;
    vi.spyOn(fsp, "open").mockImplementation(async (...args) => {
      const handle = await open(...args);
      await rename(file, `${file}.moved`);
      await writeFile(file, "another program's");
      return handle;
    });
    expect(await adoptSuccessor(home, current, { file, credential: rotated(home) })).toBe(
      "overtaken",
    );
    expect(await stored(home)).toMatchObject({ refresh_token: current.refreshToken });
  });

  it("are cleared away once they are superseded, and those of other tokens stay", async () => {
    const current = read(home);
    await leave("one", { random: "0000000000000001" });
    await leave("two", { random: "4711" });
    const other = await leave("three", { tag: "0badcafe" });
    await clearSuperseded(home, current);
    expect(await leftovers(home)).toEqual([path.basename(other)]);
  });

  it("that are a link to another file are not taken", async () => {
    const elsewhere = path.join(home.dir, "elsewhere.json");
    await writeFile(elsewhere, text());
    await symlink(elsewhere, `${home.file}.tmp.${RANDOM}.${tagOf(read(home).refreshToken)}`);
    expect(await findSuccessor(home, read(home))).toBeUndefined();
  });
});
