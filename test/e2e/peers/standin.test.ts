import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startStandIn } from "../../kit/standin/server.ts";
import type { StandIn } from "../../kit/standin/server.ts";

const KIMI = path.join(
  path.dirname(createRequire(import.meta.url).resolve("@moonshot-ai/kimi-code/package.json")),
  "dist/main.mjs",
);

let scratch: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), "standin-cli-"));
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill("SIGKILL");
  }
  await rm(scratch, { recursive: true, force: true });
});

function node(args: string[], env: Record<string, string> = {}): ChildProcess {
  const child = spawn(process.execPath, args, {
    cwd: scratch,
    env: { PATH: process.env["PATH"], HOME: scratch, TERM: "dumb", LANG: "C.UTF-8", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  return child;
}

/** The first lines of a child's standard output; the rest is read and dropped, so that the child can go on writing. */
function firstLines(child: ChildProcess, count: number): Promise<string[]> {
  const { promise, resolve, reject } = Promise.withResolvers<string[]>();
  const lines: string[] = [];
  child.once("exit", () => {
    reject(new Error(`the child ended after ${lines.length} lines`));
  });
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    lines.push(...text.split("\n").filter((line) => line !== ""));
    if (lines.length >= count) {
      resolve(lines.slice(0, count));
    }
  });
  return promise;
}

describe("the published Kimi CLI", () => {
  let standIn: StandIn;

  beforeEach(async () => {
    standIn = await startStandIn();
  });

  afterEach(async () => {
    await standIn.close();
  });

  async function kimi(...args: string[]): Promise<{ code: unknown; out: string }> {
    const child = node([KIMI, ...args], {
      ...standIn.env,
      KIMI_CODE_HOME: scratch,
      KIMI_DISABLE_TELEMETRY: "1",
      KIMI_CODE_NO_AUTO_UPDATE: "1",
    });
    let out = "";
    child.stdout?.on("data", (chunk) => (out += String(chunk)));
    child.stderr?.on("data", (chunk) => (out += String(chunk)));
    const [code]: unknown[] = await once(child, "close");
    return { code, out };
  }

  function credentialPath(): string {
    return path.join(scratch, "credentials", `${standIn.cliSlot}.json`);
  }

  async function credential(): Promise<Record<string, unknown>> {
    return JSON.parse(await readFile(credentialPath(), "utf8"));
  }

  it(
    "signs in, answers a prompt with a tool call, and refreshes an expired login exactly once",
    { timeout: 90_000 },
    async () => {
      expect(await kimi("login")).toMatchObject({ code: 0 });
      expect(standIn.requests.map((request) => [request.route, request.status])).toEqual([
        ["device_authorization", 200],
        ["token", 400],
        ["token", 200],
        ["models", 200],
      ]);
      expect(await readdir(path.join(scratch, "credentials"))).toEqual([`${standIn.cliSlot}.json`]);
      const first = await credential();
      expect(standIn.login(String(first["refresh_token"]))).toMatchObject({
        accessToken: first["access_token"],
      });

      standIn.clear();
      const read = { name: "Read", arguments: { path: path.join(scratch, "config.toml") } };
      standIn.script([{ reasoning: "I look first.", toolCalls: [read] }, { text: "pong" }]);
      const fresh = await kimi("-p", "ping", "--output-format", "stream-json");
      expect(fresh).toMatchObject({ code: 0, out: expect.stringContaining("pong") });
      expect(standIn.count("token")).toBe(0);
      expect(standIn.count("chat", (request) => request.status === 200)).toBe(2);

      standIn.clear();
      await writeFile(credentialPath(), JSON.stringify({ ...first, expires_at: 1_000_000_000 }));
      const expired = await kimi("-p", "ping", "--output-format", "stream-json");
      expect(expired).toMatchObject({ code: 0, out: expect.stringContaining("pong") });
      expect(standIn.tokenRequests()).toMatchObject([{ grantType: "refresh_token", status: 200 }]);
      const second = await credential();
      expect(standIn.login(String(first["refresh_token"]))).toMatchObject({
        refreshCount: 1,
        accessToken: second["access_token"],
        refreshToken: second["refresh_token"],
      });
      expect(standIn.requests.find((request) => request.route === "chat")?.bearer).toBe(
        second["access_token"],
      );
      expect(standIn.reusedRefreshTokens).toBe(0);
      expect(standIn.violations).toEqual([]);
    },
  );

  it(
    "refreshes once and asks again when a model call is refused, also on messages and responses",
    { timeout: 90_000 },
    async () => {
      expect(await kimi("login")).toMatchObject({ code: 0 });
      for (const [route, protocol] of [
        ["messages", "anthropic"],
        ["responses", "response"],
      ] as const) {
        for (const row of standIn.account().models) {
          row.protocol = protocol;
        }
        // The CLI takes the protocol over when it reads the list again.
        expect(await kimi("login")).toMatchObject({ code: 0 });
        standIn.clear();
        standIn.revokeAllAccess();
        const answer = await kimi("-p", "ping", "--output-format", "stream-json");
        expect(answer).toMatchObject({ code: 0, out: expect.stringContaining("pong") });
        const seen = standIn.requests.map((request) => [request.route, request.status]);
        expect(seen).toEqual([
          [route, 401],
          ["token", 200],
          [route, 200],
        ]);
      }
      expect(standIn.violations).toEqual([]);
    },
  );
});

describe("main.ts", () => {
  it("prints where it is and what to set, serves, and ends on SIGINT", async () => {
    const child = node([
      path.join(import.meta.dirname, "..", "..", "kit", "standin", "main.ts"),
      "--auto-approve",
    ]);
    const lines = await firstLines(child, 3);
    const origin = /http:\/\/127\.0\.0\.1:\d+/u.exec(lines[0] ?? "")?.[0] ?? "";
    expect(lines.slice(1)).toEqual([
      `export KIMI_CODE_OAUTH_HOST=${origin}`,
      `export KIMI_CODE_BASE_URL=${origin}/coding/v1`,
    ]);
    expect((await fetch(`${origin}/coding/v1/models`)).status).toBe(401);
    const ended = once(child, "exit");
    child.kill("SIGINT");
    expect(await ended).toEqual([0, null]);
  });
});
