import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type StandIn, startStandIn, type TokenReply } from "../standin/server.ts";
import { createHost, type Host } from "../support/host.ts";
import { type AgentTurn, readTurn } from "../support/turn.ts";
import { credentialFile, expireLogin, kimiVariables, readCredential, succeed, writeCliLogin } from "./kimi.ts";

const PROFILE = "kimi-code:default";
const CLAIM = "0123456789abcdef0123456789abcdef";
const DIGEST = "ab".repeat(32);

describe("a profile that is not as it should be", () => {
  let standIn: StandIn;
  let host: Host;
  let file: string;
  let pair: TokenReply;

  beforeAll(async () => {
    standIn = await startStandIn();
    host = await createHost({ env: kimiVariables(standIn) });
    file = credentialFile(host, standIn);
  }, 120_000);

  afterAll(async () => {
    await host?.dispose();
    await standIn?.close();
  });

  const profile = (tokens: { access: string; refresh: string; expires: number }) => ({
    type: "oauth",
    provider: "kimi-code",
    authFlow: `kimi-code-cli:${standIn.cliSlot}`,
    issuer: standIn.oauthHost,
    enterpriseUrl: standIn.apiBase,
    ...tokens,
  });

  beforeEach(async () => {
    pair = standIn.issueLogin();
    await writeCliLogin(host, standIn, pair);
    standIn.clear();
  });

  const signIn = async (): Promise<void> => {
    const tokens = { access: pair.access_token, refresh: pair.refresh_token, expires: Date.now() + 900_000 };
    await host.signIn(PROFILE, profile(tokens), "kimi-code/kimi-for-coding");
  };

  const helperTurn = async (): Promise<AgentTurn> =>
    readTurn(await host.run(["agent", "--local", "--agent", "helper", "--message", "hi", "--json"]));

  it("because an older version left a failed fence there is made from its home again", async () => {
    const fence = {
      access: `openclaw-oauth-refresh-fence:v1:${CLAIM}:failed:access:${DIGEST}`,
      refresh: `openclaw-oauth-refresh-fence:v1:${CLAIM}:failed:refresh:${DIGEST}`,
      expires: 1,
    };
    await host.signIn(PROFILE, profile(fence), "kimi-code/kimi-for-coding");
    expect(await host.agentTurn("hi")).toMatchObject({ ok: true, text: "pong" });
    expect(host.readAuthProfiles()[PROFILE]).toMatchObject({ access: pair.access_token, refresh: pair.refresh_token });
    expect(standIn.tokenRequests()).toEqual([]);
  }, 120_000);

  it("because an agent has a copy of its own that is long spent is not used: the home is, with one refresh", async () => {
    await signIn();
    await host.updateConfig((config) => ({
      ...config,
      agents: { ...(config["agents"] as object), list: [{ id: "main", default: true }, { id: "helper" }] },
    }));
    expect(await helperTurn()).toMatchObject({ ok: true });
    const spent = { access: "standin-access-long-gone", refresh: "standin-refresh-long-gone", expires: 1_000 };
    host.writeAuthProfile(PROFILE, profile(spent), "helper");
    await expireLogin(host, file);
    standIn.clear();
    expect(await helperTurn()).toMatchObject({ ok: true, text: "pong" });
    expect(standIn.tokenRequests().map(({ form }) => form?.["refresh_token"])).toEqual([pair.refresh_token]);
    expect(standIn.reusedRefreshTokens).toBe(0);
  }, 180_000);

  it("because a second onboarding has staged a replacement shares the login with it", async () => {
    await signIn();
    const staged = await host.onboard();
    const replacement = /models auth activate (kimi-code:setup-\S+)/u.exec(staged.stdout + staged.stderr)?.[1];
    expect(Object.keys(host.readAuthProfiles())).toContain(replacement);
    // The home alone: the host takes a staged profile only as it was staged.
    await writeCliLogin(host, standIn, pair, 0);
    standIn.clear();
    await succeed(host.run(["models", "auth", "activate", String(replacement), "--agent", "main"]));
    expect(await host.agentTurn("hi")).toMatchObject({ ok: true, text: "pong" });
    expect(standIn.tokenRequests()).toHaveLength(1);
    expect(standIn.isLiveRefresh(String((await readCredential(file)).refresh_token))).toBe(true);
  }, 180_000);
});
