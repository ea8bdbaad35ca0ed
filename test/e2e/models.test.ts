import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Account, defaultModels, type ModelRow } from "../kit/standin/accounts.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import { createHost, type Gateway, type Host } from "../kit/openclaw/host.ts";
import type { JsonObject } from "../kit/openclaw/layout.ts";
import { kimiVariables, signInWithCliLogin } from "../kit/kimi/kimi-cli.ts";

/** Long enough for a machine that does other things, too. */
const PATIENCE_MS = 120_000;
/** One that the plugin knows by itself, and one that only the account has. */
const HIDDEN = ["k3-256k", "kimi-hidden"];

/** The models that everybody knows, one with nothing to it, and one to hide. */
function accountModels(): ModelRow[] {
  const [first] = defaultModels();
  const plain = {
    supports_reasoning: false,
    supports_image_in: false,
    supports_video_in: false,
    supports_thinking_type: "no",
    think_efforts: null,
  } as const;
  return first === undefined
    ? []
    : [
        ...defaultModels(),
        { ...first, ...plain, id: "kimi-new", display_name: "Kimi New", context_length: 131_072 },
        { ...first, id: "kimi-hidden", display_name: "Kimi Hidden" },
      ];
}

/** Rows as the host lists them, by the members that come from Kimi. */
function listed(rows: readonly ModelRow[]): JsonObject[] {
  return rows
    .filter(({ id }) => !HIDDEN.includes(id))
    .map((row) => ({
      key: `kimi-code/${row.id}`,
      name: row.display_name,
      input: row.supports_image_in ? "text+image" : "text",
      contextWindow: row.context_length,
    }))
    .toSorted((left, right) => (left.key < right.key ? -1 : 1));
}

describe("the models of a subscription", () => {
  let standIn: StandIn;
  let account: Account;
  let host: Host;

  beforeAll(async () => {
    standIn = await startStandIn();
    account = standIn.account();
    host = await createHost({ env: kimiVariables(standIn) });
    await signInWithCliLogin(host, standIn);
    await host.updateConfig((config) => {
      const plugins = config.plugins as JsonObject;
      const own = { enabled: true, config: { hideModels: HIDDEN } };
      return { ...config, plugins: { ...plugins, entries: { "kimi-code-oauth": own } } };
    });
  }, 180_000);

  afterAll(async () => {
    await host?.dispose();
    await standIn?.close();
  });

  beforeEach(() => {
    account.models = accountModels();
    standIn.heal();
    standIn.clear();
  });

  const list = async (...more: string[]): Promise<{ rows: JsonObject[]; notices: string }> => {
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
  };

  const goDown = (): void => standIn.failAlways("models", { kind: "reset" });

  it(
    "are the known ones while the server was never reached, but for the hidden",
    async () => {
      goDown();
      const { rows, notices } = await list("--refresh");
      expect(rows.map(({ key, contextWindow }) => [key, contextWindow])).toEqual([
        ["kimi-code/k3", 1_048_576],
        ["kimi-code/kimi-for-coding", 262_144],
        ["kimi-code/kimi-for-coding-highspeed", 262_144],
      ]);
      expect(notices).toMatch(/could not refresh all providers/);
      expect(standIn.count("models")).toBe(1);
    },
    PATIENCE_MS,
  );

  describe("in a gateway", () => {
    let gateway: Gateway;

    beforeAll(async () => {
      gateway = await host.startGateway();
    }, 180_000);

    afterAll(async () => {
      await gateway?.kill();
    });

    it(
      "are listed although the server was never reached",
      async () => {
        goDown();
        const { rows } = await list();
        expect(rows.map(({ key }) => key)).toEqual([
          "kimi-code/k3",
          "kimi-code/kimi-for-coding",
          "kimi-code/kimi-for-coding-highspeed",
        ]);
      },
      PATIENCE_MS,
    );

    it(
      "are exactly what the server says, but for the hidden: names, context, images",
      async () => {
        const { rows, notices } = await list("--refresh");
        expect(rows).toEqual(listed(account.models));
        expect(rows).toHaveLength(4);
        expect(notices).not.toMatch(/could not/);
        // Who only looks sees the same.
        const args = ["models", "list", "--provider", "kimi-code"];
        const { stdout } = await host.run(args, { timeoutMs: PATIENCE_MS });
        expect(stdout).toMatch(/^kimi-code\/kimi-new\s+text\s+131k\b/m);
        expect(stdout).toMatch(/^kimi-code\/k3\s+text\+image\s+1049k\b/m);
      },
      PATIENCE_MS,
    );

    it(
      "stay when one of them cannot be read",
      async () => {
        const broken = [
          { id: "broken" },
          { ...account.models[0], id: "bad", context_length: "many" },
          null,
        ];
        account.models = [...(broken as unknown as ModelRow[]), ...account.models];
        expect((await list("--refresh")).rows).toEqual(listed(accountModels()));
      },
      PATIENCE_MS,
    );

    it(
      "no longer hold one that the account lost",
      async () => {
        account.models = account.models.filter(({ id }) => id !== "k3" && id !== "kimi-new");
        const { rows } = await list("--refresh");
        expect(rows.map(({ key }) => key)).toEqual([
          "kimi-code/kimi-for-coding",
          "kimi-code/kimi-for-coding-highspeed",
        ]);
      },
      PATIENCE_MS,
    );

    it(
      "are those of the last answer while the server cannot be asked",
      async () => {
        expect((await list("--refresh")).rows).toEqual(listed(account.models));
        account.models = [];
        goDown();
        const { rows, notices } = await list("--refresh");
        expect(rows).toEqual(listed(accountModels()));
        expect(notices).toMatch(/could not refresh all providers/);
      },
      PATIENCE_MS,
    );

    it(
      "offer the thinking that each of them has, with the account's default",
      async () => {
        await list("--refresh");
        const params = { provider: "kimi-code", view: "all", includeDetails: true };
        const { models } = (await gateway.call("models.list", params)) as {
          models: { id: string; thinkingLevels: { label: string }[]; thinkingDefault: string }[];
        };
        const offered = models.map(({ id, thinkingLevels, thinkingDefault }) => [
          id,
          thinkingLevels.map(({ label }) => label).join(" "),
          thinkingDefault,
        ]);
        expect(offered).toEqual([
          ["k3", "low high max", "max"],
          ["kimi-for-coding", "off low high max", "high"],
          ["kimi-for-coding-highspeed", "on", "low"],
          ["kimi-new", "off", "off"],
        ]);
      },
      PATIENCE_MS,
    );

    it(
      "are asked for the thinking that the user picks, and refuse what they have not",
      async () => {
        await list("--refresh");
        standIn.clear();
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
          expect(body.model).toBe(model);
          return body.thinking;
        };
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
      },
      PATIENCE_MS,
    );

    it(
      "have their levels named by /think, without a model call",
      async () => {
        const sessionKey = "agent:main:think";
        const send = { sessionKey, message: "/think", idempotencyKey: "think-1" };
        expect(await gateway.call("chat.send", send)).toMatchObject({ status: "started" });
        await expect
          .poll(async () => JSON.stringify(await gateway.call("chat.history", { sessionKey })), {
            timeout: 60_000,
          })
          .toMatch(/Current thinking level: high\.\\nOptions: default, off, low, high, max\./u);
        expect(standIn.count("chat")).toBe(0);
      },
      PATIENCE_MS,
    );

    it.each(HIDDEN)(
      "can be used by name when they are hidden: %s",
      async (model) => {
        const turn = await gateway.chat("hi", { model: `kimi-code/${model}` });
        expect(turn).toMatchObject({ ok: true, text: "pong" });
        expect(standIn.requests.find(({ route }) => route === "chat")?.json).toMatchObject({
          model,
        });
      },
      PATIENCE_MS,
    );

    it.each([
      ["kimi-code", "kimi-for-coding"],
      ["k2p5", "kimi-for-coding"],
      ["k3[1m]", "k3"],
    ])(
      "have their old id %s, which the server gets as %s",
      async (old, id) => {
        expect(await gateway.chat("hi", { model: `kimi-code/${old}` })).toMatchObject({ ok: true });
        const [call, ...more] = standIn.requests.filter(({ route }) => route === "chat");
        expect(more).toEqual([]);
        expect(call?.json).toMatchObject({ model: id });
      },
      PATIENCE_MS,
    );

    it.each([
      ["anthropic", "messages"],
      [null, "chat"],
    ] as const)(
      "are spoken to as the newest list says: protocol %s",
      async (protocol, route) => {
        account.models = account.models.map((row) =>
          row.id === "k3" ? { ...row, protocol } : row,
        );
        await list("--refresh");
        standIn.clear();
        expect(await gateway.chat("hi", { model: "kimi-code/k3" })).toMatchObject({ ok: true });
        expect(standIn.requests.map((request) => request.route)).toEqual([route]);
      },
      PATIENCE_MS,
    );
  });

  it(
    "survive the end of the gateway: a process that cannot ask lists the last answer",
    async () => {
      goDown();
      const { rows } = await list("--refresh");
      expect(rows).toEqual(listed(account.models));
      expect(standIn.requests.map(({ route, status }) => [route, status])).toEqual([
        ["models", null],
      ]);
      expect(standIn.violations).toEqual([]);
    },
    PATIENCE_MS,
  );
});
