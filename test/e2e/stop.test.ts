import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import { createHost, type Host } from "../kit/openclaw/host.ts";
import {
  credentialFile,
  expireLogin,
  kimiVariables,
  readCredential,
  signInWithCliLogin,
  writeCliLogin,
} from "../kit/kimi/kimi-cli.ts";

describe("a gateway that is stopped", () => {
  let standIn: StandIn;
  let host: Host;
  let file: string;

  beforeEach(async () => {
    standIn = await startStandIn();
    host = await createHost({ env: kimiVariables(standIn) });
    await signInWithCliLogin(host, standIn);
    file = credentialFile(host, standIn);
  }, 120_000);

  afterEach(async () => {
    await host?.dispose();
    await standIn?.close();
  });

  it("keeps the reply to a refresh that takes longer than the host gives a plugin to clean up", async () => {
    const gateway = await host.startGateway();
    expect(await gateway.chat("hi")).toMatchObject({ ok: true });
    await expireLogin(host, file);
    standIn.clear();
    standIn.failNext("token", { kind: "delay", ms: 9_000, at: "after" });
    const turn = gateway.chat("hi").catch(() => undefined);
    await standIn.waitFor("token");
    await gateway.stop();
    await turn;
    const { refresh_token } = await readCredential(file);
    expect(standIn.isLiveRefresh(String(refresh_token))).toBe(true);
    expect(standIn.tokenRequests().map(({ status }) => status)).toEqual([200]);
    expect(standIn.reusedRefreshTokens).toBe(0);
  }, 180_000);

  it("spends no token in its worker threads, and survives a stray file when Kimi ends the login", async () => {
    const agents = path.dirname(path.dirname(host.agentDir));
    mkdirSync(agents, { recursive: true });
    writeFileSync(path.join(agents, ".DS_Store"), "");
    const gateway = await host.startGateway();
    expect(await gateway.chat("hi")).toMatchObject({ ok: true });
    // Older than the host lets a profile get, so that its catalog worker asks for a refresh.
    await writeCliLogin(host, standIn, standIn.issueLogin(), 200);
    standIn.clear();
    standIn.failNext("token", { kind: "delay", ms: 3_000, at: "after" });
    await gateway.call("models.list", { view: "all" }).catch(() => undefined);
    standIn.endLogin();
    await expireLogin(host, file);
    const ended = await gateway.agentTurn("hi");
    expect(ended.text).toMatch(/Kimi has ended this login/u);
    await writeCliLogin(host, standIn, standIn.issueLogin());
    expect(await gateway.chat("hi")).toMatchObject({ ok: true, text: "pong" });
    await gateway.stop();
    expect(standIn.reusedRefreshTokens).toBe(0);
    expect(gateway.command.output()).not.toMatch(/uncaught|unhandled/iu);
  }, 180_000);
});
