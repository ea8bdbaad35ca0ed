import { describe, expect } from "vitest";
import { credentialFile, expireLogin, readCredential } from "../../kit/kimi/kimi-cli.ts";
import { it } from "../../kit/openclaw/shared-gateway.ts";

const PROFILE = "kimi-code:default";

/** The host's marker for a refresh that a process began and nobody has ended. */
function fence(kind: "access" | "refresh"): string {
  return `openclaw-oauth-refresh-fence:v1:${"0123456789abcdef".repeat(2)}:${kind}:${"0".repeat(64)}`;
}

describe("a gateway that is killed during a refresh", () => {
  it("costs the user nothing: the next turn, without it, answers", async ({ shared }) => {
    const { standIn, host, gateway } = shared;
    await shared.reset();
    const file = credentialFile(host, standIn);
    await expireLogin(host, file);
    const before = await readCredential(file);
    standIn.clear();

    standIn.failNext("token", { kind: "hang" });
    const turn = gateway.chat("hi").catch(() => undefined);
    await standIn.waitFor("token");
    await gateway.kill();
    await turn;
    expect(await readCredential(file)).toEqual(before);
    // Which of the host's steps was cut off is a matter of time; this is what the worst one leaves.
    const profile = host.readAuthProfiles()[PROFILE];
    expect(profile).toBeDefined();
    host.writeAuthProfile(PROFILE, {
      ...profile,
      type: "oauth",
      provider: "kimi-code",
      access: fence("access"),
      refresh: fence("refresh"),
      expires: 1,
    });

    standIn.heal();
    expect(await host.agentTurn("hi")).toMatchObject({ ok: true, text: "pong" });
    expect(
      standIn.tokenRequests("refresh_token").filter(({ status }) => status === 200),
    ).toHaveLength(1);
    expect(host.readAuthProfiles()[PROFILE]?.access).toBe(
      (await readCredential(file)).access_token,
    );
  }, 180_000);
});
