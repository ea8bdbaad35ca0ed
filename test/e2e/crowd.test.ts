import path from "node:path";
import { afterAll, describe, expect } from "vitest";
import type { StandIn, TokenReply } from "../kit/standin/server.ts";
import { createHost, type Gateway, type Host } from "../kit/openclaw/host.ts";
import { it } from "../kit/openclaw/shared-gateway.ts";
import { askAtOnce } from "../kit/crowd.ts";
import { expireLogin, kimiVariables, readCredential, writeCliLogin } from "../kit/kimi/kimi-cli.ts";

const CALLERS = 5;

/** Two state folders have a gateway each; one Kimi CLI login serves both. */
describe("two gateways with state folders of their own on one Kimi CLI login", () => {
  let standIn: StandIn;
  let file: string;
  let pair: TokenReply;
  let second: { readonly host: Host; readonly gateway: Gateway } | undefined;
  const gateways: Gateway[] = [];

  it.beforeAll(async ({ shared }) => {
    ({ standIn } = shared);
    await shared.reset();
    pair = standIn.issueLogin();
    file = await writeCliLogin(shared.host, standIn, pair);
    const host = await createHost({ env: kimiVariables(standIn) });
    const profile = {
      type: "oauth",
      provider: "kimi-code",
      access: pair.access_token,
      refresh: pair.refresh_token,
      expires: 1_000,
      authFlow: `kimi-code-cli:${standIn.cliSlot}@${path.dirname(path.dirname(file))}`,
      issuer: standIn.oauthHost,
      enterpriseUrl: standIn.apiBase,
    };
    await host.signIn("kimi-code:default", profile, "kimi-code/kimi-for-coding");
    await host.updateConfig((config) => ({
      ...config,
      logging: { file: host.logFile, level: "debug" },
    }));
    second = { host, gateway: await host.startGateway() };
    gateways.push(shared.gateway, second.gateway);
    await expireLogin(shared.host, file);
  }, 240_000);

  afterAll(async () => {
    await second?.gateway.kill();
    await second?.host.dispose();
  });

  it("make exactly one refresh, and answer every caller", async () => {
    standIn.clear();
    const turns = await Promise.all(
      gateways.map(async (gateway, at) => await askAtOnce(gateway, CALLERS, `crowd-${String(at)}`)),
    );
    expect(turns.flat()).toEqual(turns.flatMap((some) => some.map(() => [true, "pong"])));
    expect(standIn.tokenRequests()).toHaveLength(1);
    const { access_token, refresh_token } = await readCredential(file);
    expect(standIn.isLiveRefresh(String(refresh_token))).toBe(true);
    const chats = standIn.requests.filter(({ route }) => route === "chat");
    expect(new Set(chats.map(({ bearer }) => bearer))).toEqual(new Set([access_token]));
    expect(standIn.reusedRefreshTokens).toBe(0);
  }, 120_000);

  it("tell no token in their logs, even at debug level", async () => {
    const { access_token, refresh_token } = await readCredential(file);
    const secrets = [
      pair.access_token,
      pair.refresh_token,
      String(access_token),
      String(refresh_token),
    ];
    const places = ((await second?.host.findSecrets(secrets)) ?? []).map((trace) => trace.path);
    expect(places).not.toEqual([]);
    expect(places.filter((name) => !/\.sqlite(-wal|-shm)?$/u.test(name))).toEqual([]);
    for (const gateway of gateways) {
      expect(secrets.filter((secret) => gateway.command.output().includes(secret))).toEqual([]);
    }
  });
});
