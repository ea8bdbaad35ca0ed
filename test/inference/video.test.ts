/** A video that a user sends: uploaded, described by a model of the account, and told to OpenClaw in words. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { AgentRuns } from "../kit/openclaw/agent-run.ts";
import { registrations } from "../kit/openclaw/provider.ts";
import type { JsonObject } from "../kit/openclaw/layout.ts";
import { defaultModels, type ModelRow } from "../kit/standin/accounts.ts";
import { badRequest, QUOTA_WEEKLY } from "../kit/standin/bodies.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import { startOver } from "../kit/start-over.ts";
import type { describeVideo } from "../../src/inference/video.ts";

type Request = Parameters<typeof describeVideo>[0];

let standIn: StandIn;
let runs: AgentRuns;

beforeAll(async () => {
  runs = await AgentRuns.create();
});

beforeEach(async () => {
  standIn = await startStandIn();
  await startOver(runs, standIn);
});

afterEach(async () => {
  await standIn.close();
});

afterAll(async () => {
  await runs[Symbol.asyncDispose]();
});

/** Asks the registered provider, as OpenClaw does, about a model whose account's list is known. */
async function describes(model: string, more: Partial<Request> = {}) {
  const made = registrations("discovery").find(
    ({ method }) => method === "registerMediaUnderstandingProvider",
  );
  const provider = made?.args[0] as { describeVideo: typeof describeVideo };
  await runs.model(model);
  standIn.clear();
  return await provider.describeVideo({
    buffer: Buffer.from("a video"),
    fileName: "a.mp4",
    mime: "video/mp4",
    apiKey: "of nobody",
    model,
    prompt: "What is in it?",
    timeoutMs: 20_000,
    ...more,
  });
}

function rows(change: (row: ModelRow) => Partial<ModelRow>): ModelRow[] {
  return defaultModels().map((row) => ({ ...row, ...change(row) }));
}

const lastBody = (): JsonObject => standIn.requests.at(-1)?.json as JsonObject;
const ids = (account?: string): string[] => [...standIn.account(account).files.keys()];

describe("a video that a user sends", () => {
  it.each([
    [null, (id: string) => ({ type: "video_url", video_url: { url: `ms://${id}`, id } })],
    ["anthropic", (id: string) => ({ type: "video", source: { type: "url", url: `ms://${id}` } })],
  ] as const)("is described by the model in use (protocol %s)", async (protocol, part) => {
    standIn.account().models = rows(() => ({ protocol }));
    standIn.script([{ text: "a cat" }]);
    expect(await describes("k3")).toEqual({ text: "a cat", model: "k3" });
    const [id = ""] = ids();
    expect(standIn.account().files.get(id)).toEqual({ purpose: "video", bytes: 7 });
    expect(lastBody()).toMatchObject({
      model: "k3",
      messages: [{ role: "user", content: [part(id), { type: "text", text: "What is in it?" }] }],
    });
    expect(standIn.violations).toEqual([]);
  });

  it("is described by another model where the one in use takes none", async () => {
    standIn.script([{ text: "a cat" }]);
    expect(await describes("k3-256k")).toEqual({ text: "a cat", model: "kimi-for-coding" });
  });

  it("is not sent where no model of the account takes one", async () => {
    standIn.account().models = rows(() => ({ supports_video_in: false }));
    await expect(describes("k3")).rejects.toThrow("No model of this Kimi account takes videos.");
    expect(standIn.requests).toEqual([]);
  });

  it("goes to the account whose token OpenClaw hands over", async () => {
    standIn.createAccount({ id: "user-2" });
    await runs.signIn(standIn, "kimi-code:second", "user-2");
    const model = await runs.model("k3", "kimi-code:second");
    const apiKey = await tokenOf(model, "kimi-code:second");
    await describes("k3", { apiKey });
    expect([ids().length, ids("user-2").length]).toEqual([0, 1]);
    expect(standIn.violations).toEqual([]);
  });

  it("is uploaded once more when Kimi does not know the first upload any more", async () => {
    await describes("k3");
    const [old = ""] = ids();
    standIn.account().files.clear();
    expect(await describes("k3")).toMatchObject({ text: "pong" });
    expect([ids().length, standIn.count("files"), ids()[0] === old]).toEqual([1, 1, false]);
  });

  it.each([
    ["an upload that fails", "files", { status: 500, body: "" }, /did not take the upload/u],
    ["a quota that is used up", "chat", QUOTA_WEEKLY, /usage limit/u],
    ["an empty answer", "chat", { status: 200, body: "{}" }, /./u],
    ["an id that is never taken", "chat", badRequest("Invalid request: file not found"), /./u],
  ] as const)("costs a sentence and nothing else: %s", async (_what, route, answer, sentence) => {
    standIn.failAlways(route, { kind: "status", ...answer });
    await expect(describes("k3")).rejects.toThrow(sentence);
    expect(standIn.requests.length).toBeLessThanOrEqual(4);
  });
});

/** The token of a profile, as the host has it after `prepareRuntimeAuth`. */
async function tokenOf(model: unknown, profileId: string): Promise<string> {
  const auth = await runs.provider.prepareRuntimeAuth?.({ profileId, model } as never);
  return auth?.apiKey ?? "";
}
