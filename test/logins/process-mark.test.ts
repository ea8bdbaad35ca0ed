import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { isGone, MAX_MARK_BYTES, processMark } from "../../src/logins/process-mark.ts";
import { systemError } from "../kit/fs-faults.ts";

type Mark = { pid: number; space: string; start: string };

function changed(parts: Partial<Mark>): string {
  return `${JSON.stringify({ ...(JSON.parse(processMark()) as Mark), ...parts })}\n`;
}

describe("the mark of a process", () => {
  it("is one short line that names the process, its space and its start", () => {
    const mark = processMark();
    expect(mark).toMatch(/^[^\n]+\n$/u);
    expect(Buffer.byteLength(mark)).toBeLessThanOrEqual(MAX_MARK_BYTES);
    expect(JSON.parse(mark)).toEqual({
      pid: process.pid,
      space: expect.stringMatching(/^[\w.-]+ .*$/u),
      start: expect.stringMatching(/^\d*$/u),
    });
  });

  it.skipIf(process.platform !== "linux")(
    "names the boot and the namespace of ids on Linux",
    () => {
      const { space, start } = JSON.parse(processMark()) as Mark;
      const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
      expect(space).toMatch(/^\S+ pid:\[\d+\]$/u);
      expect(space.startsWith(`${boot} `)).toBe(true);
      const stat = readFileSync("/proc/self/stat", "utf8");
      // The process's name may hold blanks; behind it, the start is field 22 of proc(5).
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      expect(start).toBe(fields[22 - 3]);
    },
  );

  it("of this very process does not say that it is gone, whatever follows", () => {
    expect(isGone(processMark())).toBe(false);
    expect(isGone(`${processMark()}${" ".repeat(9000)}\n{}`)).toBe(false);
  });

  it("of a process that has ended says so", async () => {
    const child = spawn(process.execPath, ["--version"], { stdio: "ignore" });
    const pid = child.pid ?? 0;
    await once(child, "exit");
    expect(isGone(changed({ pid }))).toBe(true);
    expect(isGone(`${changed({ pid })}   \nmore`)).toBe(true);
    expect(isGone(changed({ pid, start: "" }))).toBe(true);
  });

  it("of another process that has the same id by now says so", () => {
    expect(isGone(changed({ start: "1" }))).toBe(true);
  });

  it("of a process that another user has says nothing, for it lives", () => {
    const kill = vi.spyOn(process, "kill").mockImplementation(() => {
      throw systemError("EPERM");
    });
    expect(isGone(changed({ start: "1" }))).toBe(false);
    expect(kill).toHaveBeenCalledWith(process.pid, 0);
    kill.mockRestore();
  });

  it("says nothing where the start is not known", () => {
    expect(isGone(changed({ start: "" }))).toBe(false);
  });

  it("says nothing of a process in another container or before a restart", () => {
    expect(isGone(changed({ pid: 4_194_305, space: "elsewhere" }))).toBe(false);
    expect(isGone(changed({ start: "1", space: "elsewhere" }))).toBe(false);
  });

  it.each([
    ["nothing", ""],
    ["no JSON", "{"],
    ["no mark", "{}"],
    ["null", "null"],
    ["the id 0", changed({ pid: 0 })],
    ["the id of a group", changed({ pid: -1 })],
    ["half an id", changed({ pid: 1.5 })],
    ["a mark in the second line", `\n${changed({ pid: 4_194_305 })}`],
  ])("that holds %s says nothing", (_what, text) => {
    expect(isGone(text)).toBe(false);
  });
});
