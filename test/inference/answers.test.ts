/** Each recorded answer of Kimi's API through the registered provider, around the host's own transport. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { AgentRuns } from "../kit/openclaw/agent-run.ts";
import { RECORDED, sentenceOf } from "../kit/recorded-answers.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";

const ASKED = {
  messages: [{ role: "user" as const, content: "hi", timestamp: 0 }],
};

describe("a recorded answer", () => {
  let standIn: StandIn;
  let runs: AgentRuns;

  beforeAll(async () => {
    standIn = await startStandIn();
    runs = await AgentRuns.create();
    await runs.signIn(standIn);
  });

  afterAll(async () => {
    await runs?.[Symbol.asyncDispose]();
    await standIn?.close();
  });

  beforeEach(() => {
    standIn.heal();
    standIn.clear();
  });

  it.each(
    RECORDED.flatMap((row) =>
      row.kind === undefined || row.kind === "page_refused" ? [] : [{ ...row, kind: row.kind }],
    ),
  )("is told by its sentence after one call, and the login is not renewed: $what", async (row) => {
    standIn.failAlways("chat", { kind: "status", ...row.answer });
    const answer = await runs.call(ASKED, { modelId: "kimi-for-coding" });
    expect([answer.stopReason, answer.errorMessage]).toEqual([
      "error",
      expect.stringContaining(sentenceOf(row)),
    ]);
    expect(standIn.count("chat")).toBe(1);
    expect(standIn.count("token")).toBe(0);
  });

  it("is no failure when Kimi serves again", async () => {
    const answer = await runs.call(ASKED, { modelId: "kimi-for-coding" });
    expect([answer.stopReason, answer.errorMessage]).toEqual(["stop", undefined]);
  });
});
