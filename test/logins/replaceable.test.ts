import { chmod, mkdir, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { obstacleTo } from "../../src/logins/replaceable.ts";
import { giveAway, removeScratch, scratch, unprivileged } from "../kit/logins.ts";
import { systemError, withFs } from "../kit/fs-faults.ts";

afterEach(async () => {
  await removeScratch();
});

describe.skipIf(process.platform === "win32")("what keeps a file from being replaced", () => {
  it("is nothing for a file of one's own, which stays as it is", async () => {
    const file = path.join(await scratch(), "login.json");
    await writeFile(file, "content");
    const before = await stat(file);
    expect(obstacleTo(file)).toBeUndefined();
    const { ino, ctimeMs } = await stat(file);
    expect([ino, ctimeMs]).toEqual([before.ino, before.ctimeMs]);
  });

  it("is that the file or its folder is gone", async () => {
    const folder = await scratch();
    expect(obstacleTo(path.join(folder, "login.json"))).toBe("ENOENT");
    expect(obstacleTo(path.join(folder, "gone", "login.json"))).toBe("ENOENT");
    // What was there was no login, and is as good as gone.
    const empty = path.join(folder, "empty");
    await mkdir(empty);
    expect(obstacleTo(empty)).toBe("ENOENT");
  });

  it("is a folder without the right to write", async () => {
    const folder = await scratch();
    const file = path.join(folder, "login.json");
    await writeFile(file, "content");
    await giveAway(folder);
    await chmod(folder, 0o500);
    expect(await unprivileged(async () => obstacleTo(file))).toBe("EACCES");
    await chmod(folder, 0o700);
  });

  it.each([
    ["EPERM", "EPERM"],
    ["EACCES", "EACCES"],
    ["EROFS", "EROFS"],
    ["EBUSY", "EBUSY"],
    ["ENOTDIR", undefined],
    ["EIO", undefined],
    ["EINVAL", undefined],
  ])("with the system's %s is %s", async (code, wanted) => {
    const file = path.join(await scratch(), "login.json");
    using _fault = withFs({
      rmdirSync: () => {
        throw systemError(code);
      },
    });
    expect(obstacleTo(file)).toBe(wanted);
  });

  it.runIf(process.platform === "linux").each(["login.json", "a login\twith\\blanks.json"])(
    "is a mount of the file alone (%j), where the system's list has it",
    async (name) => {
      const folder = await scratch();
      const file = path.join(folder, name);
      await writeFile(file, "content");
      const escaped = file.replaceAll(
        /[ \t\\]/gu,
        (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`,
      );
      const { readFileSync } = (await import("node:fs")).default;
      const listed = (place: string): Disposable =>
        withFs({
          readFileSync: ((from: string, ...rest: []) =>
            from === "/proc/self/mountinfo"
              ? `22 1 0:21 / /proc rw - proc proc rw\n99 22 8:1 /x ${place} rw - ext4 /dev/sda rw\n`
              : readFileSync(from, ...rest)) as typeof readFileSync,
        });
      {
        using _list = listed(escaped);
        expect(obstacleTo(file)).toBe("mounted");
      }
      using _other = listed(folder);
      expect(obstacleTo(file)).toBeUndefined();
    },
  );

  it.runIf(process.platform === "linux")("is a mount that this very system has", () => {
    expect(obstacleTo("/proc")).toBe("mounted");
  });
});
