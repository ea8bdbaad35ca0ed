import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ensureAuthProfileStore, upsertAuthProfile } from "openclaw/plugin-sdk/provider-auth";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { healProfiles } from "../../src/profiles/fences.ts";
import type { Home } from "../../src/logins/homes.ts";
import {
  endProcesses,
  hasPython,
  kill,
  pythonHolding,
  startProcess,
} from "../kit/login-processes.ts";
import { ageLock, homeFor, LIFETIME_MS, writeLogin } from "../kit/logins.ts";
import { type StandIn, startStandIn, type TokenReply } from "../kit/standin/server.ts";

const PROFILE = "kimi-code:default";
const FENCE = {
  access: `openclaw-oauth-refresh-fence:v1:${"0".repeat(32)}:access:${"ab".repeat(32)}`,
  refresh: `openclaw-oauth-refresh-fence:v1:${"0".repeat(32)}:refresh:${"ab".repeat(32)}`,
  expires: 1,
};

/** The access token that the host's profile shows. */
function access(): unknown {
  const profile = ensureAuthProfileStore(undefined, { allowKeychainPrompt: false }).profiles[
    PROFILE
  ];
  return profile?.type === "oauth" ? profile.access : undefined;
}

describe("a fence whose refresh may still be under way", () => {
  let standIn: StandIn;
  let folder: string;
  let home: Home;
  let pair: TokenReply;

  beforeEach(async () => {
    standIn = await startStandIn();
    folder = await mkdtemp(path.join(tmpdir(), "kimi-fence-"));
    vi.stubEnv("OPENCLAW_STATE_DIR", path.join(folder, "state"));
    pair = standIn.issueLogin();
  });

  afterEach(async () => {
    await endProcesses();
    vi.unstubAllEnvs();
    await standIn.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function fenced(kind: "kimi-code-cli" | "kimi-cli"): Promise<void> {
    home = homeFor(kind, path.join(folder, "kimi"), standIn);
    await writeLogin(home, pair, { issuedAtMs: Date.now() - LIFETIME_MS });
    upsertAuthProfile({
      profileId: PROFILE,
      credential: {
        type: "oauth",
        provider: "kimi-code",
        ...FENCE,
        authFlow: `${kind}:${home.slot}@${home.dir}`,
        issuer: standIn.oauthHost,
        enterpriseUrl: standIn.apiBase,
      },
    });
  }

  it("is left alone while a live process refreshes the login, and replaced as soon as that is done", async () => {
    await fenced("kimi-code-cli");
    const gate = Promise.withResolvers<void>();
    standIn.failNext("token", { kind: "gate", gate: gate.promise });
    const other = await startProcess(home);
    const result = other.access();
    await standIn.waitFor("token");
    healProfiles();
    expect(access()).toBe(FENCE.access);
    gate.resolve();
    const renewed = await result;
    await expect.poll(() => ({ accessToken: access() }), { timeout: 5_000 }).toEqual(renewed);
    expect(standIn.count("token")).toBe(1);
  }, 30_000);

  it("is replaced as soon as the process that refreshed is known to be dead", async () => {
    await fenced("kimi-code-cli");
    standIn.failNext("token", { kind: "hang" });
    const other = await startProcess(home);
    other.access().catch(() => undefined);
    await standIn.waitFor("token");
    healProfiles();
    expect(access()).toBe(FENCE.access);
    await kill(other.child);
    // What five seconds without a sign of life do.
    await ageLock(home);
    await expect.poll(access, { timeout: 5_000 }).toBe(pair.access_token);
  }, 30_000);

  it.skipIf(!hasPython)(
    "is left alone while the Python CLI holds its lock (needs Python with fcntl)",
    async () => {
      await fenced("kimi-cli");
      const { letGo } = await pythonHolding(path.join(path.dirname(home.file), "kimi-code.lock"));
      healProfiles();
      expect(access()).toBe(FENCE.access);
      await letGo();
      await expect.poll(access, { timeout: 5_000 }).toBe(pair.access_token);
    },
    30_000,
  );
});
