/** Storing new tokens while the disk fails or the home changes: they are never lost, and nothing half is left. */
import fs from "node:fs";
import { chmod, chown, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { tagOf } from "../../src/logins/credential.ts";
import {
  checkFileOwner,
  lastLookAt,
  notWritable,
  overwrite,
  reserve,
} from "../../src/logins/home-replace.ts";
import type { Home } from "../../src/logins/homes.ts";
import { isGone } from "../../src/logins/process-mark.ts";
import { startStandIn } from "../kit/standin/server.ts";
import type { StandIn } from "../kit/standin/server.ts";
import { failingSync, refuse, systemError, withFs } from "../kit/fs-faults.ts";
import {
  failureOf,
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

let standIn: StandIn;
let home: Home;
let pauses: number[];

beforeEach(async () => {
  standIn = await startStandIn();
  ({ home } = await signedIn(standIn, "kimi-code-cli"));
  pauses = [];
});

afterEach(async () => {
  await standIn.close();
  await removeScratch();
});

const sleep = async (ms: number): Promise<void> => {
  pauses.push(ms);
};

function temps(): string[] {
  const dir = path.dirname(home.file);
  return fs
    .readdirSync(dir)
    .filter((name) => name.includes(".tmp."))
    .map((name) => path.join(dir, name));
}

describe("room for new tokens", () => {
  it("is a private file with a mark of this process, larger than what it replaces", async () => {
    const place = await reserve(home, read(home));
    const [file = ""] = temps();
    expect(file.endsWith(`.${tagOf(read(home).refreshToken)}`)).toBe(true);
    const { size, mode } = fs.statSync(file);
    expect(size).toBeGreaterThanOrEqual(fs.statSync(home.file).size + 8 * 1024);
    expect(mode & 0o777).toBe(0o600);
    expect(isGone(await readFile(file, "utf8"))).toBe(false);
    expect(JSON.parse(await readFile(file, "utf8"))).toMatchObject({ pid: process.pid });
    place.cancel();
    expect(temps()).toEqual([]);
  });

  it.each([
    ["EIO", "home_unavailable", "the disk reported an error"],
    ["EMFILE", "home_unavailable", "this process has too many open files"],
    ["ENOSPC", "home_not_writable", "the disk is full"],
    ["EDQUOT", "home_not_writable", "the disk is full"],
    ["EROFS", "home_not_writable", "the disk is read-only"],
  ])("that the disk refuses with %s is named, and nothing is left", async (code, kind, words) => {
    using _fault = failingSync(1, code);
    const error = await failureOf(reserve(home, read(home)));
    expect(error.code).toBe(kind);
    expect(error.message).toContain(words);
    expect(temps()).toEqual([]);
  });

  it("is not made where the file is in the way, and no file is made for a try", async () => {
    const { openSync } = fs;
    const opened: string[] = [];
    using _fault = withFs({
      rmdirSync: refuse("EBUSY"),
      openSync: ((file: string, ...rest: [number]) => {
        opened.push(file);
        return openSync(file, ...rest);
      }) as typeof openSync,
    });
    const { message } = await failureOf(reserve(home, read(home)));
    expect(message).toContain(`${home.file} is mounted as a single file`);
    expect(opened).toEqual([home.file]);
  });

  it("is not made where the rename that is to come fails, and nothing is left", async () => {
    using _fault = withFs({ renameSync: refuse("EPERM") });
    expect(await failureOf(reserve(home, read(home)))).toMatchObject({
      code: "home_not_writable",
      message: expect.stringContaining("protected from changes"),
    });
    expect(temps()).toEqual([]);
  });

  it("is not made where the login's file is gone", async () => {
    const current = read(home);
    await rm(home.file);
    expect(await failureOf(reserve(home, current))).toMatchObject({ code: "home_not_writable" });
  });
});

describe("the error for a file that cannot be replaced", () => {
  it.each([
    ["EBUSY", "home_not_writable"],
    ["mounted", "home_not_writable"],
    ["EIO", "home_unavailable"],
    ["EACCES", "home_not_writable"],
    [undefined, "home_not_writable"],
  ])("with %s is %s", (code, kind) => {
    const error = notWritable(home, code);
    expect(error.code).toBe(kind);
    const isMount = code === "EBUSY" || code === "mounted";
    expect(error.message.includes(home.file)).toBe(isMount);
    expect(error.message).toContain("you are still signed in");
  });
});

describe("new tokens", () => {
  it("are placed although the disk cannot sync them, if they read back whole", async () => {
    using _fault = failingSync(2, "EIO");
    const place = await reserve(home, read(home));
    const { ino } = fs.statSync(home.file);
    expect(await place.store(rotated(home), sleep)).toBe("placed");
    expect(fs.statSync(home.file).ino).not.toBe(ino);
    expect(await stored(home)).toMatchObject({ refresh_token: "rt-2" });
    expect(temps()).toEqual([]);
  });

  it.each<[string, (file: string) => void]>([
    [
      "damaged",
      (file) => {
        fs.writeFileSync(file, "half");
      },
    ],
    [
      "other tokens",
      (file) => {
        fs.copyFileSync(home.file, file);
      },
    ],
  ])(
    "that the disk cannot sync and that read back as %s go into the file itself",
    async (_what, harm) => {
      const { ino } = fs.statSync(home.file);
      using _fault = failingSync(2, "EIO", () => {
        temps().forEach(harm);
      });
      const place = await reserve(home, read(home));
      expect(await place.store(rotated(home), sleep)).toBe("placed");
      expect(fs.statSync(home.file).ino).toBe(ino);
      expect(await stored(home)).toMatchObject({ refresh_token: "rt-2" });
      expect(temps()).toEqual([]);
    },
  );

  it("go into the file itself when another program takes each temporary file away", async () => {
    const tag = tagOf(read(home).refreshToken);
    const place = await reserve(home, read(home));
    const { ino } = fs.statSync(home.file);
    const { fsync } = fs;
    const taken: string[] = [];
    using _thief = withFs({
      fsync: ((fd: number, done: (error: Error | null) => void) => {
        for (const file of temps()) {
          taken.push(file);
          fs.rmSync(file);
        }
        fsync(fd, done);
      }) as typeof fsync,
    });
    expect(await place.store(rotated(home), sleep)).toBe("placed");
    expect(taken).toHaveLength(3);
    // By its tag, the next process finds the tokens in it.
    expect(taken.filter((file) => file.endsWith(`.${tag}`))).toEqual(taken);
    expect(fs.statSync(home.file).ino).toBe(ino);
    expect(await stored(home)).toMatchObject({ refresh_token: "rt-2" });
  });

  it.skipIf(process.platform === "win32")(
    "lie beside a home that cannot be read, for the next process",
    async () => {
      const next = rotated(home);
      await giveAway(home.dir);
      const result = await unprivileged(async () => {
        const place = await reserve(home, read(home));
        await chmod(home.file, 0);
        return await place.store(next, sleep);
      });
      expect(result).toBe("kept");
      expect(pauses).toEqual([150, 150, 150, 150]);
      await chmod(home.file, 0o600);
      expect(await leftovers(home)).toHaveLength(1);
      expect(JSON.parse(await readFile(temps()[0] ?? "", "utf8"))).toMatchObject({
        refresh_token: "rt-2",
      });
    },
  );

  it("are not written over another login that comes while they cannot be placed", async () => {
    const place = await reserve(home, read(home));
    const other = JSON.stringify(rotated(home, 3).members);
    using _fault = withFs({
      renameSync: () => {
        fs.writeFileSync(home.file, other);
        throw systemError("EPERM");
      },
    });
    expect(await place.store(rotated(home), sleep)).toBe("kept");
    expect(await stored(home)).toMatchObject({ refresh_token: "rt-3" });
    expect(temps()).toHaveLength(1);
  });

  it("give way at once to another login, and are gone then", async () => {
    const place = await reserve(home, read(home));
    await writeFile(home.file, JSON.stringify(rotated(home, 3).members));
    expect(await place.store(rotated(home), sleep)).toBe("other");
    expect(pauses).toEqual([]);
    expect(temps()).toEqual([]);
    expect(await stored(home)).toMatchObject({ refresh_token: "rt-3" });
  });

  it("wait in the folder that is away as a whole", async () => {
    const next = rotated(home);
    const folder = path.dirname(home.file);
    const place = await reserve(home, read(home));
    await fs.promises.rename(folder, `${folder}.moved`);
    expect(await place.store(next, sleep)).toBe("away");
    await fs.promises.rename(`${folder}.moved`, folder);
    expect(JSON.parse(await readFile(temps()[0] ?? "", "utf8"))).toMatchObject({
      refresh_token: "rt-2",
    });
  });

  it.runIf(fs.existsSync("/proc/self/fd"))("leave no file open, wherever they end", async () => {
    const before = await openFiles();
    const next = rotated(home, 2);
    for (const [result, harm] of [
      ["placed", () => undefined],
      ["kept", () => withFs({ renameSync: refuse("EPERM"), writeSync: refuse("EIO") })],
      ["away", () => fs.renameSync(path.dirname(home.file), `${home.dir}/moved`)],
    ] as const) {
      const place = await reserve(home, read(home));
      const fault = harm();
      expect(await place.store(next, sleep)).toBe(result);
      fault?.[Symbol.dispose]();
      expect(await openFiles()).toBe(before);
    }
  });

  it("wait for a home that is away for a moment", async () => {
    const next = rotated(home);
    const place = await reserve(home, read(home));
    await fs.promises.rename(home.file, `${home.file}.moved`);
    const back = async (ms: number): Promise<void> => {
      pauses.push(ms);
      if (pauses.length === 4) {
        await fs.promises.rename(`${home.file}.moved`, home.file);
      }
    };
    expect(await place.store(next, back)).toBe("placed");
    expect(await stored(home)).toMatchObject({ refresh_token: "rt-2" });
  });

  it("are gone when the home stays away, because its owner signed out", async () => {
    const next = rotated(home);
    const place = await reserve(home, read(home));
    await rm(home.file);
    expect(await place.store(next, sleep)).toBe("away");
    expect(temps()).toEqual([]);
  });

  it("replace a tombstone, which the CLI writes for the token that lost", async () => {
    const next = rotated(home);
    const place = await reserve(home, read(home));
    await writeFile(home.file, '{"access_token":"","refresh_token":""}');
    expect(lastLookAt(home, "rt-1")).toBe("same");
    expect(await place.store(next, sleep)).toBe("placed");
    expect(await stored(home)).toMatchObject({ refresh_token: "rt-2" });
    expect(pauses).toEqual([]);
  });
});

describe("writing over a file", () => {
  it("leaves the new text and nothing of a longer old one", async () => {
    await writeFile(home.file, "x".repeat(5_000));
    expect(overwrite(home, "new")).toBe(true);
    expect(await readFile(home.file, "utf8")).toBe("new");
    expect(overwrite(home, "newer and longer")).toBe(true);
    expect(await readFile(home.file, "utf8")).toBe("newer and longer");
  });

  it("shows at no moment a part of both", async () => {
    await writeFile(home.file, "x".repeat(5_000));
    const { ftruncateSync } = fs;
    let before = "";
    using _watch = withFs({
      ftruncateSync: (fd, length) => {
        before = fs.readFileSync(home.file, "utf8");
        ftruncateSync(fd, length);
      },
    });
    expect(overwrite(home, "new")).toBe(true);
    expect(before).toBe("new".padEnd(5_000));
  });

  it("has not worked when the disk takes a part only, fails, or the file is gone or a link", async () => {
    const { writeSync } = fs;
    {
      using _full = withFs({
        writeSync: ((fd: number, bytes: Buffer, offset: number, length: number, at: number) =>
          writeSync(fd, bytes, offset, length - 1, at)) as typeof writeSync,
      });
      expect(overwrite(home, "new")).toBe(false);
    }
    {
      using _fault = withFs({
        fsyncSync: () => {
          throw systemError("EIO");
        },
      });
      expect(overwrite(home, "new")).toBe(false);
    }
    await fs.promises.rename(home.file, `${home.file}.moved`);
    expect(overwrite(home, "new")).toBe(false);
    await fs.promises.symlink(`${home.file}.moved`, home.file);
    expect(overwrite(home, "of a link")).toBe(false);
    expect(await readFile(home.file, "utf8")).not.toContain("link");
  });
});

describe.skipIf(!isRoot)("a home of another user (only root can try)", () => {
  it("is refused where this process may not give files away, and only there", async () => {
    await giveAway(home.dir);
    checkFileOwner(home);
    await unprivileged(async () => {
      checkFileOwner(home);
    });
    await chown(home.file, NOBODY - 1, NOBODY - 1);
    checkFileOwner(home);
    await unprivileged(async () => {
      expect(() => {
        checkFileOwner(home);
      }).toThrow(expect.objectContaining({ code: "home_not_writable" }));
    });
  });

  it("that is gone is not refused here", async () => {
    await rm(home.file);
    expect(() => {
      checkFileOwner(home);
    }).not.toThrow();
  });
});
