/** What the three chat protocols have in common: access to the model, and the rules for a request. */
import { z } from "zod";
import { defaultModels } from "./accounts.ts";
import type { Account, ModelRow } from "./accounts.ts";
import { authenticate } from "./api.ts";
import {
  MESSAGES_TOO_LARGE_LIMIT_BYTES,
  NO_MEMBERSHIP,
  badRequest,
  messagesTooLarge,
  noAccessTo,
  unknownModel,
  unknownModelLike,
} from "./bodies.ts";
import type { Answer } from "./bodies.ts";
import { unknownFile } from "./files.ts";
import { answerReply } from "./http.ts";
import type { Reply } from "./http.ts";
import { imageFault } from "./images.ts";
import { limited, tokensOf } from "./output.ts";
import type { FullTurn } from "./script.ts";
import type { RecordedRequest } from "./types.ts";
import { violation } from "./world.ts";
import type { Handler, World } from "./world.ts";

/** A request that may be answered. */
export interface Call<T> {
  body: T;
  model: ModelRow;
  request: RecordedRequest;
  world: World;
}

/** How one protocol differs from the others. */
export interface Protocol<T> {
  schema: z.ZodType<T & { model: string }>;
  /** Checks what the schema cannot; undefined if the request is in order. */
  check: (call: Call<T>) => Answer | undefined;
  thinking: (call: Call<T>) => boolean;
  /** The request's output limit, in tokens. */
  limit: (body: T) => number | null | undefined;
  answer: (call: Call<T>, turn: FullTurn) => Reply;
  /** The same error in this protocol's shape. */
  shape: (answer: Answer) => Answer;
}

/** `model[1m]` and the like: the base id of a decorated one. */
function modelAnswer(account: Account, asked: string): Answer {
  if (defaultModels().some((row) => row.id === asked)) {
    return noAccessTo(asked);
  }
  const known = account.models.find((row) => asked.startsWith(`${row.id}[`));
  return known === undefined ? unknownModel(asked) : unknownModelLike(asked, known.id);
}

/** Describes what is wrong with a body, without its values. */
function describe(error: z.ZodError): string {
  return error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("; ");
}

/** The body without what its images and videos hold, which the server counts apart. */
function withoutMedia(body: unknown): string {
  return JSON.stringify(body, (_key, value: unknown) => {
    if (typeof value === "string") {
      return /^data:(?:image|video)\//u.test(value) ? "" : value;
    }
    const isSource =
      typeof value === "object" && value !== null && "type" in value && value.type === "base64";
    return isSource ? { ...value, data: "" } : value;
  });
}

/** Room for what a count of characters gets wrong about tokens. */
const OVERFLOW_MARGIN = 1.25;

/**
 * Vendor's error reference (kimi.com/code/docs): 400 for a total message size above 2 MiB, and for a prompt above the
 * model's context. A screenshot of several MB passes in both CLIs, whose inline budget for images is 5 MiB.
 */
function sizeFault(body: unknown, contextLength: number): Answer | undefined {
  const text = withoutMedia(body);
  const bytes = Buffer.byteLength(text);
  if (bytes > MESSAGES_TOO_LARGE_LIMIT_BYTES) {
    return messagesTooLarge(bytes);
  }
  return tokensOf(text) > contextLength * OVERFLOW_MARGIN
    ? badRequest(`Invalid request: Your request exceeded model token limit: ${contextLength}`)
    : undefined;
}

/** Builds the handler of a chat route. */
export function inference<T>(protocol: Protocol<T>): Handler {
  return (world, request) => {
    const refuse = (answer: Answer): Reply => answerReply(protocol.shape(answer));
    const who = authenticate(world, request);
    if ("reply" in who) {
      return who.reply;
    }
    const parsed = protocol.schema.safeParse(request.json);
    if (!parsed.success) {
      violation(world, request, `bad body: ${describe(parsed.error)}`);
      return refuse(badRequest(`Invalid request: ${describe(parsed.error)}`));
    }
    if (who.account.membership === "none") {
      return refuse(NO_MEMBERSHIP);
    }
    const model = who.account.models.find((row) => row.id === parsed.data.model);
    if (model === undefined) {
      return refuse(modelAnswer(who.account, parsed.data.model));
    }
    const call = { body: parsed.data, model, request, world };
    const bad =
      sizeFault(request.json, model.context_length) ??
      imageFault(request.json) ??
      unknownFile(request.json, who.account) ??
      (world.checksCalls ? protocol.check(call) : undefined);
    if (bad !== undefined) {
      return refuse(bad);
    }
    const thinks = protocol.thinking(call);
    const turn = limited(
      world.script.take(request, thinks),
      thinks,
      protocol.limit(call.body) ?? undefined,
    );
    const reply = protocol.answer(call, turn);
    return {
      ...reply,
      ...(turn.delayMs !== undefined && { delayMs: turn.delayMs }),
      undo: turn.undo,
    };
  };
}
