/**
 * A mark by which a later process tells whether the one that wrote it is gone.
 *
 * A process id means nothing outside its namespace: two containers have equal ones, and neither sees
 * the other's processes. So the mark names the namespace and the boot of the machine too, and only a
 * process that was started in the same ones may judge by the id.
 */

import { readFileSync, readlinkSync } from "node:fs";
import os from "node:os";
import { z } from "zod";
import { systemErrorCode } from "../protocol/errors.ts";

/** Longest mark, in bytes. */
export const MAX_MARK_BYTES = 512;

const markSchema = z.object({ pid: z.int().positive(), space: z.string(), start: z.string() });

function tryRead(read: () => string): string {
  try {
    return read().trim();
  } catch {
    return "";
  }
}

/** Where process ids have a meaning: the machine since its boot, and the namespace. */
function processSpace(): string {
  const boot = tryRead(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8"));
  const namespace = tryRead(() => readlinkSync("/proc/self/ns/pid"));
  return `${boot || os.hostname()} ${namespace}`;
}

/** When a process was started, in the system's own unit; ids are used again. */
function processStartOf(pid: number): string {
  // The name before it may hold spaces and brackets; the start is the 20th field after it (proc(5)).
  return tryRead(() =>
    readFileSync(`/proc/${String(pid)}/stat`, "utf8")
      .replace(/^.*\)/s, "")
      .split(" ")
      .slice(20, 21)
      .join(),
  );
}

/** The mark of this process: one line of text. */
export function processMark(): string {
  return `${JSON.stringify({ pid: process.pid, space: processSpace(), start: processStartOf(process.pid) })}\n`;
}

/**
 * True only when the process that wrote a mark is certainly gone.
 *
 * @param text - what begins with a mark; anything else says nothing
 */
export function isGone(text: string): boolean {
  let mark;
  try {
    mark = markSchema.parse(JSON.parse(text.replace(/\n.*$/s, "")));
  } catch {
    return false;
  }
  if (mark.space !== processSpace()) {
    return false;
  }
  try {
    process.kill(mark.pid, 0);
  } catch (error) {
    // EPERM would mean a live process of another user.
    return systemErrorCode(error) === "ESRCH";
  }
  return mark.start !== "" && mark.start !== processStartOf(mark.pid);
}
