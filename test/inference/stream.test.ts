import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  EventStream,
  type Message,
  type StreamEvent,
  type StreamFn,
} from "../../src/inference/event-stream.ts";
import { noteRun } from "../../src/inference/run-login.ts";
import { wrapStream } from "../../src/inference/stream.ts";
import { answers } from "../../src/messages.ts";
import { BoundLogin } from "../../src/profiles/bound-login.ts";
import { removeScratch, scratch, signedIn } from "../kit/logins.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";

type Call = Parameters<StreamFn>;
type Options = NonNullable<Call[2]>;

const NONE = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, total: 0 };
const REJECTED = "401 Invalid Authentication";

function message(more: Partial<Message> = {}): Message {
  return {
    role: "assistant",
    content: [{ type: "text", text: "pong" }],
    api: "openai-completions",
    provider: "kimi-code",
    model: "kimi-for-coding",
    usage: { ...NONE, totalTokens: 0, cost: NONE },
    stopReason: "stop",
    timestamp: 0,
    ...more,
  };
}

const START: StreamEvent = { type: "start", partial: message({ content: [] }) };
const DONE: StreamEvent = { type: "done", reason: "stop", message: message() };

function failed(errorMessage: string, more: Partial<Message> = {}): StreamEvent {
  const error = message({ stopReason: "error", content: [], errorMessage, ...more });
  return { type: "error", reason: "error", error };
}

function bearer([, , options]: Call): string | undefined {
  return options?.headers?.["Authorization"] ?? undefined;
}

/** A transport whose server does not take the parameters of a tool. */
const refuseSchema: StreamFn = () => {
  const stream = new EventStream();
  stream.push(
    failed(
      "400 tools.function.parameters is not a valid moonshot flavored json schema, details: <At path 'properties.to': type is not defined>",
    ),
  );
  return stream;
};

/** What a wrapped call was given, and what came of it. */
interface Outcome {
  readonly calls: Call[];
  readonly events: readonly StreamEvent[];
  readonly result: Message;
}

describe("a wrapped model call", () => {
  let standIn: StandIn;
  let login: BoundLogin;

  beforeEach(async () => {
    vi.stubEnv("OPENCLAW_STATE_DIR", await scratch());
    standIn = await startStandIn();
    const { home } = await signedIn(standIn, "kimi-code-cli", { ageMs: 60_000 });
    login = new BoundLogin(home, undefined);
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    await standIn.close();
    await removeScratch();
  });

  /** Makes a call whose transport gives these events; a list for each time that it is asked. */
  async function run(
    replies: readonly (readonly StreamEvent[] | Error)[],
    { headers = noteRun(login), ...options }: Options = {},
  ): Promise<Outcome> {
    const calls: Call[] = [];
    const wrapped = wrapStream((...call) => {
      calls.push(call);
      const reply = replies[calls.length - 1] ?? [];
      if (reply instanceof Error) {
        throw reply;
      }
      const stream = new EventStream();
      reply.forEach((event) => stream.push(event));
      stream.end();
      return stream;
    }, {});
    const model = {
      id: "kimi-for-coding",
      name: "m",
      api: "openai-completions",
      provider: "kimi-code",
      baseUrl: "http://127.0.0.1:9",
      reasoning: true,
      input: ["text"],
      cost: NONE,
      contextWindow: 262_144,
      maxTokens: 32_768,
      headers: { "X-Own": "1", ...headers },
    } as unknown as Call[0];
    const stream = await wrapped(model, { messages: [] }, options);
    const events: StreamEvent[] = [];
    for await (const event of stream) {
      events.push(event);
    }
    return { calls, events, result: await stream.result() };
  }

  it("passes on what the transport gives, with the home's bearer and without the login's header", async () => {
    const { calls, events, result } = await run([[START, DONE]]);
    expect(events).toEqual([START, DONE]);
    expect(result).toEqual(message());
    expect(calls[0]?.[0].headers).toEqual({ "X-Own": "1" });
    expect(bearer(calls[0] as Call)).toBe(`Bearer ${(await login.access()).accessToken}`);
  });

  it("is sent once more with a renewed bearer, and nothing of the rejection is seen", async () => {
    const { calls, events } = await run([
      [START, failed(REJECTED)],
      [START, DONE],
    ]);
    expect(events).toEqual([START, DONE]);
    expect(new Set(calls.map(bearer)).size).toBe(2);
    expect(standIn.count("token")).toBe(1);
  });

  it("says that Kimi rejects the token only when a renewed one is rejected as well", async () => {
    const { calls, result } = await run([[failed(REJECTED)], [failed(REJECTED)]]);
    expect(calls).toHaveLength(2);
    expect(result).toMatchObject({
      stopReason: "error",
      errorCode: "kimi_rejected_bearer",
      errorMessage: expect.stringContaining("even after a refresh"),
    });
  });

  it("neither renews the login nor speaks of it for a 401 about something else", async () => {
    const { calls, result } = await run([[failed("401 这个模型目前不可用")]]);
    expect([calls.length, standIn.count("token")]).toEqual([1, 0]);
    expect(result.errorCode).toBe("kimi_refused");
  });

  it("reads the type of an error, which the text lacks", async () => {
    const { result } = await run([
      [failed("429 See your console.", { errorType: "exceeded_current_quota_error" })],
    ]);
    expect(result).toMatchObject({
      errorCode: "kimi_quota",
      errorMessage: expect.stringContaining("usage limit"),
    });
    expect(result).not.toHaveProperty("errorType");
  });

  it.each([
    "400 too many tokens in request",
    "400 reasoning is mandatory for this model",
    "400 roles must alternate",
    "Connection error.",
  ])("leaves to the host what the host reads itself: %s", async (text) => {
    const event = failed(text, { errorBody: "{}" });
    expect((await run([[START, event]])).events).toEqual([START, event]);
  });

  it("keeps the wait that the server asks for", async () => {
    const { result } = await run([[failed("429 too many requests; Retry-After: 12 seconds")]]);
    expect(result.errorMessage).toBe(
      "Kimi is receiving too many requests right now. Try again in 12 seconds.",
    );
  });

  it("shows what Kimi says of a fault of the request, without ids, in its sentence", async () => {
    const report = failed(
      "400 Invalid request: the field org-0123456789 of user@example.invalid is unknown",
      { errorType: "invalid_request_error" },
    );
    const calls = run([[report]]);
    const { result } = await calls;
    expect(result.errorMessage).toBe(
      answers.bad_request({
        site: "",
        owner: "kimi-code-cli",
        detail: "the field … of … is unknown",
      }),
    );
  });

  it("names the tool whose parameters are refused", async () => {
    const tools = [
      { name: "look", parameters: { type: "object", properties: { at: { type: "string" } } } },
      { name: "go", parameters: { type: "object", properties: { to: { type: "string" } } } },
    ];
    const model = { id: "m", api: "openai-completions", headers: noteRun(login) };
    const context = { messages: [], tools };
    const stream = await wrapStream(refuseSchema, {})(
      model as unknown as Call[0],
      context as unknown as Call[1],
    );
    expect((await stream.result()).errorMessage).toMatch(
      /parameters of the tool go \(.*At path 'properties\.to': type is not defined/,
    );
  });

  it("is an aborted event when it is aborted before it begins", async () => {
    const { calls, events, result } = await run([[DONE]], { signal: AbortSignal.abort() });
    expect([calls.length, events.length]).toEqual([0, 1]);
    expect(events[0]).toMatchObject({ type: "error", reason: "aborted" });
    expect(result.stopReason).toBe("aborted");
  });

  it("is an aborted event when it is aborted while its bearer is renewed", async () => {
    const controller = new AbortController();
    const answered = Promise.withResolvers<void>();
    standIn.failAlways("token", { kind: "gate", gate: answered.promise });
    const running = run([[failed(REJECTED)], [DONE]], { signal: controller.signal });
    await standIn.waitFor("token");
    controller.abort(new Error("stopped"));
    const { calls, events, result } = await running;
    expect([calls.length, events.length]).toEqual([1, 1]);
    expect(events[0]).toMatchObject({ type: "error", reason: "aborted" });
    expect(result.stopReason).toBe("aborted");
    answered.resolve();
  });

  it("is an error event when the transport throws, and says nothing of what it threw", async () => {
    const { events, result } = await run([new Error("secret at line 1")]);
    expect(events).toHaveLength(1);
    expect(result).toMatchObject({ stopReason: "error", content: [] });
    expect(result.errorMessage).toMatch(/report it/);
    expect(JSON.stringify(events)).not.toContain("secret");
  });

  it("uses the login of the last sign-in where a run has headers of two", async () => {
    const { home } = await signedIn(standIn, "openclaw");
    const later = new BoundLogin(home, undefined);
    const { calls } = await run([[DONE]], { headers: { ...noteRun(login), ...noteRun(later) } });
    expect(bearer(calls[0] as Call)).toBe(`Bearer ${(await later.access()).accessToken}`);
    expect(calls[0]?.[0].headers).toEqual({ "X-Own": "1" });
  });

  it("is left alone in a run without one of our logins", async () => {
    const { calls, events } = await run([[failed(REJECTED)]], { headers: {} });
    expect([calls.length, events]).toEqual([1, [failed(REJECTED)]]);
    expect(bearer(calls[0] as Call)).toBeUndefined();
  });
});
