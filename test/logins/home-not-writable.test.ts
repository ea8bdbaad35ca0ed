import { execFileSync, spawnSync } from "node:child_process";
import { chmod, chown, readdir, readFile, readlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { reserve } from "../../src/logins/home-replace.ts";
import type { Home } from "../../src/logins/homes.ts";
import { Login } from "../../src/logins/login.ts";
import { startStandIn } from "../kit/standin/server.ts";
import type { StandIn, TokenReply } from "../kit/standin/server.ts";
import {
  failureOf,
  giveAway,
  homeFor,
  isRoot,
  KINDS,
  leftovers,
  LIFETIME_MS,
  NOBODY,
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
const PAGE_BYTES = 4096;

let standIn: StandIn;
const mounts: string[] = [];

beforeEach(async () => {
  standIn = await startStandIn();
});

afterEach(async () => {
  for (const mount of mounts.splice(0)) {
    execFileSync("umount", [mount]);
  }
  await standIn.close();
  await removeScratch();
});

async function refusal(home: Home): Promise<string> {
  const error = await failureOf(new Login(home, testDeps(standIn.clock.now)).access());
  expect(error).toMatchObject({ code: "home_not_writable", transient: false });
  expect(standIn.requests).toEqual([]);
  return error.message;
}

describe.each(KINDS)("the %s home that cannot be written", (kind) => {
  it.skipIf(windows)("because its folder is read-only costs no request", async () => {
    const { home } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS });
    await giveAway(home.dir);
    await chmod(path.dirname(home.file), 0o500);
    const message = await unprivileged(() => refusal(home));
    await chmod(path.dirname(home.file), 0o700);
    expect(message).toMatch(/^Could not refresh the login[,:] .* you are still signed in\.$/u);
    expect(await leftovers(home)).toEqual([]);
  });

  it.skipIf(windows)("because all of it is read-only costs no request", async () => {
    const { home } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS });
    await giveAway(home.dir);
    await chmod(path.dirname(home.file), 0o500);
    await chmod(home.dir, 0o500);
    const message = await unprivileged(() => refusal(home));
    await chmod(home.dir, 0o700);
    await chmod(path.dirname(home.file), 0o700);
    expect(message).toContain(home.dir);
  });

  it.skipIf(!isRoot)(
    "because its file is another user's costs no request (only root can try)",
    async () => {
      const { home } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS });
      await giveAway(home.dir);
      await chown(home.file, NOBODY - 1, NOBODY - 1);
      await chmod(home.file, 0o644);
      expect(await unprivileged(() => refusal(home))).toContain("the file belongs to another user");
      expect(await leftovers(home)).toEqual([]);
    },
  );

  it.skipIf(windows)("still serves a token that is alive", async () => {
    const { home, pair } = await signedIn(standIn, kind, { ageMs: LIFETIME_MS / 2 + 1000 });
    await giveAway(home.dir);
    await chmod(path.dirname(home.file), 0o500);
    const access = await unprivileged(
      async () => await new Login(home, testDeps(standIn.clock.now)).access(),
    );
    await chmod(path.dirname(home.file), 0o700);
    expect(access).toMatchObject({ accessToken: pair.access_token });
    expect(standIn.requests).toEqual([]);
  });
});

/** Whether a small disk of our own can be had; it needs root, and a container may forbid even that. */
function canMount(): boolean {
  if (process.platform !== "linux" || !isRoot) {
    return false;
  }
  const probe = `d=$(mktemp -d) && mount -t tmpfs -o size=16k tmpfs "$d" && umount "$d" && rmdir "$d"`;
  return spawnSync("sh", ["-c", probe]).status === 0;
}

/** A home on a disk of this many pages, all but `free` of them in use. */
async function onSmallDisk(
  pages: number,
  free: number,
  extra: Record<string, unknown>,
): Promise<{ home: Home; pair: TokenReply }> {
  const dir = await scratch();
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${pages * PAGE_BYTES}`, "tmpfs", dir]);
  mounts.push(dir);
  const home = homeFor("kimi-code-cli", dir, standIn);
  const pair = standIn.issueLogin();
  await writeLogin(home, pair, { issuedAtMs: standIn.clock.now() - LIFETIME_MS, extra });
  const used = Math.ceil((await readFile(home.file)).byteLength / PAGE_BYTES);
  await writeFile(path.join(dir, "filler"), Buffer.alloc((pages - used - free) * PAGE_BYTES));
  return { home, pair };
}

describe.skipIf(!canMount())("a small disk (needs the right to mount one)", () => {
  it.each([
    ["has no room at all", 0],
    ["has room for a part of the new file", 1],
    ["has room for the tokens and not for what may come with them", 2],
  ])("that %s costs no request, and the login is as it was", async (_what, free) => {
    const { home } = await onSmallDisk(8, free, { padding: "x".repeat(6000) });
    const before = await readFile(home.file, "utf8");
    expect(await refusal(home)).toContain("the disk is full");
    expect(await readFile(home.file, "utf8")).toBe(before);
    expect(await leftovers(home)).toEqual([]);
  });

  it("that fills up during the request has kept room for the new tokens", async () => {
    const { home, pair } = await onSmallDisk(16, 5, { padding: "x".repeat(6000) });
    const gate = Promise.withResolvers<void>();
    standIn.failNext("token", { kind: "gate", gate: gate.promise });
    const work = new Login(home, testDeps(standIn.clock.now)).access();
    await standIn.waitFor("token");
    await expect(
      writeFile(path.join(home.dir, "more"), Buffer.alloc(16 * PAGE_BYTES)),
    ).rejects.toThrow("ENOSPC");
    gate.resolve();
    const renewed = await work;
    expect(standIn.login(pair.refresh_token)).toMatchObject({ accessToken: renewed.accessToken });
    expect(await stored(home)).toMatchObject({
      access_token: renewed.accessToken,
      refresh_token: renewed.refreshToken,
    });
  });
});

/** Whether a file can be made immutable; it needs root and a file system that knows the mark. */
function canFreeze(): boolean {
  const probe = `f=$(mktemp) && chattr +i "$f" && chattr -i "$f" && rm "$f"`;
  return process.platform === "linux" && isRoot && spawnSync("sh", ["-c", probe]).status === 0;
}

describe("Reservation.store", () => {
  it.skipIf(!canFreeze())(
    "writes over the file when the rename fails, and leaves no file open (needs the right to freeze a file)",
    async () => {
      const { home } = await signedIn(standIn, "kimi-code-cli");
      const place = await reserve(home, read(home));
      const [name = ""] = await leftovers(home);
      const temp = path.join(path.dirname(home.file), name);
      execFileSync("chattr", ["+i", temp]);
      try {
        expect(await place.store(rotated(home), pause)).toBe("placed");
      } finally {
        execFileSync("chattr", ["-i", temp]);
      }
      expect(await stored(home)).toMatchObject({ refresh_token: "rt-2" });
      const open = await readdir("/proc/self/fd");
      const targets = await Promise.all(
        open.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => "")),
      );
      expect(targets.filter((target) => target.startsWith(home.dir))).toEqual([]);
    },
  );
});
