/**
 * Test files share a process, so that the host's SDK and the libraries load once and not with each of
 * them. Each file meets a plugin that knows nothing yet, and leaves the process as it found it.
 */
import assert from "node:assert/strict";
import dns from "node:dns";
import net from "node:net";
import { getGlobalDispatcher } from "undici";
import { afterAll, beforeAll } from "vitest";
import { forgetAll } from "./forget.ts";

/** What a test may change of the process, and another file would meet. */
function found() {
  return {
    env: { ...process.env },
    folder: process.cwd(),
    umask: process.umask(),
    user: process.geteuid?.(),
    exitCode: process.exitCode,
    autoSelectFamily: net.getDefaultAutoSelectFamily(),
  };
}

/** The same, where only the very same will do. */
function foundFunctions(): unknown[] {
  const { setTimeout, setInterval, Date, fetch, performance } = globalThis;
  return [setTimeout, setInterval, Date, fetch, performance, dns.promises.lookup];
}

forgetAll();
let before: ReturnType<typeof found>;
let functions: unknown[];
let dispatcher: unknown;

beforeAll(() => {
  before = found();
  functions = foundFunctions();
  dispatcher = getGlobalDispatcher();
});

afterAll(() => {
  assert.deepEqual(found(), before, "the process is not as this file found it");
  assert.deepEqual(
    foundFunctions(),
    functions,
    "a function of Node's is not as this file found it",
  );
  assert.equal(
    getGlobalDispatcher(),
    dispatcher,
    "undici's dispatcher is not as this file found it",
  );
});
