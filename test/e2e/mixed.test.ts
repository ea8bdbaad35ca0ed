import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { isRecord } from "../../src/json.ts";
import {
  credentialFile,
  expireLogin,
  kimiVariables,
  signInWithCliLogin,
  writeCliLogin,
} from "../kit/kimi/kimi-cli.ts";
import type { Gateway } from "../kit/openclaw/gateway.ts";
import { createHost, type Host } from "../kit/openclaw/host.ts";
import type { JsonObject } from "../kit/openclaw/layout.ts";
import { defaultModels } from "../kit/standin/accounts.ts";
import { QUOTA_WEEKLY } from "../kit/standin/bodies.ts";
import { type RecordedRequest, type StandIn, startStandIn } from "../kit/standin/server.ts";

const CHAT = "kimi-code/kimi-for-coding";
const MESSAGES = "kimi-code/k3-256k";
const RESPONSES = "kimi-code/kimi-responses";
const OTHER = "other/m";

interface Case {
  readonly name: string;
  readonly schema: { readonly type?: unknown; readonly properties?: object | null };
}

/** Tools of a server that nobody has made for Kimi: each schema that was recorded, and odd names. */
function hardTools(): object[] {
  const recorded = new URL("../inference/schemas/verdicts.json", import.meta.url);
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

function chunk(delta: object, reason: string | null): string {
  const choices = [{ index: 0, delta, finish_reason: reason }];
  return `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", model: "m", choices })}\n\n`;
}

/** A model of another vendor: it thinks aloud, calls a tool once in a turn, and then answers. */
async function startOtherVendor(): Promise<Server> {
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (data: Buffer) => {
      text += data.toString();
    });
    request.once("end", () => {
      const { messages } = JSON.parse(text) as { messages: { role: string; content: unknown }[] };
      const asked = messages.findLastIndex(({ content }) =>
        JSON.stringify(content).includes("go on"),
      );
      const isAnswered = asked === -1 || messages.slice(asked).some(({ role }) => role === "tool");
      const call = {
        index: 0,
        id: `call.other:${String(messages.length)}`,
        type: "function",
        function: { name: "exec", arguments: JSON.stringify({ command: "true" }) },
      };
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(chunk({ role: "assistant", reasoning_content: "a foreign thought" }, null));
      response.write(chunk(isAnswered ? { content: "other" } : { tool_calls: [call] }, null));
      response.end(`${chunk({}, isAnswered ? "stop" : "tool_calls")}data: [DONE]\n\n`);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
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

describe("a session in which everything is mixed", () => {
  let standIn: StandIn;
  let host: Host;
  let gateway: Gateway;
  let other: Server;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "kimi-mixed-"));
    const tools = path.join(folder, "tools.json");
    await writeFile(tools, JSON.stringify(hardTools()));
    other = await startOtherVendor();
    standIn = await startStandIn();
    const rows = defaultModels().map((row) =>
      row.id === "k3-256k" ? { ...row, protocol: "anthropic" as const } : row,
    );
    const [first] = rows;
    standIn.account().models = [
      ...rows,
      ...(first === undefined
        ? []
        : [{ ...first, id: "kimi-responses", protocol: "response" as const }]),
    ];
    host = await createHost({ env: kimiVariables(standIn) });
    await signInWithCliLogin(host, standIn);
    const { port } = other.address() as AddressInfo;
    await host.updateConfig((config) => ({
      ...config,
      agents: {
        ...(config["agents"] as JsonObject),
        entries: { main: {}, spare: { model: { primary: CHAT, fallbacks: [OTHER] } } },
      },
      models: {
        providers: {
          other: {
            baseUrl: `http://127.0.0.1:${String(port)}/v1`,
            apiKey: "none",
            api: "openai-completions",
            models: [
              {
                id: "m",
                name: "M",
                contextWindow: 200_000,
                maxTokens: 8_000,
                input: ["text"],
                reasoning: true,
              },
            ],
          },
        },
      },
      mcp: {
        servers: {
          "9lives": {
            command: process.execPath,
            args: [path.join(import.meta.dirname, "../kit/mcp-server.ts"), tools],
          },
        },
      },
      tools: { ...(config["tools"] as JsonObject | undefined), toolSearch: false },
    }));
    gateway = await host.startGateway();
  }, 180_000);

  afterAll(async () => {
    await gateway?.kill();
    await host?.dispose();
    await standIn?.close();
    other?.close();
    await rm(folder, { recursive: true, force: true });
  });

  beforeEach(() => {
    standIn.heal();
    standIn.clear();
    standIn.violations.length = 0;
  });

  const calls = (): RecordedRequest[] =>
    standIn.requests.filter(({ route }) => ["chat", "messages", "responses"].includes(route));

  /** The body of a call; one that was not made has none. */
  const bodyOf = (index: number): Body => (calls().at(index)?.json ?? {}) as Body;

  const usage = () => host.readAuthState()["kimi-code:default"] ?? {};

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
        if (model !== OTHER) {
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
      expect(told).toEqual(order.map((model) => `${model}: ${model === OTHER ? "other" : "pong"}`));
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
      expect(await gateway.chat("hi", { agent: "spare" })).toMatchObject({ text: "other" });
      expect(usage()).not.toHaveProperty("disabledUntil");
      await writeCliLogin(host, standIn, standIn.issueLogin());
    });

    it("goes there with a used-up quota, and does not ask Kimi again before that can help", async () => {
      standIn.failAlways("chat", { kind: "status", ...QUOTA_WEEKLY });
      expect(await gateway.chat("hi", { agent: "spare" })).toMatchObject({ text: "other" });
      expect(standIn.count("chat")).toBe(1);
      const before = Date.now();
      await expect
        .poll(() => Number(usage().cooldownUntil) - before, { timeout: 10_000 })
        .toBeGreaterThan(50 * 60_000);
      expect(usage()).not.toHaveProperty("disabledUntil");
      for (const _turn of [2, 3, 4]) {
        expect(await gateway.chat("hi", { agent: "spare" })).toMatchObject({ text: "other" });
      }
      // The host may look once whether Kimi serves again.
      expect(standIn.count("chat")).toBeLessThanOrEqual(2);
    });
  });
});
