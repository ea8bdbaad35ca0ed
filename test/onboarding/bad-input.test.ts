import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ensureAuthProfileStore } from "openclaw/plugin-sdk/provider-auth";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import { signInNonInteractively } from "../kit/openclaw/provider.ts";

const WAY_OUT = /kimi login/;

describe("onboarding from the Kimi CLI's login", () => {
  let standIn: StandIn;
  let root: string;
  let agentDir: string;
  let file: string;

  beforeEach(async () => {
    standIn = await startStandIn();
    root = await mkdtemp(path.join(tmpdir(), "kimi-onboarding-"));
    agentDir = path.join(root, "state", "agents", "main", "agent");
    file = path.join(root, ".kimi-code", "credentials", `${standIn.cliSlot}.json`);
    await mkdir(path.dirname(file), { recursive: true });
    vi.stubEnv("HOME", root);
    vi.stubEnv("OPENCLAW_STATE_DIR", path.join(root, "state"));
    for (const [name, value] of Object.entries(standIn.env)) {
      vi.stubEnv(name, value);
    }
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    await standIn.close();
    await rm(root, { recursive: true, force: true });
  });

  const profiles = (): unknown =>
    ensureAuthProfileStore(agentDir, { allowKeychainPrompt: false }).profiles;

  const secret = "standin-secret-never-shown";
  const login = (change: Record<string, unknown>): string =>
    JSON.stringify({
      access_token: `${secret}-access`,
      refresh_token: `${secret}-refresh`,
      expires_at: Math.floor(Date.now() / 1000) + 900,
      scope: "kimi-code",
      token_type: "Bearer",
      expires_in: 900,
      ...change,
    });

  it.each<[string, string | Buffer, RegExp]>([
    ["an empty file", "", /it is empty/],
    ["a truncated file", login({}).slice(0, 60), /it is not complete JSON/],
    ["a binary file", Buffer.from([0xff, 0xfe, 0x00, 0x80]), /it is not text/],
    ["an oversized file", login({ padding: "x".repeat(70_000) }), /too large/],
    ["a list", "[1, 2]", /does not hold a login/],
    ["a number as a token", login({ access_token: 7 }), /access token is missing or damaged/],
    [
      "a control character in a token",
      login({ access_token: `${secret}\n` }),
      /access token is missing or damaged/,
    ],
    ["a number as a refresh token", login({ refresh_token: 7 }), /refresh token is damaged/],
    [
      "an ended login without a refresh token",
      login({ refresh_token: "", expires_at: 1_700_000_000 }),
      /holds no token to renew it with/,
    ],
    [
      "a tombstone",
      login({ access_token: "", refresh_token: "", expires_at: 0, expires_in: 0 }),
      /rejected by Kimi/,
    ],
  ])("refuses %s in one sentence and leaves it as it is", async (_what, content, reason) => {
    await writeFile(file, content);
    const outcome = await signInNonInteractively("cli-login", agentDir);
    expect(outcome).toMatchObject({ config: null, exitCode: 1 });
    expect(outcome.errors).toHaveLength(1);
    expect(outcome.errors[0]).toMatch(reason);
    expect(outcome.errors[0]).toMatch(WAY_OUT);
    expect(outcome.errors.join()).not.toContain(secret);
    expect(profiles()).toEqual({});
    expect(await readFile(file)).toEqual(Buffer.from(content));
    expect(standIn.requests).toEqual([]);
  });

  it.each<[string, () => Promise<unknown>, RegExp]>([
    ["no login at all", async () => undefined, /No Kimi CLI login was found/],
    [
      "a dangling link",
      async () => await symlink(path.join(root, "gone"), file),
      /link to a file that is gone/,
    ],
    ["a folder in its place", async () => await mkdir(file), /it is a folder/],
    ["a pipe in its place", async () => execFileSync("mkfifo", [file]), /not a regular file/],
    ["a link in a circle", async () => await symlink(file, file), /leads in a circle/],
  ])("refuses %s and says what to do", async (_what, arrange, reason) => {
    await arrange();
    const outcome = await signInNonInteractively("cli-login", agentDir);
    expect(outcome).toMatchObject({ config: null, exitCode: 1 });
    expect(outcome.errors.join()).toMatch(reason);
    expect(outcome.errors.join()).toMatch(WAY_OUT);
    expect(profiles()).toEqual({});
    expect(standIn.requests).toEqual([]);
  });

  it("refuses a plain http address of another machine before anything is sent", async () => {
    vi.stubEnv("KIMI_CODE_OAUTH_HOST", "http://auth.example.com");
    await writeFile(file, login({}));
    const outcome = await signInNonInteractively("cli-login", agentDir);
    expect(outcome.exitCode).toBe(1);
    expect(outcome.errors.join()).toMatch(/KIMI_CODE_OAUTH_HOST does not use https/);
  });

  it("refreshes an expired login through its home and stores the result", async () => {
    const tokens = standIn.issueLogin();
    await writeFile(
      file,
      login({
        access_token: tokens.access_token,
        refresh_token: tokens.refresh_token,
        expires_at: 1_700_000_000,
      }),
    );
    const outcome = await signInNonInteractively("cli-login", agentDir);
    expect(outcome.errors).toEqual([]);
    const stored = JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>;
    expect(standIn.tokenRequests("refresh_token")).toHaveLength(1);
    expect(profiles()).toMatchObject({
      "kimi-code:default": {
        type: "oauth",
        provider: "kimi-code",
        access: stored.access_token,
        refresh: stored.refresh_token,
        expires: Number(stored.expires_at) * 1000,
        issuer: standIn.origin,
        tokenEndpoint: `${standIn.origin}/api/oauth/token`,
        clientId: "17e5f671-d194-4dfb-9706-5516cb48c098",
        authFlow: `kimi-code-cli:${standIn.cliSlot}@${path.dirname(path.dirname(file))}`,
        accountId: "user-1",
      },
    });
    expect(outcome.config).toMatchObject({
      agents: { defaults: { model: { primary: "kimi-code/kimi-for-coding" } } },
      auth: { profiles: { "kimi-code:default": { provider: "kimi-code", mode: "oauth" } } },
    });
  });

  it("takes the login that was refreshed last when it cannot ask, and says which", async () => {
    const older = standIn.issueLogin();
    const newer = standIn.issueLogin();
    const inPython = path.join(root, ".kimi", "credentials", "kimi-code.json");
    await mkdir(path.dirname(inPython), { recursive: true });
    await writeFile(
      file,
      login({ access_token: older.access_token, refresh_token: older.refresh_token }),
    );
    await writeFile(
      inPython,
      login({
        access_token: newer.access_token,
        refresh_token: newer.refresh_token,
        expires_at: Date.now() / 1000 + 901.5,
      }),
    );
    const outcome = await signInNonInteractively("cli-login", agentDir);
    expect(outcome.logs.join()).toContain(inPython);
    expect(profiles()).toMatchObject({
      "kimi-code:default": {
        access: newer.access_token,
        authFlow: `kimi-cli:kimi-code@${path.join(root, ".kimi")}`,
      },
    });
  });
});
