/** Images of a conversation, as the stand-in gets them, and what becomes of one that Kimi refuses. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { fitMedia, type Upload } from "../../src/inference/media.ts";
import { AgentRuns } from "../kit/openclaw/agent-run.ts";
import type { Answer, Context, HostMessage } from "../kit/openclaw/transports.ts";
import { defaultModels } from "../kit/standin/accounts.ts";
import { badRequest } from "../kit/standin/bodies.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import { startOver } from "../kit/start-over.ts";

const MIB = 1024 * 1024;
const PROTOCOLS = [
  [null, "chat"],
  ["anthropic", "messages"],
  ["response", "responses"],
] as const;

/** How a PNG begins; one of the host's transports looks. */
const PNG = "iVBORw0KGgoAAAANSUhEUgAA";

/** Base64 of a PNG of so many bytes, with a mark near its start. */
function data(mark: string, bytes = 30): string {
  return `${PNG}${mark}`.padEnd(Math.ceil((bytes * 4) / 3 / 4) * 4, "A");
}

function image(mark: string, bytes?: number) {
  return { type: "image" as const, data: data(mark, bytes), mimeType: "image/png" };
}

function shown(...images: ReturnType<typeof image>[]): HostMessage {
  return { role: "user", content: [{ type: "text", text: "look" }, ...images], timestamp: 1 };
}

function answered(text = "seen"): Answer {
  const cost = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, total: 0 };
  return {
    role: "assistant",
    content: [{ type: "text", text }],
    api: "openai-completions",
    provider: "kimi-code",
    model: "kimi-for-coding",
    usage: { input: 1, output: 1, cacheRead: 0, cacheWrite: 0, totalTokens: 2, cost },
    stopReason: "stop",
    timestamp: 1,
  };
}

/** The value as text, of an image only its start; and how long the whole text is. */
function shortened(value: unknown): { text: string; length: number } {
  let cut = 0;
  const text = JSON.stringify(value, (key, member: unknown) => {
    if (key !== "data" || typeof member !== "string") {
      return member;
    }
    const start = member.slice(0, 60);
    cut += member.length - start.length;
    return start;
  });
  return { text, length: text.length + cut };
}

/** The marks of the images that a text still has. */
function marks(value: unknown): string[] {
  return [...new Set(shortened(value).text.match(/pic\d\d/gu))].toSorted();
}

/** Kimi takes no upload. */
const NONE: Upload = async () => new Map();
/** Kimi takes every upload, and gives it its mark as its id. */
const ALL: Upload = async (parts) =>
  new Map(parts.map((part) => [part, /(?:pic|mov)\d\d/u.exec(part.data)?.[0] ?? "unmarked"]));

describe("the limits of a request", () => {
  it("lets images pass that the Kimi Code CLI sends inline", async () => {
    const context: Context = { messages: [shown(image("pic00", 5 * MIB - 2), image("pic01"))] };
    expect(await fitMedia(context, ALL)).toEqual({ context, files: new Map() });
    expect((await fitMedia(context, ALL)).context).toBe(context);
  });

  const large = image("pic00", 5 * MIB + 3);
  const result: HostMessage = {
    role: "toolResult",
    toolCallId: "call-1",
    toolName: "screenshot",
    content: [large],
    isError: false,
    timestamp: 1,
  };

  it("leaves out an image that is larger, with a note, wherever it stands", async () => {
    const context = { messages: [shown(large, image("pic01")), answered(), result, shown()] };
    const { messages } = (await fitMedia(context, NONE)).context;
    expect(marks(messages)).toEqual(["pic01"]);
    expect(JSON.stringify(messages).match(/larger than the 5 MB that fit/gu)).toHaveLength(2);
    expect(marks(context.messages)).toEqual(["pic00", "pic01"]);
  });

  it("names a larger one by its upload, and every video", async () => {
    const video = { type: "video", data: data("mov00"), mimeType: "video/mp4" };
    const context = { messages: [shown(large, image("pic01")), result, shown(video as never)] };
    const { context: fitted, files } = await fitMedia(context, ALL);
    expect(marks(fitted.messages)).toEqual(["pic01"]);
    expect([...files.values()]).toEqual(["pic00", "mov00"]);
    expect(JSON.stringify(fitted.messages).length).toBeLessThan(2_000);
  });

  it("keeps a video that cannot be uploaded in the request, as long as there is room", async () => {
    const video = { type: "video", data: data("pic00", 12 * MIB), mimeType: "video/mp4" };
    const messages = [shown(video as never), shown(image("pic01", 3 * MIB))];
    expect(marks((await fitMedia({ messages }, NONE)).context)).toEqual(["pic00", "pic01"]);
    messages.push(shown(image("pic02", 3 * MIB)));
    const { context } = await fitMedia({ messages }, NONE);
    expect(marks(context)).toEqual(["pic01", "pic02"]);
    expect(JSON.stringify(context)).toContain("Video omitted: the request would be too large");
  });

  it.each([
    ["leaves out", NONE],
    ["uploads", ALL],
  ])(
    "%s the oldest where all together are too much, and the same ones as it grows",
    async (_what, upload) => {
      const left: string[][] = [];
      const messages: HostMessage[] = [];
      for (let turn = 0; turn < 20; turn += 1) {
        messages.push(shown(image(`pic${String(turn).padStart(2, "0")}`, 3 * MIB)), answered());
        const { context, files } = await fitMedia({ messages }, upload);
        left.push(marks(context.messages));
        expect(shortened(context.messages).length).toBeLessThan(21 * MIB);
        const others = marks(messages).filter((mark) => !left.at(-1)?.includes(mark));
        expect([...files.values()]).toEqual(upload === ALL ? others : []);
      }
      // 4 MiB of base64 each: five fit; the sixth leaves two.
      expect(left.map(({ length }) => length)).toEqual([
        1, 2, 3, 4, 5, 2, 3, 4, 5, 2, 3, 4, 5, 2, 3, 4, 5, 2, 3, 4,
      ]);
      for (const [turn, kept] of left.entries()) {
        expect(kept.at(-1)).toBe(`pic${String(turn).padStart(2, "0")}`);
        const since = new Set(left.slice(0, turn).flat());
        // What was left out once does not come back.
        expect(kept.every((mark) => !since.has(mark) || left[turn - 1]?.includes(mark))).toBe(true);
      }
    },
  );
});

describe.each(PROTOCOLS)("an image that Kimi refuses (protocol %s)", (protocol, route) => {
  let standIn: StandIn;
  let runs: AgentRuns;

  beforeAll(async () => {
    runs = await AgentRuns.create();
  });

  beforeEach(async () => {
    standIn = await startStandIn();
    standIn.account().models = defaultModels().map((row) => ({ ...row, protocol }));
    await startOver(runs, standIn);
    standIn.failAlways(
      route,
      { kind: "status", ...badRequest("image exceeds 5 MB maximum") },
      { when: ({ body }) => body.includes("pic66") },
    );
  });

  afterEach(async () => {
    await standIn.close();
  });

  afterAll(async () => {
    await runs[Symbol.asyncDispose]();
  });

  /** The model calls that came. */
  function calls() {
    return standIn.requests.filter(({ method, path }) => method === "POST" && !/oauth/u.test(path));
  }

  it("does not keep an earlier one from ending every later turn", async () => {
    const context = { messages: [shown(image("pic66")), answered(), shown(image("pic01"))] };
    const answer = await runs.call(context, { modelId: "kimi-for-coding" });
    expect(answer).toMatchObject({ stopReason: "stop" });
    expect(calls().map(({ json }) => marks(json))).toEqual([["pic01", "pic66"], ["pic01"]]);
    expect(JSON.stringify(calls().at(-1)?.json)).toContain("did not take an image");
    expect(standIn.violations).toEqual([]);
  });

  it("is left out where a tool brought it, and the turn goes on", async () => {
    const call = { type: "toolCall" as const, id: "call-1", name: "look", arguments: {} };
    const result: HostMessage = {
      role: "toolResult",
      toolCallId: "call-1",
      toolName: "look",
      content: [image("pic66")],
      isError: false,
      timestamp: 1,
    };
    const messages = [
      shown(image("pic01")),
      { ...answered(), stopReason: "toolUse" as const, content: [call] },
      result,
    ];
    const answer = await runs.call({ messages }, { modelId: "kimi-for-coding" });
    expect(answer).toMatchObject({ stopReason: "stop" });
    expect(calls().map(({ json }) => marks(json))).toEqual([["pic01", "pic66"], ["pic01"]]);
  });

  it("is told where it came with this turn", async () => {
    const context = { messages: [shown(image("pic01")), answered(), shown(image("pic66"))] };
    const answer = await runs.call(context, { modelId: "kimi-for-coding" });
    expect(answer.errorMessage).toMatch(/^Kimi did not take the image that you sent/u);
    expect(calls().length).toBe(2);
  });

  it("is told also where the host adds something of its own after it", async () => {
    const added = { ...shown(), runtimeContextCarrier: true } as HostMessage;
    const context = { messages: [shown(image("pic01")), answered(), shown(image("pic66")), added] };
    const answer = await runs.call(context, { modelId: "kimi-for-coding" });
    expect(answer.errorMessage).toMatch(/^Kimi did not take the image that you sent/u);
  });

  it("is told at once where there is no other", async () => {
    const answer = await runs.call(
      { messages: [shown(image("pic66"))] },
      { modelId: "kimi-for-coding" },
    );
    expect(answer.errorMessage).toMatch(/^Kimi did not take the image that you sent/u);
    expect(calls().length).toBe(1);
  });
});
