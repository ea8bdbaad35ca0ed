/** The program as a contributor starts it: exit codes, and Ctrl-C at any moment. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir } from "node:fs/promises";
import path from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EXIT } from "../../scripts/live/run.ts";
import type { Home } from "../../src/logins/homes.ts";
import { modelsOfAllProtocols } from "../kit/live.ts";
import { homeFor, removeScratch, scratch, stored, writeLogin } from "../kit/logins.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";

const MAIN = path.join(import.meta.dirname, "../../scripts/live/main.ts");

let standIn: StandIn;
let folder: string;
let home: Home;

beforeEach(async () => {
  standIn = await startStandIn();
  standIn.account().models = modelsOfAllProtocols();
  folder = await scratch();
  await mkdir(path.join(folder, "tmp"));
  home = homeFor("kimi-code-cli", path.join(folder, "kimi-code"), standIn);
});

afterEach(async () => {
  await standIn.close();
  await removeScratch();
});

/** Starts the program, with folders of this test's own. */
function start(...args: readonly string[]) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: folder,
    env: {
      PATH: process.env["PATH"] ?? "",
      NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"],
      HOME: folder,
      TMPDIR: path.join(folder, "tmp"),
      KIMI_CODE_HOME: path.join(folder, "kimi-code"),
      ...standIn.env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return { child, result: resultOf(child) };
}

async function resultOf(
  child: ChildProcess & {
    readonly stdout: NodeJS.ReadableStream;
    readonly stderr: NodeJS.ReadableStream;
  },
) {
  const [out, screen, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit"),
  ]);
  return { code: code as number | null, out, screen };
}

/** What is in the folders of the program. */
async function leftBehind(): Promise<string[]> {
  return await readdir(path.join(folder, "tmp"));
}

describe("npm run live", () => {
  it("prints the table alone on its output, and ends with 0", async () => {
    await writeLogin(home, standIn.issueLogin());
    const { code, out, screen } = await start("--yes").result;
    expect([code, screen.includes("failed")]).toEqual([EXIT.match, false]);
    expect(out).toMatch(
      /^kimi-code-oauth \S+, Node [^\n]+\n\n\| Fact \| Expected \| Seen \| Verdict \|\n[\s\S]+\n\n\d+ match, 0 differ, [^\n]+\n$/u,
    );
    expect(await leftBehind()).toEqual([]);
    expect(standIn.isLiveRefresh(String((await stored(home))["refresh_token"]))).toBe(true);
  });

  it.each([
    [["--spend"], EXIT.usage],
    [["--nonsense"], EXIT.usage],
    [["--help"], EXIT.match],
    [["--yes"], EXIT.noSignIn],
    [["--device"], EXIT.declined],
  ] as const)("%s ends with %s and sends nothing", async (args, wanted) => {
    const { code, out, screen } = await start(...args).result;
    expect([code, out + screen]).toEqual([wanted, expect.not.stringContaining("    at ")]);
    expect(standIn.requests).toEqual([]);
    expect(await leftBehind()).toEqual([]);
  });
});

describe("Ctrl-C", () => {
  it("in the middle of a request ends it, and leaves nothing behind", async () => {
    standIn.failAlways("chat", { kind: "hang" });
    const { child, result } = start("--device", "--yes");
    await standIn.waitFor("chat");
    expect(await leftBehind()).toHaveLength(1);
    child.kill("SIGINT");
    expect((await result).code).toBe(EXIT.interrupted);
    expect(await leftBehind()).toEqual([]);
  });

  it("while the user decides ends the wait", async () => {
    standIn.device.outcome = "manual";
    const { child, result } = start("--device", "--yes");
    await standIn.waitFor("token");
    child.kill("SIGINT");
    const { code, out } = await result;
    expect([code, out]).toEqual([EXIT.interrupted, ""]);
    expect(await leftBehind()).toEqual([]);
  });

  it("during the refresh waits until the new tokens are in the CLI's file", async () => {
    const first = standIn.issueLogin();
    await writeLogin(home, first);
    const answered = Promise.withResolvers<undefined>();
    standIn.failNext("token", { kind: "gate", gate: answered.promise, at: "after" });
    const { child, result } = start("--yes");
    await standIn.waitFor("token");
    child.kill("SIGINT");
    child.kill("SIGINT");
    standIn.clear();
    answered.resolve(undefined);
    expect((await result).code).toBe(EXIT.interrupted);
    const { refresh_token: kept } = await stored(home);
    expect(kept).not.toBe(first.refresh_token);
    expect(standIn.isLiveRefresh(String(kept))).toBe(true);
    expect(standIn.requests).toEqual([]);
    expect(await readdir(path.join(home.dir, "credentials"))).toEqual([path.basename(home.file)]);
    expect(await leftBehind()).toEqual([]);
  });
});
