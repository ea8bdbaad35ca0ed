/**
 * Real rotations in random order: this plugin, the published Kimi Code CLI and a Python process with
 * the Python CLI's lock, at times two of them at once.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Home } from "../../src/logins/homes.ts";
import { Login } from "../../src/logins/login.ts";
import { python } from "../kit/login-processes.ts";
import { homeFor, stored, writeLogin } from "../kit/logins.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import { randomFrom } from "../kit/random.ts";

const KIMI = path.join(
  path.dirname(createRequire(import.meta.url).resolve("@moonshot-ai/kimi-code/package.json")),
  "dist/main.mjs",
);

/** Who can rotate a login. */
export type Rotator = "plugin" | "kimi-code-cli" | "python";

/** What the rotations came to. */
export interface RotationsResult {
  /** Logins that were found expired and are good again. */
  readonly rotations: number;
  /** Refresh requests that the server got for them. */
  readonly requests: number;
  /** Requests that it rejected. */
  readonly rejected: number;
  /** Rotations by who asked for them; two at once count for both. */
  readonly by: Readonly<Record<Rotator, number>>;
  readonly durationMs: number;
  readonly problems: readonly string[];
}

/** What a run is made from. */
export interface RotationsOptions {
  readonly seed: number;
  readonly rotations: number;
  /** Part of the rotations that the real CLI takes part in; each of those takes about a second. */
  readonly cliShare?: number;
}

/** Puts a home's expiry into the past, in its owner's own words. */
async function expire(home: Home): Promise<void> {
  const text = await readFile(home.file, "utf8");
  const past = Math.floor(Date.now() / 1000) - 10;
  await writeFile(
    home.file,
    text.replace(
      /"expires_at": [\d.]+/u,
      `"expires_at": ${String(past)}${home.kind === "kimi-cli" ? ".0" : ""}`,
    ),
  );
}

/** Runs the published CLI in its home, to its end. */
async function kimi(
  home: Home,
  standIn: StandIn,
  args: readonly string[],
): Promise<string | undefined> {
  const child = spawn(process.execPath, [KIMI, ...args], {
    cwd: home.dir,
    env: {
      ...standIn.env,
      PATH: process.env["PATH"],
      NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"],
      HOME: home.dir,
      TERM: "dumb",
      LANG: "C.UTF-8",
      KIMI_CODE_HOME: home.dir,
      KIMI_DISABLE_TELEMETRY: "1",
      KIMI_CODE_NO_AUTO_UPDATE: "1",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (chunk) => (output += String(chunk)));
  child.stderr.on("data", (chunk) => (output += String(chunk)));
  const [code]: unknown[] = await once(child, "close");
  return code === 0 ? undefined : `the CLI ended with ${String(code)}: ${output.slice(-300)}`;
}

async function pluginTurn(home: Home): Promise<string | undefined> {
  const opened = new Login(home, {
    headers: async () => ({ "User-Agent": "kimi-code-oauth-test/1" }),
    notice: () => undefined,
    now: Date.now,
    sleep: async (ms) => {
      await sleep(ms);
    },
  });
  return await opened.access().then(
    () => undefined,
    (error: unknown) => `the plugin: ${String(error)}`,
  );
}

async function pythonTurn(home: Home, standIn: StandIn): Promise<string | undefined> {
  const { result } = await python("access", home.dir, standIn.oauthHost);
  return ["fresh", "adopted", "refreshed"].includes(result) ? undefined : `Python: ${result}`;
}

/** Runs so many rotations on two real homes, each shared with its owner. */
export async function runRotations({
  seed,
  rotations,
  cliShare = 0.25,
}: RotationsOptions): Promise<RotationsResult> {
  const random = randomFrom(seed);
  const startedAt = performance.now();
  const folder = await mkdtemp(path.join(tmpdir(), "kimi-rotations-"));
  await using standIn = await startStandIn();
  const by = { plugin: 0, "kimi-code-cli": 0, python: 0 };
  const problems: string[] = [];
  let requests = 0;
  try {
    const code = homeFor("kimi-code-cli", path.join(folder, "code"), standIn);
    const legacy = homeFor("kimi-cli", path.join(folder, "python"), standIn);
    await writeLogin(legacy, standIn.issueLogin());
    await mkdir(code.dir);
    // Its own sign-in, because that also writes its configuration.
    const refused = await kimi(code, standIn, ["login"]);
    problems.push(...(refused === undefined ? [] : [refused]));
    for (let rotation = 0; rotation < rotations; rotation += 1) {
      const home = random.chance(cliShare * 2) ? code : legacy;
      const owner = home === code ? "kimi-code-cli" : "python";
      const who = random.pick<readonly Rotator[]>([
        ["plugin"],
        [owner],
        ["plugin", owner],
        ["plugin", "plugin", owner],
      ]);
      await expire(home);
      standIn.clear();
      const turns = who.map(async (rotator) => {
        by[rotator] += 1;
        switch (rotator) {
          case "plugin":
            return await pluginTurn(home);
          case "kimi-code-cli":
            return await kimi(home, standIn, ["-p", "ping", "--output-format", "stream-json"]);
          case "python":
            return await pythonTurn(home, standIn);
        }
      });
      const failed = (await Promise.all(turns)).flatMap((what) => what ?? []);
      const sent = standIn.tokenRequests("refresh_token").length;
      requests += sent;
      const { refresh_token } = await stored(home);
      const rules: [boolean, string][] = [
        [failed.length === 0, failed.join("; ")],
        [sent === 1, `${String(sent)} requests`],
        [standIn.isLiveRefresh(String(refresh_token)), "the home does not hold the live login"],
      ];
      const broken = rules.flatMap(([holds, what]) => (holds ? [] : [what]));
      problems.push(
        ...broken.map(
          (what) =>
            `rotation ${String(rotation)} by ${who.join("+")}: ${what} (seed ${String(seed)})`,
        ),
      );
    }
    problems.push(...standIn.violations);
    return {
      rotations,
      requests,
      rejected: standIn.reusedRefreshTokens,
      by,
      durationMs: performance.now() - startedAt,
      problems,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
