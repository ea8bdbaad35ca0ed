import { execFileSync } from "node:child_process";
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { homeError } from "../../src/logins/home-error.ts";
import { readHome } from "../../src/logins/home-file.ts";
import { reserve } from "../../src/logins/home-replace.ts";
import type { Home, HomeKind } from "../../src/logins/homes.ts";
import { Login } from "../../src/logins/login.ts";
import { startStandIn } from "../kit/standin/server.ts";
import type { StandIn } from "../kit/standin/server.ts";
import { systemError, withFs } from "../kit/fs-faults.ts";
import { endProcesses, startReader } from "../kit/login-processes.ts";
import {
  giveAway,
  homeFor,
  isRoot,
  KINDS,
  leftovers,
  LIFETIME_MS,
  modeOf,
  NOBODY,
  ownerText,
  pause,
  read,
  removeScratch,
  rotated,
  scratch,
  signedIn,
  stored,
  testDeps,
  unprivileged,
  writeLogin,
} from "../kit/logins.ts";

const windows = process.platform === "win32";

let standIn: StandIn;

beforeEach(async () => {
  standIn = await startStandIn();
});

afterEach(async () => {
  await endProcesses();
  await standIn.close();
  await removeScratch();
});

async function emptyHome(kind: HomeKind = "kimi-code-cli"): Promise<Home> {
  const home = homeFor(kind, await scratch(), standIn);
  await mkdir(path.dirname(home.file), { recursive: true });
  return home;
}

describe("reading a home", () => {
  it.skipIf(windows)("tells a link to nowhere from a login that was never there", async () => {
    const home = await emptyHome();
    await symlink(path.join(home.dir, "gone.json"), home.file);
    const state = readHome(home);
    expect(state).toEqual({ status: "missing", dangling: true });
    expect(homeError(home, state as { status: "missing"; dangling: boolean }).message).toContain(
      "is a link to a file that is gone",
    );
  });

  it.skipIf(windows)("follows a link to a login", async () => {
    const home = await emptyHome();
    const elsewhere = path.join(home.dir, "elsewhere.json");
    await writeFile(elsewhere, ownerText(home, standIn.issueLogin()));
    await symlink(elsewhere, home.file);
    expect(readHome(home)).toMatchObject({ status: "valid" });
  });

  it.skipIf(windows).each<[string, string, (file: string) => unknown]>([
    ["a folder", "it is a folder", (file) => mkdir(file)],
    [
      "a pipe that nobody writes to",
      "it is not a regular file",
      (file) => execFileSync("mkfifo", [file]),
    ],
    ["a device", "it is not a regular file", (file) => symlink("/dev/zero", file)],
    ["a link in a circle", "it is a link that leads in a circle", (file) => symlink(file, file)],
  ])("with %s in its place ends at once and says so", async (_what, reason, make) => {
    const home = await emptyHome();
    await make(home.file);
    expect(readHome(home)).toEqual({ status: "unreadable", reason });
  });

  it.skipIf(windows)("with a socket in its place ends at once and says so", async () => {
    const home = await emptyHome("kimi-cli");
    const server = createServer().listen(home.file);
    try {
      expect(readHome(home)).toEqual({ status: "unreadable", reason: "reading it failed" });
    } finally {
      server.close();
    }
  });

  it("below a file in place of its folder says so", async () => {
    const home = homeFor("kimi-code-cli", await scratch(), standIn);
    await writeFile(path.dirname(home.file), "");
    expect(readHome(home)).toEqual({
      status: "unreadable",
      reason: "a part of its path is not a folder",
    });
  });

  it.each([
    ["EMFILE", "unavailable", "this process has too many open files"],
    ["EIO", "unavailable", "the disk reported an error"],
    ["EPERM", "unreadable", "permission denied"],
    ["EINVAL", "unreadable", "reading it failed"],
  ])(
    "that the system refuses with %s, at once or in the middle, says so",
    async (code, status, reason) => {
      const { home } = await signedIn(standIn, "kimi-code-cli");
      const refuse = (): never => {
        throw systemError(code);
      };
      const before = (await readdir("/proc/self/fd").catch(() => [])).length;
      {
        using _fault = withFs({ openSync: refuse });
        expect(readHome(home)).toEqual({ status, reason });
      }
      {
        using _fault = withFs({ readFileSync: refuse });
        expect(readHome(home)).toEqual({ status, reason });
      }
      expect((await readdir("/proc/self/fd").catch(() => [])).length).toBe(before);
    },
  );

  it("whose link cannot be looked at is missing", async () => {
    const home = await emptyHome();
    await symlink(path.join(home.dir, "gone.json"), home.file);
    using _fault = withFs({
      lstatSync: () => {
        throw systemError("EIO");
      },
    });
    expect(readHome(home)).toEqual({ status: "missing", dangling: false });
  });

  it.skipIf(windows)("that this user may not read says so", async () => {
    const { home } = await signedIn(standIn, "kimi-code-cli");
    await chmod(home.file, 0);
    await giveAway(home.dir);
    const state = await unprivileged(async () => readHome(home));
    expect(state).toEqual({ status: "unreadable", reason: "permission denied" });
  });
});

describe.each(KINDS)("replacing the file of the %s home", (kind) => {
  it("leaves one file, for its owner only, with the members that nobody knows", async () => {
    const { home, pair } = await signedIn(standIn, kind);
    await writeLogin(home, pair, { extra: { note: "kept", list: [1, { a: null }] } });
    await chmod(home.file, 0o644);
    const place = await reserve(home, read(home));
    expect(await leftovers(home)).toHaveLength(1);
    expect(await place.store(rotated(home), pause)).toBe("placed");
    expect(await readdir(path.dirname(home.file))).toEqual([path.basename(home.file)]);
    expect(await modeOf(home.file)).toBe(0o600);
    expect(await stored(home)).toMatchObject({
      access_token: "at-2",
      refresh_token: "rt-2",
      note: "kept",
      list: [1, { a: null }],
    });
    const text = await readFile(home.file, "utf8");
    expect([text.startsWith('{\n  "access_token": "at-2",\n'), text.endsWith("\n}\n")]).toEqual(
      kind === "kimi-cli" ? [false, false] : [true, true],
    );
  });

  it("makes the folder private where its owner does", async () => {
    const { home } = await signedIn(standIn, kind);
    await chmod(path.dirname(home.file), 0o755);
    await (await reserve(home, read(home))).store(rotated(home), pause);
    expect(await modeOf(path.dirname(home.file))).toBe(kind === "kimi-cli" ? 0o755 : 0o700);
  });

  it("never shows half a file to another process", async () => {
    const { home, pair } = await signedIn(standIn, kind);
    await writeLogin(home, pair, { extra: { padding: "x".repeat(20_000) } });
    const reader = await startReader(home.file);
    for (let serial = 2; serial < 60; serial += 1) {
      await (await reserve(home, read(home))).store(rotated(home, serial), pause);
    }
    const seen = await reader.stop();
    expect(seen.torn).toBe(0);
    expect(seen.whole).toBeGreaterThan(50);
    expect(seen.different).toBeGreaterThan(2);
  });

  it("keeps the file as it was when the new tokens do not come", async () => {
    const { home } = await signedIn(standIn, kind);
    const before = await readFile(home.file);
    const place = await reserve(home, read(home));
    place.cancel();
    place.cancel();
    expect(await leftovers(home)).toEqual([]);
    expect(await readFile(home.file)).toEqual(before);
  });

  it.skipIf(!isRoot)("keeps its owner when root does it (only root can try)", async () => {
    const { home } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS });
    await giveAway(home.dir);
    const renewed = await new Login(home, testDeps(standIn.clock.now)).access();
    expect(await stored(home)).toMatchObject({ access_token: renewed.accessToken });
    const { uid, gid, mode } = await stat(home.file);
    expect([uid, gid, mode & 0o777]).toEqual([NOBODY, NOBODY, 0o600]);
  });

  it.skipIf(!isRoot)(
    "leaves the lock to the home's owner when root does it (only root can try)",
    async () => {
      const { home } = await signedIn(standIn, kind, { ageMs: 2 * LIFETIME_MS });
      await giveAway(home.dir);
      const first = await new Login(home, testDeps(standIn.clock.now)).access();
      standIn.clock.advance(60_000);
      const second = await unprivileged(
        async () =>
          await new Login(home, testDeps(standIn.clock.now)).access({
            rejectedAccessToken: first.accessToken,
          }),
      );
      expect(standIn.login(second.refreshToken)).toMatchObject({
        refreshCount: 2,
        accessToken: second.accessToken,
      });
    },
  );
});
