import fs, { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  createPrivateFile,
  PrivateFile,
  tempTagOf,
  writePrivateFile,
} from "../../src/logins/private-file.ts";
import { failingSync, refuse, systemError, withFs } from "../kit/fs-faults.ts";
import { openFiles } from "../kit/logins.ts";

let folder: string;
let target: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "kimi-private-"));
  target = path.join(folder, "login.json");
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe("PrivateFile", () => {
  it("has a name of its own each time, with the tag at its end", () => {
    const files = Array.from({ length: 50 }, () => PrivateFile.create(target, { tag: "0badcafe" }));
    const names = files.map((file) => path.basename(file.path));
    expect(new Set(names).size).toBe(50);
    expect(new Set(names.map((name) => tempTagOf(name, target)))).toEqual(new Set(["0badcafe"]));
    for (const file of files) {
      file.discard();
    }
  });

  it("has no tag at the end of its name where there is none", () => {
    const file = PrivateFile.create(target);
    expect(tempTagOf(path.basename(file.path), target)).toBe("");
    file.discard();
  });

  it.runIf(existsSync("/proc/self/fd"))("leaves no file open, however it ends", async () => {
    const before = await openFiles();
    for (const end of [
      (file: PrivateFile) => file.place(),
      (file: PrivateFile) => file.placeIfAbsent(),
      (file: PrivateFile) => file.leaveOnDisk(),
      (file: PrivateFile) => file.discard(),
    ]) {
      await rm(target, { force: true });
      const file = PrivateFile.create(target);
      file.rehearse();
      end(file);
      expect(await openFiles()).toBe(before);
    }
  });

  it("says when the disk fails to sync", async () => {
    const file = PrivateFile.create(target);
    using _fault = failingSync(1, "EIO");
    await expect(file.sync()).rejects.toThrow("EIO");
    await file.sync();
    file.discard();
  });

  it("is made on a disk that lets nobody change rights, where it has them already", () => {
    using _fault = withFs({ fchmodSync: refuse("EPERM") });
    const file = PrivateFile.create(target);
    expect(file.isOurs).toBe(true);
    file.discard();
  });

  it("replaces the target in one step, for its owner only", async () => {
    await writeFile(target, "the old content, which is longer", { mode: 0o644 });
    const file = PrivateFile.create(target);
    file.write("a much longer first content than the second one");
    file.write("new");
    await file.sync();
    expect(await readFile(target, "utf8")).toBe("the old content, which is longer");
    expect(file.place()).toBe(true);
    expect(await readFile(target, "utf8")).toBe("new");
    expect((await stat(target)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(["login.json"]);
  });

  it("is private from its first moment, whatever the umask", async () => {
    const umask = process.umask(0);
    try {
      const file = PrivateFile.create(target);
      expect((await stat(file.path)).mode & 0o777).toBe(0o600);
      file.discard();
    } finally {
      process.umask(umask);
    }
  });

  it("is not put in place when another file has its name", async () => {
    await writeFile(target, "old");
    const file = PrivateFile.create(target);
    file.write("new");
    await rm(file.path);
    await writeFile(file.path, "another program's");
    expect(file.isOurs).toBe(false);
    expect(file.place()).toBe(false);
    expect(await readFile(target, "utf8")).toBe("old");
    file.discard();
    expect(await readFile(file.path, "utf8")).toBe("another program's");
  });

  it("is not put in place when its name is gone", async () => {
    await writeFile(target, "old");
    const file = PrivateFile.create(target);
    await rename(file.path, `${file.path}.moved`);
    expect(file.place()).toBe(false);
    file.discard();
    expect(await readFile(target, "utf8")).toBe("old");
  });

  it("keeps its content and gets another name by a rehearsal", async () => {
    await writeFile(target, "old");
    const file = PrivateFile.create(target, { tag: "0badcafe" });
    file.write("room");
    const before = file.path;
    file.rehearse();
    expect(file.path).not.toBe(before);
    expect(tempTagOf(path.basename(file.path), target)).toBe("0badcafe");
    expect(file.isOurs).toBe(true);
    expect(await readdir(folder)).toHaveLength(2);
    expect(await readFile(file.path, "utf8")).toBe("room");
    expect(await readFile(target, "utf8")).toBe("old");
    file.discard();
    expect(await readdir(folder)).toEqual(["login.json"]);
  });

  it("can be written and read by its owner, whatever the umask takes away", async () => {
    const umask = process.umask(0o777);
    try {
      const file = PrivateFile.create(target);
      expect((await stat(file.path)).mode & 0o777).toBe(0o600);
      file.discard();
    } finally {
      process.umask(umask);
    }
  });

  it("is gone again when it cannot be given the rights or the owner that it must have", async () => {
    const umask = process.umask(0o777);
    try {
      using _fault = withFs({ fchmodSync: refuse("EPERM") });
      expect(() => PrivateFile.create(target)).toThrow("EPERM");
    } finally {
      process.umask(umask);
    }
    using _fault = withFs({ fchownSync: refuse("EPERM") });
    expect(() => PrivateFile.create(target, { owner: { uid: 1, gid: 1 } })).toThrow("EPERM");
    expect(await readdir(folder)).toEqual([]);
  });

  it("is written whole by a disk that takes it in parts", async () => {
    const { writeSync } = fs;
    using _fault = withFs({
      writeSync: ((fd: number, bytes: Buffer, offset: number, length: number, at: number) =>
        writeSync(fd, bytes, offset, Math.min(length, 7), at)) as typeof writeSync,
    });
    const file = PrivateFile.create(target);
    file.write("a content that takes several writes, with ümläuts");
    file.write("a shorter one, then");
    expect(file.place()).toBe(true);
    expect(await readFile(target, "utf8")).toBe("a shorter one, then");
  });

  it("has its own name and leaves nothing more behind when a rehearsal fails", async () => {
    const file = PrivateFile.create(target);
    const before = file.path;
    await rm(file.path);
    expect(() => {
      file.rehearse();
    }).toThrow("ENOENT");
    expect(file.path).toBe(before);
    expect(file.isOurs).toBe(false);
    file.discard();
    expect(await readdir(folder)).toEqual([]);
  });

  it("stays where it is when it is kept, and cannot be put in place any more", async () => {
    const file = PrivateFile.create(target);
    file.write("kept");
    file.leaveOnDisk();
    file.leaveOnDisk();
    expect(file.isOurs).toBe(false);
    expect(file.place()).toBe(false);
    file.discard();
    expect(await readFile(file.path, "utf8")).toBe("kept");
  });

  it("throws nothing when it can be neither removed nor closed", () => {
    const { closeSync } = fs;
    const file = PrivateFile.create(target);
    using _fault = withFs({
      closeSync: (fd) => {
        closeSync(fd);
        throw systemError("EIO");
      },
      rmSync: () => {
        throw systemError("EBUSY");
      },
    });
    file.discard();
    expect(file.isOurs).toBe(false);
    expect(existsSync(file.path)).toBe(true);
  });

  it("leaves nothing behind when its folder is gone", async () => {
    await rm(folder, { recursive: true });
    expect(() => PrivateFile.create(target)).toThrow("ENOENT");
    expect(existsSync(folder)).toBe(false);
  });
});

describe("createPrivateFile", () => {
  it("lets exactly one of many win, and the others find its content", async () => {
    const wins = Array.from({ length: 20 }, (_, index) => createPrivateFile(target, String(index)));
    expect(wins).toEqual([true, ...Array.from({ length: 19 }, () => false)]);
    expect(await readFile(target, "utf8")).toBe("0");
    expect(await readdir(folder)).toEqual(["login.json"]);
  });
});

describe("createPrivateFile beside another process", () => {
  it("leaves the place to a file that was there a moment ago", async () => {
    using _race = withFs({ linkSync: refuse("EEXIST") });
    expect(createPrivateFile(target, "new")).toBe(false);
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("createPrivateFile where the disk knows no hard links", () => {
  let noLinks: Disposable;

  beforeEach(() => {
    noLinks = withFs({
      linkSync: () => {
        throw systemError("EPERM");
      },
    });
  });

  afterEach(() => {
    noLinks[Symbol.dispose]();
  });

  it("makes a file that is not there, for its owner only", async () => {
    expect(createPrivateFile(target, "new", { durable: true })).toBe(true);
    expect(await readFile(target, "utf8")).toBe("new");
    expect((await stat(target)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(["login.json"]);
  });

  it("leaves a file that is there as it is, also a link to nowhere", async () => {
    await writeFile(target, "old");
    expect(createPrivateFile(target, "new")).toBe(false);
    expect(await readFile(target, "utf8")).toBe("old");
    await rm(target);
    await symlink("/nowhere", target);
    expect(createPrivateFile(target, "new")).toBe(false);
    expect(await readdir(folder)).toEqual(["login.json"]);
  });
});

describe("a file that must be on the disk", () => {
  it.each([
    ["replaced", writePrivateFile],
    ["made", createPrivateFile],
  ])("is not %s when the disk fails to sync, and nothing is left behind", async (_what, write) => {
    const syncs: number[] = [];
    using _fault = withFs({
      fsyncSync: (fd) => {
        syncs.push(fd);
        throw systemError("EIO");
      },
    });
    expect(() => write(target, "new", { durable: true })).toThrow("EIO");
    expect(await readdir(folder)).toEqual([]);
    write(target, "new");
    expect(await readFile(target, "utf8")).toBe("new");
    expect(syncs).toHaveLength(1);
  });
});

describe("writePrivateFile", () => {
  it("replaces what is there and leaves one file", async () => {
    writePrivateFile(target, "one");
    writePrivateFile(target, "two", { durable: true });
    expect(await readFile(target, "utf8")).toBe("two");
    expect(await readdir(folder)).toEqual(["login.json"]);
  });

  it("leaves nothing behind when the target cannot be replaced", async () => {
    await rm(folder, { recursive: true });
    folder = await mkdtemp(path.join(tmpdir(), "kimi-private-"));
    target = path.join(folder, "a-folder");
    await import("node:fs/promises").then(({ mkdir }) =>
      mkdir(path.join(target, "with-content"), { recursive: true }),
    );
    expect(() => writePrivateFile(target, "x")).toThrow(/EISDIR|ENOTEMPTY|EEXIST/u);
    expect(await readdir(folder)).toEqual(["a-folder"]);
  });
});

describe("tempTagOf", () => {
  it.each([
    ["login.json.tmp.0123456789abcdef.0badcafe", "0badcafe"],
    ["login.json.tmp.0123456789abcdef", ""],
    ["login.json.tmp.4711.0badcafe", undefined],
    ["login.json.tmp.x0123456789abcdef", undefined],
    ["login.json.tmp.0123456789abcdef.0badcafe.gz", undefined],
    ["login.json.tmp.0123456789abcdef.", undefined],
    ["login.json", undefined],
    ["other.json.tmp.0123456789abcdef", undefined],
    ["login.json.tmp.0123456789ABCDEF", undefined],
  ])("reads %s as %s", (name, tag) => {
    expect(tempTagOf(name, "/somewhere/login.json")).toBe(tag);
  });
});
