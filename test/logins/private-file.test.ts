import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  createPrivateFile,
  PrivateFile,
  tempTagOf,
  writePrivateFile,
} from "../../src/logins/private-file.ts";

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
    ["login.json.tmp.0123456789abcdef.", undefined],
    ["login.json", undefined],
    ["other.json.tmp.0123456789abcdef", undefined],
    ["login.json.tmp.0123456789ABCDEF", undefined],
  ])("reads %s as %s", (name, tag) => {
    expect(tempTagOf(name, "/somewhere/login.json")).toBe(tag);
  });
});
