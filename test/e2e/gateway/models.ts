import { beforeEach, describe, expect, it as onItsOwn } from "vitest";
import type { Account, ModelRow } from "../../kit/standin/accounts.ts";
import { type StandIn, startStandIn } from "../../kit/standin/server.ts";
import { createHost, type Gateway, type Host } from "../../kit/openclaw/host.ts";
import type { JsonObject } from "../../kit/openclaw/layout.ts";
import {
  HIDDEN,
  it,
  SETTINGS,
  sharedModels,
  withSettings,
} from "../../kit/openclaw/shared-gateway.ts";
import { kimiVariables, signInWithCliLogin } from "../../kit/kimi/kimi-cli.ts";

/** Long enough for a machine that does other things, too. */
const PATIENCE_MS = 120_000;

/** Rows as the host lists them, by the members that come from Kimi. */
function listed(rows: readonly ModelRow[]): JsonObject[] {
  return rows
    .filter(({ id }) => !(HIDDEN as readonly string[]).includes(id))
    .map((row) => ({
      key: `kimi-code/${row.id}`,
      name: row.display_name,
      input: row.supports_image_in ? "text+image" : "text",
      contextWindow: row.context_length,
    }))
    .toSorted((left, right) => (left.key < right.key ? -1 : 1));
}

/** What `openclaw models list` shows, and what it says beside that. */
async function list(
  host: Host,
  ...more: string[]
): Promise<{ rows: JsonObject[]; notices: string }> {
  const args = ["models", "list", "--provider", "kimi-code", "--json", ...more];
  const { stdout, stderr } = await host.run(args, { timeoutMs: PATIENCE_MS });
  const { models } = JSON.parse(stdout) as { models: JsonObject[] };
  const rows = models.map(({ key, name, input, contextWindow }) => ({
    key,
    name,
    input,
    contextWindow,
  }));
  return { rows, notices: stderr };
}

onItsOwn(
  "the models of a subscription are the known ones while the server was never reached, but for the hidden",
  async () => {
    await using standIn = await startStandIn();
    await using host = await createHost({ env: kimiVariables(standIn) });
    await signInWithCliLogin(host, standIn);
    await host.updateConfig((config) => withSettings(config, SETTINGS));
    standIn.failAlways("models", { kind: "reset" });
    const { rows, notices } = await list(host, "--refresh");
    expect(rows.map(({ key, contextWindow }) => [key, contextWindow])).toEqual([
      ["kimi-code/k3", 1_048_576],
      ["kimi-code/kimi-for-coding", 262_144],
      ["kimi-code/kimi-for-coding-highspeed", 262_144],
    ]);
    expect(notices).toMatch(/could not refresh all providers/u);
    expect(standIn.count("models")).toBe(1);
  },
  PATIENCE_MS,
);

describe("the models of a subscription in a gateway", { timeout: PATIENCE_MS }, () => {
  let standIn: StandIn;
  let account: Account;
  let host: Host;
  let gateway: Gateway;
  let shown: { rows: JsonObject[]; notices: string };

  it.beforeAll(async ({ shared }) => {
    ({ standIn, host, gateway } = shared);
    account = standIn.account();
    await shared.reset();
    const [first] = account.models;
    const broken = [{ id: "broken" }, { ...first, id: "bad", context_length: "many" }, null];
    account.models = [...(broken as unknown as ModelRow[]), ...sharedModels()];
    shown = await list(host, "--refresh");
  }, 240_000);

  it.afterAll(async () => {
    account.models = sharedModels();
    standIn.heal();
    await list(host, "--refresh");
  }, 120_000);

  beforeEach(() => {
    account.models = sharedModels();
    standIn.heal();
    standIn.clear();
  });

  it("are exactly what the server says, but for the hidden and for what cannot be read: names, context, images", async () => {
    expect(shown.rows).toEqual(listed(sharedModels()));
    expect(shown.rows.length).toBeGreaterThan(6);
    expect(shown.notices).not.toMatch(/could not/);
    // Who only looks sees the same.
    const args = ["models", "list", "--provider", "kimi-code"];
    const { stdout } = await host.run(args, { timeoutMs: PATIENCE_MS });
    expect(stdout).toMatch(/^kimi-code\/kimi-plain\s+text\s+131k\b/m);
    expect(stdout).toMatch(/^kimi-code\/k3\s+text\+image\s+1049k\b/m);
    expect(stdout).not.toMatch(/^kimi-code\/(?:k3-256k|kimi-hidden)\s/m);
  });

  it("offer the thinking that each of them has, with the account's default", async () => {
    const params = { provider: "kimi-code", view: "all", includeDetails: true };
    const { models } = (await gateway.call("models.list", params)) as {
      models: { id: string; thinkingLevels: { label: string }[]; thinkingDefault: string }[];
    };
    const offered = models.map(({ id, thinkingLevels, thinkingDefault }) => [
      id,
      thinkingLevels.map(({ label }) => label).join(" "),
      thinkingDefault,
    ]);
    expect(offered).toEqual(
      expect.arrayContaining([
        ["k3", "low high max", "max"],
        ["kimi-for-coding", "off low high max", "high"],
        ["kimi-for-coding-highspeed", "on", "low"],
        ["kimi-plain", "off", "off"],
      ]),
    );
    expect(offered).toHaveLength(shown.rows.length);
  });

  /** What Kimi gets as thinking, with a model and a level that the user picks. */
  const pick = async (model: string, thinkingLevel: string): Promise<unknown> => {
    const session = `${model}-${thinkingLevel}`;
    const picked = {
      key: `agent:main:${session}`,
      model: `kimi-code/${model}`,
      thinkingLevel,
    };
    await gateway.call("sessions.patch", picked);
    expect(await gateway.chat("hi", { session })).toMatchObject({ ok: true });
    const body = standIn.requests.at(-1)?.json as JsonObject;
    expect(body["model"]).toBe(model);
    return body["thinking"];
  };

  it("are asked for the thinking that the user picks, and refuse what they have not", async () => {
    expect(await pick("kimi-for-coding", "off")).toEqual({ type: "disabled" });
    expect(await pick("kimi-for-coding", "low")).toEqual({
      type: "enabled",
      effort: "low",
      keep: "all",
    });
    expect(await pick("k3", "high")).toEqual({ type: "enabled", effort: "high", keep: "all" });
    expect(await pick("kimi-for-coding-highspeed", "on")).toEqual({
      type: "enabled",
      keep: "all",
    });
    await expect(pick("k3", "off")).rejects.toThrow(
      /"off" is not supported for kimi-code\/k3 \(use low\|high\|max\)/u,
    );
  });

  it("have their levels named by /think, without a model call", async () => {
    const sessionKey = "agent:main:think";
    const send = { sessionKey, message: "/think", idempotencyKey: "think-1" };
    expect(await gateway.call("chat.send", send)).toMatchObject({ status: "started" });
    await expect
      .poll(async () => JSON.stringify(await gateway.call("chat.history", { sessionKey })), {
        timeout: 60_000,
      })
      .toMatch(/Current thinking level: high\.\\nOptions: default, off, low, high, max\./u);
    expect(standIn.count("chat")).toBe(0);
  });

  it.each([
    ["k3-256k", "messages"],
    ["kimi-hidden", "chat"],
  ])("can be used by name when they are hidden: %s", async (model, route) => {
    const turn = await gateway.chat("hi", { model: `kimi-code/${model}` });
    expect(turn).toMatchObject({ ok: true, text: "pong" });
    expect(standIn.requests.find((request) => request.route === route)?.json).toMatchObject({
      model,
    });
  });

  it.each([
    ["kimi-code", "kimi-for-coding"],
    ["k2p5", "kimi-for-coding"],
    ["k3[1m]", "k3"],
  ])("have their old id %s, which the server gets as %s", async (old, id) => {
    expect(await gateway.chat("hi", { model: `kimi-code/${old}` })).toMatchObject({ ok: true });
    const [call, ...more] = standIn.requests.filter(({ route }) => route === "chat");
    expect(more).toEqual([]);
    expect(call?.json).toMatchObject({ model: id });
  });

  it.each([
    ["anthropic", "messages"],
    [null, "chat"],
  ] as const)("are spoken to as the newest list says: protocol %s", async (protocol, route) => {
    account.models = account.models.map((row) => (row.id === "k3" ? { ...row, protocol } : row));
    await list(host, "--refresh");
    standIn.clear();
    expect(await gateway.chat("hi", { model: "kimi-code/k3" })).toMatchObject({ ok: true });
    expect(standIn.requests.map((request) => request.route)).toEqual([route]);
  });

  it("no longer hold one that the account lost, and are those of the last answer while the server cannot be asked", async () => {
    const left = sharedModels().filter(({ id }) => id !== "k3" && id !== "kimi-plain");
    account.models = left;
    expect((await list(host, "--refresh")).rows).toEqual(listed(left));
    account.models = [];
    standIn.clear();
    standIn.failAlways("models", { kind: "reset" });
    const { rows, notices } = await list(host, "--refresh");
    expect(rows).toEqual(listed(left));
    expect(notices).toMatch(/could not refresh all providers/);
    expect(standIn.requests.map(({ route, status }) => [route, status])).toEqual([
      ["models", null],
    ]);
    expect(standIn.violations).toEqual([]);
  });
});
