/** What links, folders and planted files in and around a home can be made to do. */
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { tagOf } from "../../src/logins/credential.ts";
import type { Home } from "../../src/logins/homes.ts";
import { Login } from "../../src/logins/login.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import {
  failureOf,
  isRoot,
  KINDS,
  LIFETIME_MS,
  modeOf,
  NOBODY,
  removeScratch,
  scratch,
  signedIn,
  stored,
  testDeps,
} from "../kit/logins.ts";

const windows = process.platform === "win32";
const VICTIM_TEXT = "belongs to somebody else\n";

let standIn: StandIn;
let victim: string;

beforeEach(async () => {
  standIn = await startStandIn();
  victim = path.join(await scratch(), "victim");
  await writeFile(victim, VICTIM_TEXT, { mode: 0o644 });
});

afterEach(async () => {
  await standIn.close();
  await removeScratch();
});

async function expired(kind: Home["kind"]): Promise<Home> {
  return (await signedIn(standIn, kind, { ageMs: LIFETIME_MS })).home;
}

async function access(home: Home): Promise<string> {
  return (await new Login(home, testDeps(Date.now)).access()).accessToken;
}

/** The file that a link pointed to is as it was, its rights too. */
async function expectUntouched(): Promise<void> {
  expect(await readFile(victim, "utf8")).toBe(VICTIM_TEXT);
  expect(await modeOf(victim)).toBe(0o644);
}

describe.skipIf(windows).each(KINDS)("in the %s home", (kind) => {
  it("new tokens are for the owner's eyes only, whatever the rights were before", async () => {
    const home = await expired(kind);
    await chmod(home.file, 0o666);
    await access(home);
    expect(await modeOf(home.file)).toBe(0o600);
  });

  it("a link in the place of the login is replaced, and what it leads to is not written to", async () => {
    const home = await expired(kind);
    const elsewhere = path.join(path.dirname(victim), "login.json");
    await rename(home.file, elsewhere);
    await symlink(elsewhere, home.file);
    const before = await readFile(elsewhere, "utf8");
    const accessToken = await access(home);
    expect(await readFile(elsewhere, "utf8")).toBe(before);
    expect((await lstat(home.file)).isFile()).toBe(true);
    expect(await stored(home)).toMatchObject({ access_token: accessToken });
  });

  it.each(["0123456789abcdef", "4194303"])(
    "a link with the name of a temporary file (%s) is neither followed nor believed",
    async (random) => {
      const home = await expired(kind);
      const { refresh_token } = await stored(home);
      await symlink(victim, `${home.file}.tmp.${random}.${tagOf(String(refresh_token))}`);
      const accessToken = await access(home);
      await expectUntouched();
      expect(standIn.count("token")).toBe(1);
      expect(await stored(home)).toMatchObject({ access_token: accessToken });
    },
  );

  it.skipIf(!isRoot)("root gives new files to the home's owner (only root can try)", async () => {
    const home = await expired(kind);
    for (const place of [home.dir, path.dirname(home.file), home.file]) {
      await chown(place, NOBODY, NOBODY);
    }
    await access(home);
    for (const place of [
      home.file,
      home.lock.kind === "flock" ? home.lock.path : home.lock.target,
    ]) {
      expect(await stat(place)).toMatchObject({ uid: NOBODY, gid: NOBODY });
    }
  });
});

describe.skipIf(windows)("the Kimi Code CLI's lock", () => {
  it("is taken beside a sentinel that is a link, and what that leads to is not made or written to", async () => {
    const home = await expired("kimi-code-cli");
    const sentinel = path.join(home.dir, "oauth", home.slot);
    await mkdir(path.dirname(sentinel));
    await symlink(victim, sentinel);
    await access(home);
    await expectUntouched();
    await rm(sentinel);
    const missing = path.join(path.dirname(victim), "never-made");
    await symlink(missing, sentinel);
    await rm(home.file);
    expect((await failureOf(new Login(home, testDeps(Date.now)).access())).code).toBe(
      "login_missing",
    );
    expect(await readdir(path.dirname(victim))).toEqual(["victim"]);
  });

  it("that is a link to a folder keeps everybody out and is not removed, nor is the folder", async () => {
    const home = await expired("kimi-code-cli");
    const folder = path.join(path.dirname(victim), "folder");
    await mkdir(folder);
    const longAgo = new Date(Date.now() - 60_000);
    await utimes(folder, longAgo, longAgo);
    await mkdir(path.join(home.dir, "oauth"));
    const lock = path.join(home.dir, "oauth", `${home.slot}.lock`);
    await symlink(folder, lock);
    await new Promise((resolve, reject) => {
      const controller = new AbortController();
      new Login(home, testDeps(Date.now))
        .access({ signal: controller.signal })
        .then(reject, resolve);
      setImmediate(() => controller.abort(new Error("enough")));
    });
    expect((await lstat(lock)).isSymbolicLink()).toBe(true);
    expect((await stat(folder)).mtimeMs).toBe(longAgo.getTime());
    expect(standIn.requests).toEqual([]);
    // The one who waits goes on as soon as the link is gone.
    await rm(lock);
    await access(home);
    expect(standIn.count("token")).toBe(1);
  });
});

describe.skipIf(windows)("the Python CLI's lock", () => {
  it.each([
    ["a link", async (lock: string) => await symlink(victim, lock)],
    ["a folder", async (lock: string) => await mkdir(lock)],
  ])("that is %s is refused at once, and nothing is spent", async (_what, plant) => {
    const home = await expired("kimi-cli");
    const lock = path.join(path.dirname(home.file), "kimi-code.lock");
    await plant(lock);
    const before = await readFile(home.file, "utf8");
    const error = await failureOf(new Login(home, testDeps(Date.now)).access());
    expect(error).toMatchObject({
      code: "home_not_writable",
      message: expect.stringContaining("its lock"),
    });
    expect(await readFile(home.file, "utf8")).toBe(before);
    expect(standIn.requests).toEqual([]);
    await expectUntouched();
  });
});

describe.skipIf(windows)("a home behind a link", () => {
  it("is one home with one lock, by whichever path it is reached", async () => {
    const home = await expired("kimi-code-cli");
    const alias = path.join(await scratch(), "alias");
    await symlink(home.dir, alias);
    const moved = (place: string): string => path.join(alias, path.relative(home.dir, place));
    const same: Home = {
      ...home,
      dir: alias,
      file: moved(home.file),
      lock: { kind: "directory", target: path.join(alias, "oauth", home.slot) },
    };
    const tokens = await Promise.all([access(home), access(same), access(home), access(same)]);
    expect(new Set(tokens).size).toBe(1);
    expect(standIn.count("token")).toBe(1);
  });
});
