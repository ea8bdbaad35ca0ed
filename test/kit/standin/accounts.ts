/** Accounts and what the managed API says about them. */
import type { JsonObject } from "./types.ts";

/** One row of `GET /models`. */
export interface ModelRow {
  id: string;
  object: "model";
  created: number;
  owned_by: string;
  display_name: string;
  /** Tokens. */
  context_length: number;
  supports_reasoning: boolean;
  supports_image_in: boolean;
  supports_video_in: boolean;
  supports_tool_use?: boolean;
  supports_thinking_type: "only" | "both" | "no";
  think_efforts: { support: boolean; valid_efforts: string[]; default_effort: string } | null;
  /** `null` means OpenAI chat completions. */
  protocol: "anthropic" | "response" | null;
}

const EFFORTS = ["low", "high", "max"];

function row(id: string, displayName: string, more: Partial<ModelRow>): ModelRow {
  return {
    id,
    object: "model",
    created: 1_785_542_400,
    owned_by: "moonshot",
    display_name: displayName,
    context_length: 262_144,
    supports_reasoning: true,
    supports_image_in: true,
    supports_video_in: true,
    supports_tool_use: true,
    supports_thinking_type: "only",
    think_efforts: null,
    protocol: null,
    ...more,
  };
}

/** The list of an account with all models; a fresh copy each time. */
export function defaultModels(): ModelRow[] {
  return [
    row("kimi-for-coding", "Kimi For Coding", {
      supports_thinking_type: "both",
      think_efforts: { support: true, valid_efforts: [...EFFORTS], default_effort: "high" },
    }),
    row("kimi-for-coding-highspeed", "Kimi For Coding HighSpeed", {}),
    row("k3", "Kimi K3", {
      context_length: 1_048_576,
      think_efforts: { support: true, valid_efforts: [...EFFORTS], default_effort: "max" },
    }),
    row("k3-256k", "Kimi K3-256K", {
      supports_video_in: false,
      think_efforts: { support: true, valid_efforts: [...EFFORTS], default_effort: "high" },
    }),
  ];
}

function isoIn(nowMs: number, seconds: number): string {
  return `${new Date(nowMs + seconds * 1000).toISOString().slice(0, 19)}Z`;
}

const HOUR_S = 3600;

/** `GET /usages` as it was before September 2026: a weekly limit and windows, numbers as text. */
export function usagesShapeA(nowMs: number): JsonObject {
  return {
    user: { membership: { level: "LEVEL_INTERMEDIATE" } },
    usage: { used: "40", limit: "1000", remaining: "960", resetTime: isoIn(nowMs, 96 * HOUR_S) },
    limits: [
      {
        window: { duration: 300, timeUnit: "TIME_UNIT_MINUTE" },
        detail: { used: "1", limit: "100", remaining: "99", resetTime: isoIn(nowMs, 3 * HOUR_S) },
      },
    ],
    boosterWallet: boosterWallet(),
  };
}

/** `GET /usages` since September 2026: four windows, each a ratio from 0 to 1. */
export function usagesShapeB(nowMs: number): JsonObject {
  return {
    usages: {
      limit_5h: { used_ratio: 0.01, reset_time: isoIn(nowMs, 3 * HOUR_S) },
      limit_7d: { used_ratio: "0.04", reset_time: isoIn(nowMs, 96 * HOUR_S) },
      limit_month_total: { used_ratio: 0.5 },
      limit_month_code: { used_ratio: 0.3 },
    },
    boosterWallet: boosterWallet(),
  };
}

/** A wallet with half of 200 USD left; one cent is 1 000 000 units. */
export function boosterWallet(): JsonObject {
  return {
    id: "standin-wallet-1",
    balance: {
      type: "BOOSTER",
      amount: "20000000000",
      amountLeft: "10000000000",
      unit: "UNIT_CURRENCY",
    },
    monthlyChargeLimitEnabled: true,
    monthlyChargeLimit: { currency: "USD", priceInCents: "20000" },
    monthlyUsed: { currency: "USD", priceInCents: "5000" },
  };
}

/** What a test may say about an account; all but the id has a default. */
export interface AccountSetup {
  id: string;
  /** Rows of `GET /models`; a model that exists but is missing here answers the entitlement 401. */
  models?: ModelRow[];
  /** Body of `GET /usages`: one of the two known shapes (default `B`), or any object. */
  usages?: "A" | "B" | JsonObject;
  /** Laid over the default body of `GET /me`. */
  me?: JsonObject;
  /** `none` answers 402 on models and inference; login and refresh still work. */
  membership?: "active" | "none";
  /** Access tokens that look like a JWT (never signed) in place of opaque ones; default false. */
  jwtAccessTokens?: boolean;
  /** Seconds; default is the server's setting. */
  accessTokenLifetimeS?: number;
}

/** An account; its members may be changed at any time. */
export interface Account {
  readonly id: string;
  models: ModelRow[];
  usages: "A" | "B" | JsonObject;
  me: JsonObject;
  membership: "active" | "none";
  jwtAccessTokens: boolean;
  /** Seconds; undefined means the server's setting. */
  accessTokenLifetimeS: number | undefined;
  /** What was uploaded, by its id. */
  readonly files: Map<string, { readonly purpose: string; readonly bytes: number }>;
}

/** The account that exists from the start. */
export const DEFAULT_ACCOUNT = "user-1";

/** Fills in the defaults. */
export function makeAccount(setup: AccountSetup): Account {
  return {
    id: setup.id,
    models: setup.models ?? defaultModels(),
    usages: setup.usages ?? "B",
    me: {
      user_id: setup.id,
      nickname: `Stand-in ${setup.id}`,
      status: "USER_STATUS_NORMAL",
      region: "REGION_OVERSEA",
      user_level: 20,
      user_level_name: "Moderato",
      domain: 1,
      domain_name: "kimi",
      goods_version: 2,
      global_id: `standin-global-${setup.id}`,
      email: `${setup.id}@example.invalid`,
      created_time: "2026-01-01T00:00:00Z",
      last_login_time: "2026-08-01T00:00:00Z",
      ...setup.me,
    },
    membership: setup.membership ?? "active",
    jwtAccessTokens: setup.jwtAccessTokens ?? false,
    accessTokenLifetimeS: setup.accessTokenLifetimeS,
    files: new Map(),
  };
}
