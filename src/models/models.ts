/**
 * The models of a Kimi Code subscription, as this plugin describes them to the host.
 *
 * The rows here make the very first turn work and serve where the server was never asked; what the
 * account may really use is in the server's response (`catalog.ts`), kept in `store.ts`.
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
  readonly video: boolean;
  readonly tools: boolean;
  readonly thinking: ModelThinking;
  /** True for a row that the server did not send. */
  readonly assumed?: boolean | undefined;
}

const KIB = 1024;

const ALWAYS_THINKING: ModelThinking = { mode: "always", efforts: [] };
const K3_THINKING: ModelThinking = { mode: "always", efforts: ["low", "high", "max"] };

function staticRow(id: string, name: string, more: Partial<ModelRow> = {}): ModelRow {
  return {
    id,
    name,
    contextWindow: 256 * KIB,
    protocol: "chat",
    images: true,
    video: false,
    tools: true,
    thinking: ALWAYS_THINKING,
    assumed: true,
    ...more,
  };
}

/**
 * Rows for the models that the Kimi CLIs name, with the least that is known of each. None has a default
 * effort: that is the account's, and without an effort in a request the server takes it.
 */
export const STATIC_MODELS: readonly ModelRow[] = [
  staticRow("kimi-for-coding", "Kimi for Coding"),
  staticRow("kimi-for-coding-highspeed", "Kimi for Coding HighSpeed"),
  staticRow("k3", "Kimi K3", {
    contextWindow: 1024 * KIB,
    thinking: K3_THINKING,
  }),
  staticRow("k3-256k", "Kimi K3 256K", {
    thinking: K3_THINKING,
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

/** True for the models of the K3 family. */
export function isK3({ id }: Pick<ModelRow, "id">): boolean {
  return /^k3\b/.test(id);
}

/** The host's type for a run's model knows no "video"; its transport for chat completions does. */
function inputsOf(row: ModelRow): ("text" | "image")[];
function inputsOf({ images, video, protocol }: ModelRow): string[] {
  return ["text", ...(images ? ["image"] : []), ...(video && protocol === "chat" ? ["video"] : [])];
}

/**
 * What a login's list says of a model's thinking, in words that the host hands back when it asks for
 * the levels of `/think`: it names no login then. Nothing else reads them, because the host sends no
 * effort of its own.
 */
function thinkingCompat({ thinking, assumed }: ModelRow) {
  const { mode, efforts, defaultEffort } = thinking;
  return assumed === true
    ? {}
    : {
        supportedReasoningEfforts: [...efforts],
        reasoningEffortMap: {
          ...(mode === "always" ? { off: defaultEffort ?? efforts[0] ?? "on" } : {}),
          ...(defaultEffort === undefined ? {} : { adaptive: defaultEffort }),
        },
      };
}

/** What the host holds of a model when it asks for the levels of `/think`. */
export interface StatedModel {
  readonly reasoning?: boolean | undefined;
  readonly compat?:
    | {
        readonly supportedReasoningEfforts?: readonly string[] | null;
        readonly reasoningEffortMap?: Readonly<Record<string, string>>;
      }
    | null
    | undefined;
}

/**
 * Reads {@link thinkingCompat} back.
 *
 * @returns `undefined` where the host holds no row of a login's list
 */
export function statedThinking({ reasoning, compat }: StatedModel): ModelThinking | undefined {
  const efforts = compat?.supportedReasoningEfforts;
  if (efforts === undefined || efforts === null) {
    return undefined;
  }
  const map = compat?.reasoningEffortMap ?? {};
  const on = map.off === undefined ? "toggle" : "always";
  return {
    mode: reasoning === false ? "none" : on,
    efforts,
    ...(map.adaptive === undefined ? {} : { defaultEffort: map.adaptive }),
  };
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
    input: inputsOf(row),
    cost: NO_COST,
    contextWindow: row.contextWindow,
    // As in both Kimi CLIs: thinking and reply may fill the context; each request gets what is left.
    maxTokens: row.contextWindow,
    compat: {
      ...thinkingCompat(row),
      // Kimi takes an array without `items`; an empty one would have to get a type.
      omitEmptyArrayItems: true,
      supportsStore: false,
      supportsDeveloperRole: false,
      supportsReasoningEffort: false,
      supportsStrictMode: false,
      supportsTemperature: false,
      supportsLongCacheRetention: false,
      supportsTools: row.tools,
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
  return { ...modelDefinition(row, apiBase), provider: PROVIDER_ID };
}
