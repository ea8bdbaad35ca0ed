import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type StandIn, startStandIn, type TokenReply } from "../kit/standin/server.ts";
import { createHost, type Gateway, type Host } from "../kit/openclaw/host.ts";
import { askAtOnce } from "../kit/crowd.ts";
import { kimiVariables, readCredential } from "../kit/kimi/kimi-cli.ts";

const CALLERS = 5;
const LONG_AGO_S = 1_700_000_000;

/** Two state folders have a gateway each; one Kimi CLI login serves both. */
describe("two gateways with state folders of their own on one Kimi CLI login", () => {
  let standIn: StandIn;
  let shared: string;
  let file: string;
  let pair: TokenReply;
  const hosts: Host[] = [];
  const gateways: Gateway[] = [];

  const write = async (expiresAtS: number): Promise<void> => {
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(file, `${JSON.stringify({ ...pair, expires_at: expiresAtS }, null, 2)}\n`, {
      mode: 0o600,
    });
  };

  const begin = async (): Promise<{ host: Host; gateway: Gateway }> => {
    const host = await createHost({ env: kimiVariables(standIn) });
    hosts.push(host);
    const profile = {
      type: "oauth",
      provider: "kimi-code",
      access: pair.access_token,
      refresh: pair.refresh_token,
      expires: 1_000,
      authFlow: `kimi-code-cli:${standIn.cliSlot}@${shared}`,
      issuer: standIn.oauthHost,
      enterpriseUrl: standIn.apiBase,
    };
    await host.signIn("kimi-code:default", profile, "kimi-code/kimi-for-coding");
    await host.updateConfig((config) => ({
      ...config,
      logging: { file: host.logFile, level: "debug" },
    }));
    const gateway = await host.startGateway();
    gateways.push(gateway);
    return { host, gateway };
  };

  beforeAll(async () => {
    standIn = await startStandIn();
    shared = await mkdtemp(path.join(tmpdir(), "kimi-shared-"));
    file = path.join(shared, "credentials", `${standIn.cliSlot}.json`);
    pair = standIn.issueLogin();
    await write(LONG_AGO_S);
    await Promise.all([begin(), begin()]);
  }, 240_000);

  afterAll(async () => {
    await Promise.all(gateways.map(async (gateway) => await gateway.kill()));
    await Promise.all(hosts.map(async (host) => await host.dispose()));
    await standIn?.close();
    await rm(shared, { recursive: true, force: true });
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

  it("tell no token in their logs at debug level", async () => {
    const { access_token, refresh_token } = await readCredential(file);
    const secrets = [
      pair.access_token,
      pair.refresh_token,
      String(access_token),
      String(refresh_token),
    ];
    for (const host of hosts) {
      const places = (await host.findSecrets(secrets)).map((trace) => path.basename(trace.path));
      expect(places.filter((name) => !/\.sqlite(-wal|-shm)?$/u.test(name))).toEqual([]);
    }
    for (const gateway of gateways) {
      expect(secrets.filter((secret) => gateway.command.output().includes(secret))).toEqual([]);
    }
  });
});
