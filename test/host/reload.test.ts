import { afterAll, beforeAll, expect, it } from "vitest";
import { type StandIn, startStandIn } from "../standin/server.ts";
import { createHost, type Gateway, type Host, packPlugin } from "../support/host.ts";
import { installEnvironment } from "../support/template.ts";
import { credentialFile, expireLogin, kimiVariables, readCredential, signInWithCliLogin, succeed, writeCliLogin } from "./kimi.ts";

let standIn: StandIn;
let host: Host;
let gateway: Gateway;
let file: string;

beforeAll(async () => {
  standIn = await startStandIn();
  host = await createHost({ env: kimiVariables(standIn) });
  file = credentialFile(host, standIn);
  await signInWithCliLogin(host, standIn);
  // A running gateway installs by itself.
  gateway = await host.startGateway({ env: installEnvironment() });
}, 180_000);

afterAll(async () => {
  await gateway?.kill();
  await host?.dispose();
  await standIn?.close();
});

const RELOADS = "[reload] config change detected";

/** Waits for a text that the gateway has not written before. */
async function says(text: string, from: number): Promise<void> {
  await expect.poll(() => gateway.command.output().slice(from), { timeout: 60_000, interval: 100 }).toContain(text);
}

it("a changed setting while a turn waits for a refresh costs neither the login nor another request", async () => {
  const { length } = gateway.command.output();
  await expireLogin(host, file);
  standIn.clear();
  const reply = Promise.withResolvers<undefined>();
  standIn.failNext("token", { kind: "gate", gate: reply.promise });
  const turn = gateway.chat("hi");
  await standIn.waitFor("token");
  await succeed(host.run(["config", "set", "plugins.entries.kimi-code-oauth.config.hideModels", '["k3-256k"]']));
  await says(RELOADS, length);
  reply.resolve(undefined);
  expect(await turn).toMatchObject({ ok: true, text: "pong" });
  expect(await gateway.chat("hi")).toMatchObject({ ok: true, text: "pong" });
  expect(standIn.tokenRequests()).toHaveLength(1);
}, 120_000);

it("an update of the plugin during a background refresh costs neither the login nor another request", async () => {
  const { length } = gateway.command.output();
  const aging = standIn.issueLogin();
  await writeCliLogin(host, standIn, aging, 400);
  standIn.clear();
  const reply = Promise.withResolvers<undefined>();
  standIn.failNext("token", { kind: "gate", gate: reply.promise });
  expect(await gateway.chat("hi")).toMatchObject({ ok: true, text: "pong" });
  await standIn.waitFor("token");
  const update = host.run(["plugins", "install", `npm-pack:${await packPlugin()}`, "--force", "--accept-capabilities"]);
  await says(RELOADS, length);
  reply.resolve(undefined);
  await succeed(update);
  await expect.poll(async () => (await readCredential(file)).access_token).not.toBe(aging.access_token);
  expect(await gateway.chat("hi")).toMatchObject({ ok: true, text: "pong" });
  expect(standIn.tokenRequests()).toHaveLength(1);
  expect(standIn.reusedRefreshTokens).toBe(0);
}, 120_000);
