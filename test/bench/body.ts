/** What the plugin's own work on a model call's body takes, beside what OpenClaw's transport takes for it. */

import { performance } from "node:perf_hooks";
import { withOwnHistory, tokensOf } from "../../src/inference/history.ts";
import { fitMedia, withFileIds } from "../../src/inference/media.ts";
import { ToolNames } from "../../src/inference/names.ts";
import { kimiBody } from "../../src/inference/payload.ts";
import { normalizeToolSchemas, schemasByName } from "../../src/inference/tool-schemas.ts";
import { STATIC_MODELS } from "../../src/models/models.ts";
import {
  type Context,
  type HostMessage,
  hostTransport,
  type StreamFn,
} from "../kit/openclaw/transports.ts";
import { type Distribution, distribution } from "./statistics.ts";

type Model = Parameters<StreamFn>[0];
type Tools = NonNullable<Context["tools"]>;

/** One size of conversation on one protocol. */
export interface BodySize {
  readonly api: string;
  readonly bytes: number;
  /** The plugin's own work for one call, in ms. */
  readonly own: Distribution;
  /** The work of OpenClaw's transport up to the body, in ms. */
  readonly host: Distribution;
}

/** The plugin's work on bodies. */
export interface BodyResult {
  /** The tools of a run converted, once, in ms. */
  readonly conversion: Distribution;
  readonly sizes: readonly BodySize[];
}

const TOOLS = 100;
const STEP = 2_000;

/** A hundred tools with nested parameters, as MCP servers have them. */
function tools(): Tools {
  return Array.from({ length: TOOLS }, (_, at) => ({
    name: `server__tool_${String(at)}`,
    description: "Does one thing, and tells what came of it.",
    parameters: {
      type: "object",
      required: ["path"],
      properties: {
        path: { type: "string", minLength: 1, description: "a path" },
        mode: { oneOf: [{ const: "read" }, { const: "write" }, { type: "integer" }] },
        items: { type: "array", items: { $ref: "#/$defs/item" } },
        options: { type: ["object", "null"], additionalProperties: { type: "string" } },
      },
      $defs: {
        item: {
          type: "object",
          properties: { name: { type: "string" }, of: { $ref: "#/$defs/item" } },
        },
      },
    },
  }));
}

/** A conversation of about so many bytes: a question, a thought with a call of a tool, its result. */
function conversation(bytes: number, model: Model): HostMessage[] {
  const usage = { input: 1, output: 1, cacheRead: 0, cacheWrite: 0, totalTokens: 2 };
  const cost = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, total: 0 };
  const step = (at: number): HostMessage[] => [
    { role: "user", content: "go on ".repeat(40), timestamp: at },
    {
      role: "assistant",
      content: [
        { type: "thinking", thinking: "hm ".repeat(150), thinkingSignature: "reasoning_content" },
        {
          type: "toolCall",
          id: `call_${String(at)}`,
          name: `server__tool_${String(at % TOOLS)}`,
          arguments: { path: "a/b/c", mode: "read" },
        },
      ],
      api: model.api,
      provider: model.provider,
      model: model.id,
      usage: { ...usage, cost },
      stopReason: "toolUse",
      timestamp: at,
    },
    {
      role: "toolResult",
      toolCallId: `call_${String(at)}`,
      toolName: `server__tool_${String(at % TOOLS)}`,
      content: [{ type: "text", text: "line of text\n".repeat(90) }],
      isError: false,
      timestamp: at,
    },
  ];
  return Array.from({ length: Math.round(bytes / STEP) }, (_, at) => step(at)).flat();
}

async function measureSize(api: string, bytes: number, rounds: number): Promise<BodySize> {
  const [row] = STATIC_MODELS;
  const model = {
    id: row?.id,
    name: "bench",
    api,
    provider: "kimi-code",
    baseUrl: "http://127.0.0.1:9/v1",
    reasoning: true,
    input: ["text"],
    cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
    contextWindow: 262_144,
    maxTokens: 32_000,
  } as unknown as Model;
  const transport = await hostTransport(api);
  const own: number[] = [];
  const host: number[] = [];
  const converted = normalizeToolSchemas({ tools: tools() as never }) as unknown as Tools;
  for (let round = 0; round < rounds; round += 1) {
    const history = { messages: conversation(bytes, model), tools: converted };
    const begun = performance.now();
    const names = new ToolNames(history.tools.map(({ name }) => name));
    const whole = names.outward(withOwnHistory(history, model));
    const { context, files } = await fitMedia(whole, async () => new Map());
    const schemas = schemasByName(context.tools);
    const usedTokens = tokensOf(context);
    let spent = performance.now() - begun;
    const asked = performance.now();
    const stream = await transport(model, context, {
      apiKey: "none",
      onPayload: (payload: unknown) => {
        host.push(performance.now() - asked);
        const before = performance.now();
        const facts = {
          row: row as NonNullable<typeof row>,
          level: "high",
          sessionId: "session",
          maxTokens: undefined,
          usedTokens,
          schemas,
        };
        withFileIds(kimiBody(api, payload, facts), files);
        spent += performance.now() - before;
        throw new Error("the body is all that is wanted");
      },
    });
    for await (const _event of stream) {
      // Ends with the error above.
    }
    own.push(spent);
  }
  return { api, bytes, own: distribution(own), host: distribution(host) };
}

/** Measures bodies of 1 MB and 10 MB with 100 tools, on each protocol. */
export async function measureBodies(): Promise<BodyResult> {
  const conversion: number[] = [];
  for (let round = 0; round < 15; round += 1) {
    const fresh = tools();
    const begun = performance.now();
    normalizeToolSchemas({ tools: fresh as never });
    conversion.push(performance.now() - begun);
  }
  const sizes: BodySize[] = [];
  for (const api of ["openai-completions", "anthropic-messages", "openai-responses"]) {
    for (const bytes of [1_000_000, 10_000_000]) {
      sizes.push(await measureSize(api, bytes, bytes > 2_000_000 ? 7 : 15));
    }
  }
  return { conversion: distribution(conversion), sizes };
}
