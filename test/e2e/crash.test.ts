import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import { createHost, type Host } from "../kit/openclaw/host.ts";
import {
  credentialFile,
  expireLogin,
  kimiVariables,
  readCredential,
  signInWithCliLogin,
} from "../kit/kimi/kimi-cli.ts";

/** The host's marker for a refresh that a process began and nobody has ended. */
function fence(kind: "access" | "refresh"): string {
  return `openclaw-oauth-refresh-fence:v1:${"0123456789abcdef".repeat(2)}:${kind}:${"0".repeat(64)}`;
}

describe("a host that is killed during a refresh", () => {
  let standIn: StandIn;
  let host: Host;

  beforeEach(async () => {
    standIn = await startStandIn();
    host = await createHost({ env: kimiVariables(standIn) });
  }, 120_000);

  afterEach(async () => {
    await host?.dispose();
    await standIn?.close();
  });

  it("answers in the next turn, with no action of the user", async () => {
    await signInWithCliLogin(host, standIn);
    const file = credentialFile(host, standIn);
    await expireLogin(host, file);
    const before = await readCredential(file);
    standIn.clear();

    standIn.failNext("token", { kind: "hang" });
    const killed = host.spawn(["agent", "--local", "--agent", "main", "--message", "hi", "--json"]);
    await standIn.waitFor("token");
    await killed.killTree("SIGKILL");
    expect(await readCredential(file)).toEqual(before);
    // Which of the host's steps was cut off is a matter of time; this is what the worst one leaves.
    const profile = host.readAuthProfiles()["kimi-code:default"];
    expect(profile).toBeDefined();
    host.writeAuthProfile("kimi-code:default", {
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
    expect(host.readAuthProfiles()["kimi-code:default"]?.access).toBe(
      (await readCredential(file)).access_token,
    );
  }, 180_000);
});
