import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { isRecord } from "../../../src/json.ts";
import { credentialFile, expireLogin, writeCliLogin } from "../../kit/kimi/kimi-cli.ts";
import type { Gateway } from "../../kit/openclaw/gateway.ts";
import type { Host } from "../../kit/openclaw/host.ts";
import type { OtherVendor } from "../../kit/openclaw/other-vendor.ts";
import { QUOTA_WEEKLY } from "../../kit/standin/bodies.ts";
import type { RecordedRequest, StandIn } from "../../kit/standin/server.ts";
import { CHAT, MESSAGES, OTHER, type Place, RESPONSES } from "./place.ts";

interface Case {
  readonly name: string;
  readonly schema: { readonly type?: unknown; readonly properties?: object | null };
}

/** Tools of a server that nobody has made for Kimi: each schema that was recorded, and odd names. */
export function hardTools(): object[] {
  const recorded = new URL("../../inference/schemas/verdicts.json", import.meta.url);
  const { cases } = JSON.parse(readFileSync(recorded, "utf8")) as { readonly cases: Case[] };
  // The host's MCP client takes no other: an object whose properties are objects.
  const objects = cases.filter(
    ({ schema: { type, properties = {} } }) =>
      type === "object" && properties !== null && Object.values(properties).every(isRecord),
  );
  return [
    ...objects.map(({ schema }, index) => ({ name: `tool_${String(index)}`, inputSchema: schema })),
    { name: "21st_magic_build", inputSchema: { type: "object" } },
  ];
}

/** What is looked at in the bodies of all protocols. */
interface Body {
  readonly messages: readonly {
    readonly role: string;
    readonly content?: unknown;
    readonly reasoning_content?: string;
  }[];
  readonly tools: readonly { readonly function: { readonly name: string } }[];
}

/** Sessions in which vendors, protocols and tools meet. */
export function mixedSessions(place: () => Place): void {
  let standIn: StandIn;
  let host: Host;
  let gateway: Gateway;
  let other: OtherVendor;

  beforeEach(() => {
    ({ standIn, host, gateway, other } = place());
    other.calls = [];
    standIn.heal();
    standIn.clear();
    standIn.violations.length = 0;
  });

  const calls = (): RecordedRequest[] =>
    standIn.requests.filter(({ route }) => ["chat", "messages", "responses"].includes(route));

  /** The body of a call; one that was not made has none. */
  const bodyOf = (index: number): Body => (calls().at(index)?.json ?? {}) as Body;

  const usage = () => host.readAuthState()[place().profileId] ?? {};

  const turn = async (session: string, model: string): Promise<string> => {
    const { text } = await gateway.chat("go on", { session, model });
    return `${model}: ${text} ${standIn.violations.join()}`.trim();
  };

  it.each([
    // In the very first turn the host has no list yet, and its static rows would name the wrong protocol.
    ["messages", MESSAGES],
    ["chat", CHAT],
    ["responses", RESPONSES],
  ])("takes every tool of a server that was not made for Kimi, on %s", async (route, model) => {
    expect(await turn(crypto.randomUUID(), model)).toBe(`${model}: pong`);
    expect(calls().map((call) => call.route)).toEqual([route]);
    const tools = bodyOf(0).tools;
    expect(tools.length).toBeGreaterThan(hardTools().length);
  });

  it("calls a tool whose name Kimi does not take, by its own name", async () => {
    const names = (): string[] => bodyOf(0).tools.map(({ function: { name } }) => name);
    expect(await turn(crypto.randomUUID(), CHAT)).toBe(`${CHAT}: pong`);
    const name = names().find((one) => one.endsWith("21st_magic_build")) ?? "";
    expect(name).toMatch(/^[a-zA-Z_]/);
    standIn.script([
      {
        toolCalls: [{ name, arguments: { a: 1 }, id: "call1" }],
      },
    ]);
    const session = crypto.randomUUID();
    expect(await turn(session, CHAT)).toBe(`${CHAT}: pong`);
    const { messages } = bodyOf(-1);
    expect(messages.find(({ role }) => role === "tool")).toMatchObject({
      tool_call_id: "call1",
      content: expect.stringContaining('"a":1'),
    });
  });

  it(
    "goes on with each model after each other one, tool calls included",
    { timeout: 120_000 },
    async () => {
      const session = crypto.randomUUID();
      const order = [OTHER, CHAT, MESSAGES, OTHER, RESPONSES, MESSAGES, CHAT, OTHER, CHAT];
      const told: string[] = [];
      for (const model of order) {
        if (model === OTHER) {
          const id = `call.other:${String(told.length)}`;
          other.calls = [{ name: "exec", arguments: { command: "true" }, id }];
        } else {
          standIn.script([
            {
              reasoning: `thought of ${model}`,
              toolCalls: [
                {
                  name: "exec",
                  arguments: { command: "true" },
                  id: `functions.exec:${String(told.length)}`,
                },
              ],
            },
          ]);
        }
        told.push(await turn(session, model));
      }
      expect(told).toEqual(order.map((model) => `${model}: ${model === OTHER ? "done" : "pong"}`));
      // What was thought is sent as thinking, and nowhere as something that was said.
      const { messages } = bodyOf(-1);
      const thoughts = messages.flatMap(({ reasoning_content }) => reasoning_content ?? []);
      expect(thoughts).toContain("a foreign thought");
      expect(JSON.stringify(messages.map(({ content }) => content))).not.toMatch(
        /foreign thought|thought of/,
      );
    },
  );

  describe("that has a model to fall back to", () => {
    it("goes there with a login that Kimi ended", async () => {
      await expireLogin(host, credentialFile(host, standIn));
      standIn.endLogin("user-1");
      expect(await gateway.chat("hi", { agent: "spare" })).toMatchObject({ text: "done" });
      expect(usage()).not.toHaveProperty("disabledUntil");
      await writeCliLogin(host, standIn, standIn.issueLogin());
    });

    it("goes there with a used-up quota, and does not ask Kimi again before that can help", async () => {
      standIn.failAlways("chat", { kind: "status", ...QUOTA_WEEKLY });
      expect(await gateway.chat("hi", { agent: "spare" })).toMatchObject({ text: "done" });
      expect(standIn.count("chat")).toBe(1);
      const before = Date.now();
      await expect
        .poll(() => Number(usage().cooldownUntil) - before, { timeout: 10_000 })
        .toBeGreaterThan(50 * 60_000);
      expect(usage()).not.toHaveProperty("disabledUntil");
      for (const _turn of [2, 3, 4]) {
        expect(await gateway.chat("hi", { agent: "spare" })).toMatchObject({ text: "done" });
      }
      // The host may look once whether Kimi serves again.
      expect(standIn.count("chat")).toBeLessThanOrEqual(2);
    });
  });
}
