/** The homes of logins that were made here, their notes, and how they go and come back. */
import fs, { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { withNewTokens } from "../../src/logins/credential.ts";
import type { Home } from "../../src/logins/homes.ts";
import { tryHomeLock } from "../../src/logins/locks/home-lock.ts";
import {
  checkHomesWritable,
  createOpenClawHome,
  homeInStateDir,
  isBeingClaimed,
  makeFolders,
  newOpenClawHome,
  unclaimedMark,
} from "../../src/logins/openclaw-home.ts";
import {
  notePersonalAccount,
  noteStore,
  readStores,
  storesFile,
} from "../../src/logins/openclaw-home-notes.ts";
import {
  asideSince,
  bringBack,
  deleteFiles,
  putAside,
  removeHome,
} from "../../src/logins/openclaw-home-removal.ts";
import {
  hasOpenClawHomes,
  LOGIN_SLOT,
  openClawHomesDir,
  PERSONAL_SLOT,
  personalAccounts,
  slotsWith,
} from "../../src/logins/openclaw-slots.ts";
import { adoptPersonalAccount, awaitsAdoption } from "../../src/logins/personal-home.ts";
import { processMark } from "../../src/logins/process-mark.ts";
import { REGIONS } from "../../src/protocol/endpoints.ts";
import { refuse, withFs } from "../kit/fs-faults.ts";
import { modeOf, read, removeScratch, scratch } from "../kit/logins.ts";

const HOUR_MS = 60 * 60_000;
const TOKENS = { accessToken: "at-1", refreshToken: "rt-1", expiresInS: 900 };
let stateDir: string;
let home: Home;

beforeEach(async () => {
  stateDir = path.join(await scratch(), "state");
  home = newOpenClawHome(stateDir, REGIONS.global);
});

afterEach(async () => {
  await removeScratch();
});

function credential() {
  return withNewTokens({}, TOKENS, "kimi-code-cli", Date.now());
}

async function names(): Promise<string[]> {
  return (await readdir(openClawHomesDir(stateDir))).toSorted();
}

describe("a new home", () => {
  it("has a name of its own, by the kind of account and the endpoints", () => {
    const other = newOpenClawHome(stateDir, REGIONS.global);
    expect(home.slot).toMatch(LOGIN_SLOT);
    expect(other.slot).not.toBe(home.slot);
    expect(other.slot.slice(-8)).toBe(home.slot.slice(-8));
    const mainland = newOpenClawHome(stateDir, REGIONS["mainland-cn"], "personal");
    expect(mainland.slot).toMatch(PERSONAL_SLOT);
    expect(mainland.slot.slice(-8)).not.toBe(home.slot.slice(-8));
    expect(existsSync(stateDir)).toBe(false);
  });

  it("holds the login in a private file in private folders, with its marks beside it", async () => {
    createOpenClawHome(home, credential(), "/agents/a");
    expect(read(home)).toMatchObject({ accessToken: "at-1", refreshToken: "rt-1" });
    const name = path.basename(home.file);
    expect(await names()).toEqual([name, `${name}.stores`, `${name}.unclaimed`]);
    expect(await modeOf(home.file)).toBe(0o600);
    expect([await modeOf(home.dir), await modeOf(path.dirname(home.file))]).toEqual([0o700, 0o700]);
    expect(readStores(home)).toEqual({ stores: ["/agents/a"], claimed: false });
  });

  it("is not made at all where the disk fails, and nothing is left", async () => {
    using _fault = withFs({ fsyncSync: refuse("EIO") });
    expect(() => {
      createOpenClawHome(home, credential());
    }).toThrow(expect.objectContaining({ code: "home_not_writable" }));
    expect(await names()).toEqual([]);
  });

  it("is made where the file system knows no rights", () => {
    using _fault = withFs({ chmodSync: refuse("EPERM") });
    createOpenClawHome(home, credential());
    expect(read(home).refreshToken).toBe("rt-1");
  });

  it("makes folders private that were not", async () => {
    await mkdir(path.dirname(home.file), { recursive: true, mode: 0o755 });
    await chmod(home.dir, 0o755);
    makeFolders(home);
    expect([await modeOf(home.dir), await modeOf(path.dirname(home.file))]).toEqual([0o700, 0o700]);
  });
});

describe("the check before a sign-in", () => {
  it("leaves nothing behind", async () => {
    checkHomesWritable(stateDir);
    expect(await names()).toEqual([]);
  });

  it("fails where a file lies in place of the folder, or the disk cannot keep anything", async () => {
    const refusal = expect.objectContaining({
      code: "home_not_writable",
      message: expect.stringContaining(stateDir),
    });
    {
      using _fault = withFs({ fsyncSync: refuse("ENOSPC") });
      expect(() => {
        checkHomesWritable(stateDir);
      }).toThrow(refusal);
    }
    {
      using _fault = withFs({ renameSync: refuse("EACCES") });
      expect(() => {
        checkHomesWritable(stateDir);
      }).toThrow(refusal);
    }
    expect(await names()).toEqual([]);
    await rm(stateDir, { recursive: true });
    await writeFile(stateDir, "");
    expect(() => {
      checkHomesWritable(stateDir);
    }).toThrow(refusal);
  });
});

describe("a home whose profile was not seen yet", () => {
  // The mark is not in the titles: it is another one in each process.
  it.each<[string, boolean, number, string]>([
    ["of a process that runs", true, 0, processMark()],
    ["of a process that cannot be seen", true, 0, "{}"],
    ["of a process that is gone", false, 0, processMark().replace(/"pid":\d+/u, '"pid":4194305')],
    ["of yesterday", false, -24 * HOUR_MS - 60_000, processMark()],
    ["of almost yesterday", true, -24 * HOUR_MS + 60_000, processMark()],
    ["of tomorrow", false, 24 * HOUR_MS + 60_000, processMark()],
  ])("with a mark %s may still be claimed: %s", async (_what, isClaimed, laterMs, mark) => {
    await mkdir(path.dirname(home.file), { recursive: true });
    await writeFile(unclaimedMark(home), mark);
    const then = new Date(Date.now() + laterMs);
    await utimes(unclaimedMark(home), then, then);
    expect(isBeingClaimed(home)).toBe(isClaimed);
  });

  it("without a mark is not about to be claimed", () => {
    expect(isBeingClaimed(home)).toBe(false);
  });
});

describe("the home that a profile names", () => {
  it("is where it says, or in the state folder that is in use when that one is gone", async () => {
    const elsewhere = path.join(path.dirname(stateDir), "elsewhere");
    expect(homeInStateDir(home, stateDir)).toBe(home);
    expect(homeInStateDir(home, elsewhere)).toMatchObject({
      dir: elsewhere,
      slot: home.slot,
      kind: "openclaw",
    });
    await mkdir(stateDir);
    expect(homeInStateDir(home, elsewhere)).toBe(home);
  });

  it("is refused with other endpoints", () => {
    expect(() => homeInStateDir({ ...home, endpoints: REGIONS["mainland-cn"] }, stateDir)).toThrow(
      expect.objectContaining({ code: "login_missing" }),
    );
  });
});

describe("the note of the stores that name a home", () => {
  beforeEach(() => {
    createOpenClawHome(home, credential());
  });

  it("grows, and stays claimed once it was", () => {
    expect(readStores(home)).toEqual({ stores: [""], claimed: false });
    noteStore(home, "/agents/a", true);
    expect(readStores(home)).toEqual({ stores: ["", "/agents/a"], claimed: true });
    noteStore(home, "/agents/b", false);
    expect(readStores(home)).toEqual({ stores: ["", "/agents/a", "/agents/b"], claimed: true });
    noteStore(home, undefined, true);
    expect(readStores(home)).toEqual({ stores: ["", "/agents/a", "/agents/b"], claimed: true });
  });

  it("is claimed by a store that it names already", () => {
    noteStore(home, undefined, true);
    expect(readStores(home)).toEqual({ stores: [""], claimed: true });
  });

  it.each([true, false])(
    "is not written where it says so already, nor twice by one process (claimed: %s)",
    async (claimed) => {
      await writeFile(storesFile(home), JSON.stringify({ stores: ["/agents/c"], claimed }));
      const { ino } = await stat(storesFile(home));
      noteStore(home, "/agents/c", false);
      expect((await stat(storesFile(home))).ino).toBe(ino);
      await rm(storesFile(home));
      noteStore(home, "/agents/c", false);
      expect(existsSync(storesFile(home))).toBe(false);
    },
  );

  it("is tried again after the disk has failed", () => {
    {
      using _fault = withFs({ renameSync: refuse("EIO") });
      noteStore(home, "/agents/d", true);
    }
    expect(readStores(home)).toEqual({ stores: [""], claimed: false });
    noteStore(home, "/agents/d", true);
    expect(readStores(home)).toEqual({ stores: ["", "/agents/d"], claimed: true });
  });

  it.each<[string, { stores: string[]; claimed: boolean }]>([
    ["", { stores: [], claimed: false }],
    ["[]", { stores: [], claimed: false }],
    ["null", { stores: [], claimed: false }],
    ['{"stores":"a","claimed":true}', { stores: [], claimed: false }],
    ['{"stores":["a",1,null,"b"],"claimed":"yes"}', { stores: ["a", "b"], claimed: false }],
    ['{"stores":[],"claimed":true}', { stores: [], claimed: true }],
  ])("that holds %j says %j", async (text, wanted) => {
    await writeFile(storesFile(home), text);
    expect(readStores(home)).toEqual(wanted);
  });
});

describe("a personal account", () => {
  let personal: Home;

  beforeEach(() => {
    personal = newOpenClawHome(stateDir, REGIONS.global, "personal");
  });

  it("has its home made from its profile's tokens, once", () => {
    expect(awaitsAdoption(personal)).toBe(true);
    expect(awaitsAdoption(home)).toBe(false);
    const expires = 1_795_427_500_999;
    adoptPersonalAccount(personal, { access: "at-1", refresh: "rt-1", expires });
    expect(awaitsAdoption(personal)).toBe(false);
    expect(read(personal)).toMatchObject({
      accessToken: "at-1",
      refreshToken: "rt-1",
      expiresAtMs: 1_795_427_500_000,
      expiresInS: 0,
      members: { scope: "", token_type: "Bearer" },
    });
    adoptPersonalAccount(personal, { access: "at-2", refresh: "rt-2", expires });
    expect(read(personal).refreshToken).toBe("rt-1");
  });

  it("keeps its tokens in the profile where the home cannot be made", async () => {
    const refusal = expect.objectContaining({
      code: "home_not_writable",
      message: expect.stringContaining(path.dirname(personal.file)),
    });
    const adopt = (): void => {
      adoptPersonalAccount(personal, { access: "at-1", refresh: "rt-1", expires: 0 });
    };
    {
      using _fault = withFs({ fsyncSync: refuse("EIO") });
      expect(adopt).toThrow(refusal);
    }
    expect(await names()).toEqual([]);
    await rm(stateDir, { recursive: true });
    await writeFile(stateDir, "");
    expect(adopt).toThrow(refusal);
  });

  it("is noted beside its home, and found by that", async () => {
    makeFolders(personal);
    {
      using _fault = withFs({ renameSync: refuse("EIO") });
      notePersonalAccount(personal, "kimi-code:me");
    }
    expect(personalAccounts(stateDir)).toEqual([]);
    notePersonalAccount(personal, "kimi-code:me");
    notePersonalAccount(home, "kimi-code:not-personal");
    expect(personalAccounts(stateDir)).toEqual([
      { slot: personal.slot, profileId: "kimi-code:me" },
    ]);
    notePersonalAccount(personal, "kimi-code:renamed");
    expect(personalAccounts(stateDir)[0]?.profileId).toBe("kimi-code:me");
    const [note = ""] = await names();
    await rm(path.join(openClawHomesDir(stateDir), note));
    await mkdir(path.join(openClawHomesDir(stateDir), note));
    expect(personalAccounts(stateDir)).toEqual([]);
  });
});

describe("the homes in a state folder", () => {
  it("are found by their names", async () => {
    expect(hasOpenClawHomes(stateDir)).toBe(false);
    makeFolders(home);
    const dir = openClawHomesDir(stateDir);
    for (const name of [
      "login-0123456789abcdef-0123456.json",
      "xlogin-0123456789abcdef-01234567.json",
      "login-0123456789abcdef-012345678.json",
      "login-0123456789ABCDEF-01234567.json",
      "login-0123456789abcdef-01234567.json.tmp",
      "xpersonal-0123456789abcdef-01234567.json",
      "personal-0123456789abcdef-012345678.json",
      "kimi-code.json",
    ]) {
      await writeFile(path.join(dir, name), "");
    }
    expect(hasOpenClawHomes(stateDir)).toBe(false);
    await writeFile(path.join(dir, "personal-0123456789abcdef-01234567.json"), "");
    expect(hasOpenClawHomes(stateDir)).toBe(true);
    expect(slotsWith(stateDir, ".json", LOGIN_SLOT)).toEqual([]);
    expect(slotsWith(stateDir, ".json", PERSONAL_SLOT)).toEqual([
      "personal-0123456789abcdef-01234567",
    ]);
    await rm(path.join(dir, "personal-0123456789abcdef-01234567.json"));
    await writeFile(path.join(dir, "login-0123456789abcdef-01234567.json"), "");
    expect(hasOpenClawHomes(stateDir)).toBe(true);
  });
});

describe("a home that is removed", () => {
  beforeEach(() => {
    createOpenClawHome(home, credential());
  });

  it("is put aside with its note and without its marks, from this moment on", async () => {
    await writeFile(`${home.file}.tmp.0123456789abcdef.0badcafe`, "");
    await writeFile(path.join(path.dirname(home.file), "another.json"), "");
    await utimes(home.file, new Date(0), new Date(0));
    expect(asideSince(home)).toBeUndefined();
    expect(await putAside(home)).toBe(true);
    const name = path.basename(home.file);
    expect(await names()).toEqual(["another.json", `${name}.removed`, `${name}.stores`].toSorted());
    expect(Math.abs(Date.now() - (asideSince(home) ?? 0))).toBeLessThan(60_000);
    expect(await readdir(path.join(stateDir, "oauth"))).toEqual([]);
    // Once more changes nothing.
    const since = asideSince(home);
    expect(await putAside(home)).toBe(true);
    expect(asideSince(home)).toBe(since);
    bringBack(home);
    expect(read(home).refreshToken).toBe("rt-1");
    expect(asideSince(home)).toBeUndefined();
  });

  it("does not come back over a login that is there by then", async () => {
    await putAside(home);
    const next = withNewTokens({}, { ...TOKENS, refreshToken: "rt-2" }, "kimi-code-cli", 0);
    createOpenClawHome(home, next);
    bringBack(home);
    expect(read(home).refreshToken).toBe("rt-2");
    expect(asideSince(home)).toBeDefined();
  });

  it("stays aside where the disk refuses, and that is no failure", async () => {
    await putAside(home);
    {
      using _fault = withFs({ renameSync: refuse("EROFS") });
      bringBack(home);
    }
    expect(existsSync(home.file)).toBe(false);
    bringBack(home);
    expect(existsSync(home.file)).toBe(true);
  });

  it("stays while it is being refreshed", async () => {
    const lock = await tryHomeLock(home);
    expect(await putAside(home)).toBe(false);
    expect(await removeHome(home)).toBe(false);
    expect(read(home).refreshToken).toBe("rt-1");
    await lock?.release();
    expect(await removeHome(home)).toBe(true);
    expect(await names()).toEqual([]);
    expect(await readdir(path.join(stateDir, "oauth"))).toEqual([]);
  });

  it("gives its lock back when the disk refuses", async () => {
    {
      using _fault = withFs({ renameSync: refuse("EIO") });
      await expect(putAside(home)).rejects.toThrow("EIO");
    }
    expect(await putAside(home)).toBe(true);
  });

  it("is deleted as far as that is possible", async () => {
    const [one, two] = [path.join(stateDir, "one"), path.join(stateDir, "two")];
    await mkdir(path.join(one, "full"), { recursive: true });
    await writeFile(two, "");
    deleteFiles([path.join(stateDir, "missing"), one, two]);
    expect([existsSync(one), existsSync(two)]).toEqual([true, false]);
  });

  it("whose folder is gone is no failure", async () => {
    await rm(path.dirname(home.file), { recursive: true });
    expect(await removeHome(home)).toBe(true);
    expect(await readFile(storesFile(home), "utf8").catch(() => "gone")).toBe("gone");
    expect(fs.existsSync(home.file)).toBe(false);
  });
});
