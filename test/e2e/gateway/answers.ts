import { beforeEach, describe, expect } from "vitest";
import { writeCliLogin } from "../../kit/kimi/kimi-cli.ts";
import type { ChatWindow } from "../../kit/openclaw/chat-window.ts";
import type { Gateway, Host } from "../../kit/openclaw/host.ts";
import { BUSY, it, type SharedGateway } from "../../kit/openclaw/shared-gateway.ts";
import { RECORDED, type Recorded, sentenceOf } from "../../kit/recorded-answers.ts";
import type { StandIn } from "../../kit/standin/server.ts";

const OVERFLOW =
  "Context overflow: prompt too large for the model. Try /reset (or /new) to start a fresh session, or use a larger-context model.";
const NOT_FOUND =
  "The selected model was not found by the provider. Check the model id or choose a different model.";
const MALFORMED = "LLM request failed: provider rejected the request schema or tool payload.";

/** Where the host shows words of its own for a failure of ours. */
const WORDS_OF_HOST: Readonly<Partial<Record<NonNullable<Recorded["kind"]>, string>>> = {
  rejected_bearer:
    "⚠️ kimi-code/kimi-for-coding request failed (authentication failed). Re-authenticate the provider and try again.",
  no_long_context: OVERFLOW,
  context_overflow: OVERFLOW,
  unknown_model: NOT_FOUND,
  overloaded: "The AI service is temporarily overloaded. Please try again in a moment.",
  server_error:
    "⚠️ kimi-code/kimi-for-coding request failed (provider internal error). This is usually temporary — try again shortly.",
};

/** What the host makes of answers that it reads itself, and how often it asks: it tries its ways out first. */
const LEFT_TO_HOST: Readonly<Record<string, readonly [string, number]>> = {
  "too many tokens, in other words": [OVERFLOW, 1],
  "a thinking level that must be on": [
    "Reasoning is required for this model endpoint. Use /think minimal (or any non-off level) and try again.",
    2,
  ],
  "a thinking level that is not offered": [MALFORMED, 3],
  "roles that do not alternate": [
    "Message ordering conflict - please try again. If this persists, use /new to start a fresh session.",
    1,
  ],
  "images of too many pixels": [MALFORMED, 1],
  "a 400 without a body": ["⚠️ kimi-code/kimi-for-coding request failed (HTTP 400).", 4],
  "a page with 400": [
    "The provider returned an HTML error page instead of an API response. This usually means a CDN or gateway (e.g. Cloudflare) blocked the request. Retry in a moment or check provider status.",
    1,
  ],
};

/** What the host does not count as a failure of the profile. */
const UNCOUNTED: ReadonlySet<Recorded["kind"]> = new Set([
  undefined,
  "no_long_context",
  "context_overflow",
  "overloaded",
  "server_error",
]);

function expected(row: Recorded): readonly [string, number] {
  return row.kind === undefined
    ? (LEFT_TO_HOST[row.what] ?? ["", 0])
    : [WORDS_OF_HOST[row.kind] ?? `⚠️ ${sentenceOf(row)}`, 1];
}

/**
 * One row of those that the host cannot tell apart: the same status and the same sentence. All rows are in
 * `test/inference/answers.test.ts`. What asks for a pause is tried apart; no model call gets the answer about a page.
 */
const ROWS = [
  ...new Map(
    RECORDED.filter(
      ({ kind }) => !["page_refused", "rate_limited", "concurrency"].includes(kind ?? ""),
    ).map((row) => [
      `${String(row.answer.status)} ${row.kind === undefined ? row.what : sentenceOf(row)}`,
      row,
    ]),
  ).values(),
];

function recorded(what: string): Recorded {
  const found = RECORDED.find((one) => one.what === what);
  if (found === undefined) {
    throw new Error(`no recorded answer is called ${what}`);
  }
  return found;
}

describe("an answer of Kimi's API in a running gateway", () => {
  let shared: SharedGateway;
  let standIn: StandIn;
  let host: Host;
  let gateway: Gateway;
  let chat: ChatWindow;
  const usage = () => host.readAuthState()["kimi-code:default"] ?? {};

  it.beforeAll(async ({ shared: given }) => {
    shared = given;
    ({ standIn, host, gateway, chat } = shared);
    await shared.reset();
  }, 180_000);

  beforeEach(async () => {
    standIn.heal();
    // Tokens of less than a minute are not renewed by force.
    await writeCliLogin(host, standIn, standIn.issueLogin());
    standIn.clear();
  });

  // One that we tell the host about, and one that it reads itself.
  it.each(["tokens that are too many", "too many tokens, in other words"])(
    "that is an overflow (%s) is compacted in a long session, and the turn goes on",
    async (what) => {
      const session = `agent:main:${crypto.randomUUID()}`;
      for (const turn of [1, 2, 3]) {
        await chat.say(`${String(turn)} ${"words to be summed up later ".repeat(4_000)}`, session);
      }
      standIn.clear();
      standIn.failNext("chat", { kind: "status", ...recorded(what).answer });
      expect(await chat.say("and now?", session)).toEqual({ ok: true, text: "pong" });
      expect(standIn.count("chat")).toBeGreaterThanOrEqual(3);
    },
  );

  // What the host held against the profile would keep the next row from Kimi.
  it.each(ROWS)("is told once in plain words, and costs the login nothing: $what", async (row) => {
    const [text, times] = expected(row);
    const before = Date.now();
    standIn.failAlways("chat", { kind: "status", ...row.answer });
    expect(await chat.say("hi")).toEqual({ ok: false, text });
    expect(standIn.count("chat")).toBe(times);
    // No answer renews the login: its tokens are too young for that.
    expect(standIn.count("token")).toBe(0);
    // The host counts the failure and pauses the profile a moment later; the plugin ends that.
    await expect
      .poll(() => [(usage().lastFailureAt ?? 0) >= before, usage().cooldownUntil], {
        timeout: 10_000,
      })
      .toEqual([!UNCOUNTED.has(row.kind), undefined]);
    expect(usage()).not.toHaveProperty("disabledUntil");
  });

  it.each([
    ["a rate limit", BUSY[0]],
    ["too many at once", BUSY[1]],
  ])(
    "that asks for a pause (%s) is told once, and the host pauses that model",
    async (what, id) => {
      const session = await shared.sessionWith(id);
      const row = recorded(what);
      standIn.failAlways("chat", { kind: "status", ...row.answer });
      expect(await chat.say("hi", session)).toEqual({ ok: false, text: expected(row)[0] });
      expect(standIn.count("chat")).toBe(1);
      await expect
        .poll(usage, { timeout: 10_000 })
        .toMatchObject({ cooldownReason: "rate_limit", cooldownModel: id });
      standIn.heal();
      expect(await gateway.chat("hi")).toMatchObject({ text: "pong" });
    },
  );
});
