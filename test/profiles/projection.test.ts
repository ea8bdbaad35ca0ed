import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ensureAuthProfileStore, upsertAuthProfile } from "openclaw/plugin-sdk/provider-auth";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { gatewayStarted, gatewayStopped } from "../../src/host/lifetime.ts";
import { projectWhenQuiet } from "../../src/profiles/projection.ts";
import type { Credential } from "../../src/logins/credential.ts";

const PROFILE = "kimi-code:default";
const BOUND = {
  type: "oauth" as const,
  provider: "kimi-code",
  access: "old",
  refresh: "old",
  expires: 1_000,
  authFlow: "kimi-code-cli:kimi-code",
  accountId: "user-1",
};

function tokens(serial: number): Credential {
  return {
    accessToken: `standin-access-${String(serial)}`,
    refreshToken: `standin-refresh-${String(serial)}`,
    expiresAtMs: 1_900_000_000_000 + serial,
    expiresInS: 900,
    accountId: undefined,
    members: {},
  };
}

/** The access token that the host's profile shows. */
function shown(): unknown {
  const profile = ensureAuthProfileStore(undefined, { allowKeychainPrompt: false }).profiles[
    PROFILE
  ];
  return profile?.type === "oauth" ? profile.access : undefined;
}

describe("a home's tokens are shown in the profile", () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "kimi-projection-"));
    vi.stubEnv("OPENCLAW_STATE_DIR", folder);
    upsertAuthProfile({ profileId: PROFILE, credential: BOUND });
  });

  afterEach(async () => {
    gatewayStopped();
    vi.useRealTimers();
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true, force: true });
  });

  it("at once by a command that may end soon", async () => {
    await projectWhenQuiet(undefined, PROFILE, BOUND, () => tokens(1));
    expect(shown()).toBe("standin-access-1");
  });

  it("in a gateway once for all runs that ask together, with the tokens of that later time", async () => {
    gatewayStarted();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    let serial = 1;
    const asked = vi.fn<() => Credential>(() => tokens(serial));
    await Promise.all(
      Array.from(
        { length: 10 },
        async () => await projectWhenQuiet(undefined, PROFILE, BOUND, asked),
      ),
    );
    expect(asked).not.toHaveBeenCalled();
    serial = 2;
    vi.advanceTimersByTime(5_000);
    vi.useRealTimers();
    await expect.poll(shown, { timeout: 5_000 }).toBe("standin-access-2");
    expect(asked).toHaveBeenCalledOnce();
  });

  it.each([{ authFlow: "kimi-cli:kimi-code" }, { accountId: "user-2" }])(
    "but not in one that has been given another home or account since: %o",
    async (change) => {
      upsertAuthProfile({
        profileId: PROFILE,
        credential: { ...BOUND, access: "other", ...change },
      });
      await projectWhenQuiet(undefined, PROFILE, BOUND, () => tokens(1));
      expect(shown()).toBe("other");
    },
  );

  it("never at the cost of a run", async () => {
    await projectWhenQuiet(undefined, PROFILE, BOUND, () => {
      throw new Error("signed out since then");
    });
    expect(shown()).toBe("old");
  });
});
