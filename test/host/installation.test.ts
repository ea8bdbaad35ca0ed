import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { deviceId } from "../../src/host/installation.ts";

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

describe("the device id", () => {
  let root: string;

  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), "device-id-"));
  });

  afterEach(async () => {
    await rm(root, { recursive: true, force: true });
  });

  it("is made once, kept 0600 in a folder that is 0700, and used again", async () => {
    const folder = path.join(root, "plugin");
    const first = await deviceId(folder);
    expect(first).toMatch(UUID);
    expect((await stat(path.join(folder, "device_id"))).mode & 0o777).toBe(0o600);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect(await deviceId(folder)).toBe(first);
  });

  it("is the same for all who ask at once", async () => {
    const ids = await Promise.all(Array.from({ length: 10 }, async () => await deviceId(root)));
    expect(new Set(ids).size).toBe(1);
    expect(await readFile(path.join(root, "device_id"), "utf8")).toBe(ids[0]);
  });

  it("replaces a damaged file", async () => {
    const file = path.join(root, "device_id");
    await writeFile(file, "not an id");
    await chmod(file, 0o644);
    const id = await deviceId(root);
    expect(await readFile(file, "utf8")).toBe(id);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it("lasts for the process where nothing can be kept", async () => {
    expect(await deviceId("/dev/null/nowhere")).toMatch(UUID);
  });
});
