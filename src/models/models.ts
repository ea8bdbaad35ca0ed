/**
 * The models of a Kimi Code subscription, as this plugin describes them to the host.
 *
 * The rows here make the very first turn work and serve where the server was never asked; what the
 * account may really use is the server's answer (`catalog.ts`), kept in `catalog-store.ts`.
 */

import { PROVIDER_ID } from "../constants.ts";

/** How a model is spoken to: chat completions, Anthropic messages or OpenAI responses. */
export type ModelProtocol = "chat" | "messages" | "responses";

/** What a model can do with thinking. */
export interface ModelThinking {
  /** `always` cannot be turned off. */
  readonly mode: "none" | "toggle" | "always";
  /** Efforts in the server's words and order; empty when the model knows only on. */
  readonly efforts: readonly string[];
  /** The account's default effort. */
  readonly defaultEffort?: string | undefined;
}

/** A model. */
export interface ModelRow {
  readonly id: string;
  readonly name: string;
  /** Tokens of input and output together. */
  readonly contextWindow: number;
  readonly protocol: ModelProtocol;
  readonly images: boolean;
  readonly videos: boolean;
  readonly tools: boolean;
  readonly thinking: ModelThinking;
}

const KIB = 1024;
/** Output limit of the k3 models, in tokens (the Kimi Code CLI's catalog). */
const K3_MAX_TOKENS = 128 * KIB;
/** Output limit of all others, in tokens. */
const MAX_TOKENS = 32 * KIB;

const ALWAYS: ModelThinking = { mode: "always", efforts: [] };
const K3_EFFORTS = ["low", "high", "max"];

function staticRow(id: string, name: string, more: Partial<ModelRow> = {}): ModelRow {
  return {
    id,
    name,
    contextWindow: 256 * KIB,
    protocol: "chat",
    images: true,
    videos: false,
    tools: true,
    thinking: ALWAYS,
    ...more,
  };
}

/** Rows for the models that the Kimi CLIs name, with the least that is known of each. */
export const STATIC_MODELS: readonly ModelRow[] = [
  staticRow("kimi-for-coding", "Kimi for Coding"),
  staticRow("kimi-for-coding-highspeed", "Kimi for Coding HighSpeed"),
  staticRow("k3", "Kimi K3", {
    contextWindow: 1024 * KIB,
    thinking: { mode: "always", efforts: K3_EFFORTS },
  }),
  staticRow("k3-256k", "Kimi K3 256K", {
    thinking: { mode: "always", efforts: K3_EFFORTS },
  }),
];

/** The row for a model that nothing is known of. */
export function staticModel(modelId: string): ModelRow {
  return STATIC_MODELS.find((row) => row.id === modelId) ?? staticRow(modelId, modelId);
}

/** Names that Kimi or other programs used for these models before. */
const ALIASES: Readonly<Record<string, string>> = {
  "kimi-code": "kimi-for-coding",
  k2p5: "kimi-for-coding",
  k2p6: "kimi-for-coding",
  "kimi-k3": "k3",
};

/**
 * The id that Kimi knows a model by.
 *
 * @returns the same id when it is not an old one
 */
export function normalizeModelId(modelId: string): string {
  // `k3[1m]` is how other programs ask for the long context; the account decides that.
  const plain = modelId.trim().replace(/\[[^\]]*\]$/, "");
  return ALIASES[plain.toLowerCase()] ?? plain;
}

function inputsOf({ images }: ModelRow): ("text" | "image")[] {
  return images ? ["text", "image"] : ["text"];
}

/** The most that a model may write, in tokens; the server does not say. */
export function maxTokensOf(row: ModelRow): number {
  return Math.min(/^k3\b/.test(row.id) ? K3_MAX_TOKENS : MAX_TOKENS, row.contextWindow);
}

/** The host's transport for a protocol. */
function transportOf(protocol: ModelProtocol) {
  switch (protocol) {
    case "chat":
      return "openai-completions" as const;
    case "messages":
      return "anthropic-messages" as const;
    case "responses":
      return "openai-responses" as const;
  }
}

/**
 * Base address for one of the host's transports.
 *
 * @param apiBase - base of the managed API, e.g. `https://api.kimi.com/coding/v1`
 */
export function baseUrlFor(api: string, apiBase: string): string {
  // The host's Anthropic transport appends `/v1/messages` itself.
  return api === "anthropic-messages" ? apiBase.replace(/\/v1$/, "") : apiBase;
}

/** A subscription has no price for each token. */
const NO_COST = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };

/** A row as an entry of the host's catalog. */
export function modelDefinition(row: ModelRow, apiBase: string) {
  const api = transportOf(row.protocol);
  return {
    id: row.id,
    name: row.name,
    api,
    baseUrl: baseUrlFor(api, apiBase),
    reasoning: row.thinking.mode !== "none",
    input: [...inputsOf(row), ...(row.videos ? (["video"] as const) : [])],
    cost: NO_COST,
    contextWindow: row.contextWindow,
    maxTokens: maxTokensOf(row),
    compat: {
      supportsStore: false,
      supportsDeveloperRole: false,
      supportsReasoningEffort: false,
      supportsStrictMode: false,
      supportsTemperature: false,
      supportsLongCacheRetention: false,
      supportsTools: row.tools,
      // An array of anything goes out without `items`; the host would add an empty schema.
      omitEmptyArrayItems: true,
      ...(row.protocol === "chat"
        ? {
            supportsUsageInStreaming: true,
            supportsPromptCacheKey: true,
            maxTokensField: "max_completion_tokens" as const,
            requiresReasoningContentOnAssistantMessages: row.thinking.mode !== "none",
          }
        : {}),
      ...(row.protocol === "responses"
        ? { supportsPromptCacheKey: true, supportsInstructions: true }
        : {}),
    },
  };
}

/** A provider entry of the host's catalog. */
export function providerEntry(rows: readonly ModelRow[], apiBase: string) {
  return {
    baseUrl: apiBase,
    api: "openai-completions" as const,
    models: rows.map((row) => modelDefinition(row, apiBase)),
  };
}

/** A row as the model of a run. */
export function runtimeModel(row: ModelRow, apiBase: string) {
  const model = {
    ...modelDefinition(row, apiBase),
    input: inputsOf(row),
    provider: PROVIDER_ID,
  };
  // The host's transports take videos here, which the type of its hook leaves out.
  Object.assign(model, { input: [...model.input, ...(row.videos ? ["video"] : [])] });
  return model;
}
