import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  ensureAuthProfileStore,
  type OpenClawConfig,
  updateAuthProfileStoreWithLock,
  upsertAuthProfile,
} from "openclaw/plugin-sdk/provider-auth";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { BoundLogin } from "../../src/profiles/bound-login.ts";
import { correctNextCooldown, keepNextCooldown } from "../../src/profiles/cooldown.ts";
import { profileFor } from "../../src/profiles/profiles.ts";
import { withNewTokens } from "../../src/logins/credential.ts";
import { type Home, makeHome } from "../../src/logins/homes.ts";
import { REGIONS } from "../../src/protocol/endpoints.ts";

type Agents = NonNullable<OpenClawConfig["agents"]>;

const PROFILE = "kimi-code:default";
const PLAIN = "kimi-code/kimi-for-coding";
const WITH_FALLBACK = { primary: PLAIN, fallbacks: ["other/m"] };
/** Of a time that never passes for this test. */
const PAUSED = {
  lastFailureAt: 4_000_000_000_000,
  cooldownUntil: 4_000_000_030_000,
  cooldownReason: "rate_limit" as const,
};

/** Changes what the host knows of the profile's use; those that asked for the store before are served first. */
async function update(usage?: typeof PAUSED): Promise<void> {
  await updateAuthProfileStoreWithLock({
    updater: (store) => {
      store.usageStats = usage === undefined ? { ...store.usageStats } : { [PROFILE]: usage };
      return true;
    },
  });
}

/** What the host writes where it puts a profile into a cooldown. */
function cooldown(sinceMs: number, untilMs: number) {
  return {
    lastFailureAt: sinceMs,
    cooldownUntil: untilMs,
    cooldownReason: "rate_limit" as const,
  };
}

function homeIn(folder: string, name: string): Home {
  return makeHome("kimi-code-cli", path.join(folder, name), "kimi-code", REGIONS["mainland-cn"]);
}

describe("the host's cooldown after a failed call stays", () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "kimi-cooldown-"));
    vi.stubEnv("OPENCLAW_STATE_DIR", folder);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  });

  afterEach(async () => {
    vi.useRealTimers();
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true, force: true });
  });

  it.each<[boolean, string, Agents]>([
    [false, "that has nothing to fall back to", { defaults: { model: PLAIN } }],
    [
      true,
      "that has the default fallbacks",
      { defaults: { model: WITH_FALLBACK }, entries: { helper: {} } },
    ],
    [
      true,
      "that has fallbacks of its own",
      { defaults: { model: PLAIN }, entries: { helper: { model: WITH_FALLBACK } } },
    ],
    [
      false,
      "whose own model has none",
      { defaults: { model: WITH_FALLBACK }, entries: { helper: { model: PLAIN } } },
    ],
    [
      false,
      "beside another that has some",
      { entries: { helper: {}, other: { model: WITH_FALLBACK } } },
    ],
  ])("%s: for an agent %s", async (stays, _which, agents) => {
    const home = homeIn(folder, "kimi");
    const tokens = withNewTokens(
      {},
      { accessToken: "access", refreshToken: "refresh", expiresInS: 900 },
      "kimi-code-cli",
      Date.now(),
    );
    const credential = profileFor(home, tokens, { id: "user-1", name: undefined }) as Parameters<
      typeof upsertAuthProfile
    >[0]["credential"];
    upsertAuthProfile({ profileId: PROFILE, credential });
    const agentDir = path.join(folder, "agents", "helper", "agent");

    correctNextCooldown(new BoundLogin(home, "user-1"), {
      agentDir,
      config: { agents },
    });
    await update(PAUSED);
    vi.advanceTimersByTime(5_000);
    await update();
    const { usageStats } = ensureAuthProfileStore(undefined, { allowKeychainPrompt: false });
    expect(usageStats?.[PROFILE]?.cooldownUntil).toBe(stays ? PAUSED.cooldownUntil : undefined);
  });

  it.each<[string, Agents, boolean, boolean]>([
    ["lasts where there is another profile", { defaults: { model: PLAIN } }, true, true],
    ["lasts where there is a fallback", { defaults: { model: WITH_FALLBACK } }, false, true],
    ["ends where there is neither", { defaults: { model: PLAIN } }, false, false],
  ])("after a used-up quota %s", async (_what, agents, hasOther, lasts) => {
    const tokens = withNewTokens(
      {},
      { accessToken: "access", refreshToken: "refresh", expiresInS: 900 },
      "kimi-code-cli",
      Date.now(),
    );
    const sign = (profileId: string, name: string): void => {
      const credential = profileFor(homeIn(folder, name), tokens, {
        id: name,
        name: undefined,
      }) as Parameters<typeof upsertAuthProfile>[0]["credential"];
      upsertAuthProfile({ profileId, credential });
    };
    sign(PROFILE, "kimi");
    if (hasOther) {
      sign("kimi-code:other", "other");
    }
    const now = Date.now();
    const inCooldown = {
      lastFailureAt: now + 1_000,
      cooldownUntil: now + 30_000,
      cooldownReason: "rate_limit" as const,
      cooldownModel: "kimi-for-coding",
    };

    const login = new BoundLogin(homeIn(folder, "kimi"), "kimi");
    correctNextCooldown(login, { config: { agents } }, 4 * 86_400_000);
    await update(inCooldown);
    vi.advanceTimersByTime(5_000);
    await update();
    const { usageStats } = ensureAuthProfileStore(undefined, { allowKeychainPrompt: false });
    const { cooldownUntil = 0, cooldownModel } = usageStats?.[PROFILE] ?? {};
    // At most an hour, because more quota may be bought.
    expect(cooldownUntil > now + 50 * 60_000 && cooldownUntil < now + 70 * 60_000).toBe(lasts);
    expect([cooldownUntil > 0, cooldownModel]).toEqual([lasts, undefined]);
  });

  it("after a used-up quota ends for all profiles where the last one that could serve is used up", async () => {
    const tokens = withNewTokens(
      {},
      { accessToken: "access", refreshToken: "refresh", expiresInS: 900 },
      "kimi-code-cli",
      Date.now(),
    );
    const OTHER = "kimi-code:other";
    for (const [profileId, name] of [
      [PROFILE, "kimi"],
      [OTHER, "other"],
    ] as const) {
      const account = { id: name, name: undefined };
      upsertAuthProfile({
        profileId,
        credential: profileFor(homeIn(folder, name), tokens, account),
      });
    }
    const now = Date.now();
    await updateAuthProfileStoreWithLock({
      updater: (store) => {
        store.usageStats = { [OTHER]: cooldown(now - 1_000, now + 3_600_000) };
        return true;
      },
    });
    const login = new BoundLogin(homeIn(folder, "kimi"), "kimi");
    correctNextCooldown(login, { config: { agents: { defaults: { model: PLAIN } } } }, 86_400_000);
    await updateAuthProfileStoreWithLock({
      updater: (store) => {
        store.usageStats = { ...store.usageStats, [PROFILE]: cooldown(now + 1_000, now + 30_000) };
        return true;
      },
    });
    vi.advanceTimersByTime(5_000);
    await update();
    const { usageStats } = ensureAuthProfileStore(undefined, { allowKeychainPrompt: false });
    expect([PROFILE, OTHER].map((id) => usageStats?.[id]?.cooldownUntil)).toEqual([
      undefined,
      undefined,
    ]);
  });

  it("that is for a rate limit which follows another failure", async () => {
    const tokens = withNewTokens(
      {},
      { accessToken: "access", refreshToken: "refresh", expiresInS: 900 },
      "kimi-code-cli",
      Date.now(),
    );
    const home = homeIn(folder, "kimi");
    const account = { id: "user-1", name: undefined };
    upsertAuthProfile({ profileId: PROFILE, credential: profileFor(home, tokens, account) });
    const login = new BoundLogin(home, "user-1");
    correctNextCooldown(login, { config: { agents: { defaults: { model: PLAIN } } } });
    keepNextCooldown(login);
    await update(PAUSED);
    vi.advanceTimersByTime(5_000);
    await update();
    const { usageStats } = ensureAuthProfileStore(undefined, { allowKeychainPrompt: false });
    expect(usageStats?.[PROFILE]?.cooldownUntil).toBe(PAUSED.cooldownUntil);
  });
});
