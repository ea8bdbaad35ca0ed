/** `GET /models`: rows as the server sends them, read so that a bad one costs itself only. */

import { z } from "zod";
import type { ModelProtocol, ModelRow, ModelThinking } from "./models.ts";

/** Most rows that are read. */
const MAX_ROWS = 500;

const responseSchema = z.object({ data: z.array(z.unknown()) });

const effort = z.string().trim().min(1).max(32);

const effortsSchema = z.object({
  support: z.literal(true),
  valid_efforts: z.array(z.unknown()),
  default_effort: effort.optional().catch(undefined),
});

/** True as both Kimi CLIs read a flag: anything that is not false, zero, empty or absent. */
const flag = z.unknown().optional().transform(Boolean);

const rowSchema = z.object({
  // Becomes a part of a reference and of a request.
  id: z
    .string()
    .trim()
    .regex(/^[\w.:[\]-]{1,128}$/),
  display_name: z.string().trim().min(1).max(128).optional().catch(undefined),
  // The server sends other numbers as text, and the Kimi Code CLI reads either.
  context_length: z
    .union([z.number(), z.string().trim().regex(/^\d+$/).transform(Number)])
    .pipe(z.int().positive().max(100_000_000)),
  supports_reasoning: flag,
  supports_thinking_type: z.enum(["only", "both", "no"]).optional().catch(undefined),
  supports_image_in: flag,
  supports_video_in: flag,
  supports_tool_use: z
    .unknown()
    .optional()
    .transform((value) => value === undefined || value === null || Boolean(value)),
  think_efforts: effortsSchema.optional().catch(undefined),
  protocol: z.unknown().optional(),
});

type WireRow = z.infer<typeof rowSchema>;

function thinkingMode(row: WireRow): ModelThinking["mode"] {
  switch (row.supports_thinking_type) {
    case "only":
      return "always";
    case "both":
      return "toggle";
    case "no":
      return "none";
    case undefined:
      return row.supports_reasoning ? "toggle" : "none";
  }
}

function thinkingOf(row: WireRow): ModelThinking {
  const mode = thinkingMode(row);
  const given = row.think_efforts;
  if (mode === "none" || given === undefined) {
    return { mode, efforts: [] };
  }
  const efforts = given.valid_efforts.flatMap((value) => effort.safeParse(value).data ?? []);
  const preferred = given.default_effort;
  return {
    mode,
    efforts: [...new Set(efforts)],
    ...(preferred !== undefined && efforts.includes(preferred) ? { defaultEffort: preferred } : {}),
  };
}

function protocolOf(value: unknown): ModelProtocol {
  if (value === "anthropic") {
    return "messages";
  }
  return value === "response" ? "responses" : "chat";
}

/**
 * Reads the response.
 *
 * @param value - the parsed JSON
 * @returns `undefined` when it is no list of models, or none of its rows can be read
 */
export function parseModels(value: unknown): ModelRow[] | undefined {
  const response = responseSchema.safeParse(value);
  if (!response.success) {
    return undefined;
  }
  const rows = new Map<string, ModelRow>();
  for (const item of response.data.data.slice(0, MAX_ROWS)) {
    const parsed = rowSchema.safeParse(item);
    if (parsed.success && !rows.has(parsed.data.id)) {
      const row = parsed.data;
      rows.set(row.id, {
        id: row.id,
        name: row.display_name ?? row.id,
        contextWindow: row.context_length,
        protocol: protocolOf(row.protocol),
        images: row.supports_image_in,
        video: row.supports_video_in,
        tools: row.supports_tool_use,
        thinking: thinkingOf(row),
      });
    }
  }
  return rows.size === 0 && response.data.data.length > 0 ? undefined : [...rows.values()];
}
