/** Images and videos that a request has no room for: uploaded once for each account, named by their id, and never in the way. */
import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { processState } from "../../src/process-state.ts";
import { AgentRuns } from "../kit/openclaw/agent-run.ts";
import type { Answer, Context, HostMessage } from "../kit/openclaw/transports.ts";
import { defaultModels } from "../kit/standin/accounts.ts";
import { badRequest, INVALID_BEARER, NO_MEMBERSHIP } from "../kit/standin/bodies.ts";
import { type RecordedRequest, type StandIn, startStandIn } from "../kit/standin/server.ts";
import { startOver } from "../kit/start-over.ts";

const MIB = 1024 * 1024;
const LARGE = 5 * MIB + 1;
/** Age of a token that is renewed when Kimi rejects it; a younger one is taken for rejected by mistake. */
const AGED_MS = 60_000;
const PROTOCOLS = [
  [null, "chat"],
  ["anthropic", "messages"],
  ["response", "responses"],
] as const;

/** How a PNG begins; one of the host's transports looks. */
const PNG = "iVBORw0KGgoAAAANSUhEUgAA";

/** An image of so many bytes, with a mark near its start. */
function image(mark: string, bytes = 30) {
  const data = `${PNG}${mark}`.padEnd(Math.ceil((bytes * 4) / 3 / 4) * 4, "A");
  return { type: "image" as const, data, mimeType: "image/png" };
}

/** The host's type knows no video; its transport does. */
function video(mark: string, bytes?: number) {
  return { ...image(mark, bytes), type: "video", mimeType: "video/mp4" } as unknown as ReturnType<
    typeof image
  >;
}

function shown(...parts: ReturnType<typeof image>[]): HostMessage {
  return { role: "user", content: [{ type: "text", text: "look" }, ...parts], timestamp: 1 };
}

function answered(content: Answer["content"] = [{ type: "text", text: "seen" }]): Answer {
  const cost = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, total: 0 };
  return {
    role: "assistant",
    content,
    api: "openai-completions",
    provider: "kimi-code",
    model: "kimi-for-coding",
    usage: { input: 1, output: 1, cacheRead: 0, cacheWrite: 0, totalTokens: 2, cost },
    stopReason: "stop",
    timestamp: 1,
  };
}

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
  vi.restoreAllMocks();
  await standIn.close();
});

afterAll(async () => {
  await runs[Symbol.asyncDispose]();
});

async function call(messages: HostMessage[], more: { profileId?: string; options?: object } = {}) {
  const context: Context = { messages };
  return await runs.call(context, { modelId: "kimi-for-coding", ...more } as Parameters<
    AgentRuns["call"]
  >[1]);
}

const uploads = (): RecordedRequest[] => standIn.requests.filter(({ route }) => route === "files");
const bodies = (): string[] =>
  standIn.requests
    .filter(({ route }) => ["chat", "messages", "responses"].includes(route))
    .map(({ body }) => body);
/** Ids of the account's files, the oldest first. */
const ids = (account?: string): string[] => [...standIn.account(account).files.keys()];
/** Ids that a body names. */
const named = (body = ""): string[] => body.match(/(?<=ms:\/\/)[\w-]+/gu) ?? [];
const NOTE = "larger than the 5 MB that fit into a request, and Kimi took no upload of it";

describe.each(PROTOCOLS)(
  "an image that is too large for a request (protocol %s)",
  (protocol, route) => {
    beforeEach(() => {
      standIn.account().models = defaultModels().map((row) => ({ ...row, protocol }));
    });

    const part = (id: string) =>
      ({
        chat: { type: "image_url", image_url: { url: `ms://${id}`, id } },
        messages: { type: "image", source: { type: "url", url: `ms://${id}` } },
        responses: { type: "input_image", detail: "auto", image_url: `ms://${id}` },
      })[route];

    it("is uploaded once, as this plugin, and named by its id from then on", async () => {
      const first = shown(image("pic00", LARGE), image("pic01"));
      expect(await call([first])).toMatchObject({ stopReason: "stop" });
      const [id = ""] = ids();
      expect(standIn.account().files.get(id)).toEqual({ purpose: "image", bytes: LARGE });
      expect(uploads()[0]?.headers).toMatchObject({
        "user-agent": expect.stringMatching(/^kimi-code-oauth\//u),
        "x-msh-platform": "kimi_code_oauth",
        "content-type": expect.stringMatching(/^multipart\/form-data; boundary=/u),
      });
      expect(uploads()[0]?.body).toMatch(/name="purpose"\r\n\r\nimage\r\n/u);
      expect(uploads()[0]?.body).toMatch(
        /name="file"; filename="upload\.png"\r\nContent-Type: image\/png/u,
      );

      expect(await call([first, answered(), shown(image("pic02"))])).toMatchObject({
        stopReason: "stop",
      });
      expect(uploads()).toHaveLength(1);
      // One object each, in the same bytes, so that the server's cache holds.
      const [before = "", after = ""] = bodies();
      expect(before).toContain(JSON.stringify(part(id)).slice(0, -1));
      expect(after).toContain(JSON.stringify(part(id)).slice(0, -1));
      expect(before).toContain("pic01");
      expect(standIn.violations).toEqual([]);
    });

    it("is uploaded where a tool brought it", async () => {
      const toolCall = { type: "toolCall" as const, id: "call-1", name: "look", arguments: {} };
      const result: HostMessage = {
        role: "toolResult",
        toolCallId: "call-1",
        toolName: "look",
        content: [{ type: "text", text: "here" }, image("pic00", LARGE)],
        isError: false,
        timestamp: 1,
      };
      const messages = [
        shown(),
        { ...answered([toolCall]), stopReason: "toolUse" as const },
        result,
      ];
      expect(await call(messages)).toMatchObject({ stopReason: "stop" });
      expect(named(bodies()[0])).toEqual(ids());
      expect(standIn.violations).toEqual([]);
    });

    it("goes with the oldest where all together are too much, and nothing is lost", async () => {
      const messages = Array.from({ length: 6 }, (_, at) => [
        shown(image(`pic0${String(at)}`, 3 * (MIB - at))),
        answered(),
      ]).flat();
      expect(await call([...messages, shown()])).toMatchObject({ stopReason: "stop" });
      const [body = ""] = bodies();
      expect(body.match(/pic\d\d/gu)).toEqual(["pic04", "pic05"]);
      const sizes = named(body).map((id) => standIn.account().files.get(id)?.bytes);
      expect(sizes).toEqual([0, 1, 2, 3].map((at) => 3 * (MIB - at)));
      expect(standIn.violations).toEqual([]);
    });

    it("is uploaded once more when Kimi does not know it any more, and the turn goes on", async () => {
      const first = shown(image("pic00", LARGE), image("pic01"));
      await call([first]);
      const [old = ""] = ids();
      standIn.account().files.clear();
      expect(await call([first, answered(), shown()])).toMatchObject({ stopReason: "stop" });
      const [fresh = ""] = ids();
      expect(fresh).not.toBe(old);
      expect(bodies().map((body) => named(body)[0])).toEqual([old, old, fresh]);
      expect(bodies().at(-1)).toContain("pic01");
      await call([first, answered(), shown()]);
      expect([uploads().length, named(bodies().at(-1))[0]]).toEqual([2, fresh]);
    });

    it("becomes a note where Kimi takes the upload and not its id, and is not uploaded again", async () => {
      standIn.failAlways(
        route,
        { kind: "status", ...badRequest("Invalid request: file not found") },
        { when: ({ body }) => body.includes("ms://") },
      );
      const messages = [shown(image("pic00", LARGE)), answered(), shown(image("pic01"))];
      for (let turn = 0; turn < 2; turn += 1) {
        expect(await call(messages)).toMatchObject({ stopReason: "stop" });
        expect(bodies().at(-1)).toContain(NOTE);
        expect(bodies().at(-1)).toContain("pic01");
      }
      expect([uploads().length, bodies().length]).toEqual([1, 3]);
    });
  },
);

describe("a video", () => {
  it("is always uploaded", async () => {
    expect(await call([shown(video("mov00"))])).toMatchObject({ stopReason: "stop" });
    const [id = ""] = ids();
    expect(standIn.account().files.get(id)?.purpose).toBe("video");
    expect(uploads()[0]?.body).toMatch(/filename="upload\.mp4"\r\nContent-Type: video\/mp4/u);
    expect(bodies()[0]).toContain(
      JSON.stringify({ type: "video_url", video_url: { url: `ms://${id}`, id } }),
    );
    expect(standIn.violations).toEqual([]);
  });

  it("goes in the request where it cannot be uploaded", async () => {
    standIn.failAlways("files", { kind: "status", status: 500 });
    expect(await call([shown(video("mov00"))])).toMatchObject({ stopReason: "stop" });
    expect(bodies()[0]).toContain(`data:video/mp4;base64,${PNG}mov00`);
  });

  it("that Kimi refuses does not end every later turn", async () => {
    standIn.failAlways("files", { kind: "status", status: 500 });
    standIn.failAlways(
      "chat",
      {
        kind: "status",
        ...badRequest(
          "the message at position 1 with role 'user' contains an invalid part type: video_url",
        ),
      },
      { when: ({ body }) => body.includes("video_url") },
    );
    expect(await call([shown(video("mov00")), answered(), shown()])).toMatchObject({
      stopReason: "stop",
    });
    expect(bodies().at(-1)).toContain("Video omitted: Kimi did not take");
  });

  it("is not uploaded for a model that takes none", async () => {
    for (const row of standIn.account().models) {
      row.supports_video_in = false;
    }
    expect(await call([shown(video("mov00"))])).toMatchObject({ stopReason: "stop" });
    expect(uploads()).toEqual([]);
    expect(bodies()[0]).not.toContain("mov00");
  });
});

/** A turn that must succeed without the upload; how many uploads there were so far. */
async function turnWithout(part: ReturnType<typeof image>, instead: string): Promise<number> {
  expect(await call([shown(part, image("pic01"))])).toMatchObject({ stopReason: "stop" });
  expect(bodies().at(-1)).toContain(instead);
  expect(bodies().at(-1)).toContain("pic01");
  return uploads().length;
}

/** The same with an image that does not fit, of which the model reads, or with a small video, which goes inline. */
const withImage = async (): Promise<number> => await turnWithout(image("pic00", LARGE), NOTE);
const withVideo = async (): Promise<number> =>
  await turnWithout(video("mov00"), `data:video/mp4;base64,${PNG}mov00`);

describe("an upload that fails", () => {
  it.each([
    ["413", { kind: "status", status: 413, body: "<html>too large</html>" }, withImage],
    [
      "400",
      { kind: "status", ...badRequest("File size is too large, max file size is 100MB") },
      withVideo,
    ],
  ] as const)("for its file's sake is not tried again: %s", async (_what, fault, once) => {
    standIn.failAlways("files", fault);
    expect([await once(), await once()]).toEqual([1, 1]);
    standIn.heal();
    await call([shown(video("mov02"))]);
    expect(named(bodies().at(-1))).toEqual(ids());
  });

  it.each([
    ["500", { kind: "status", status: 500 }, withImage],
    ["402", { kind: "status", ...NO_MEMBERSHIP }, withVideo],
    [
      "a page",
      { kind: "rawBody", status: 200, contentType: "text/html", body: "<html></html>" },
      withVideo,
    ],
    [
      "no id",
      { kind: "rawBody", status: 200, contentType: "application/json", body: "{}" },
      withVideo,
    ],
    [
      "an id that is none",
      { kind: "mutateReply", fn: (response) => ({ ...response, id: "a b/../c" }) },
      withVideo,
    ],
    ["a broken connection", { kind: "reset" }, withVideo],
    ["half a response", { kind: "resetMidBody" }, withVideo],
    ["a redirect", { kind: "redirect", location: "https://example.invalid/" }, withVideo],
  ] satisfies [string, Parameters<StandIn["failAlways"]>[1], () => Promise<number>][])(
    "for another reason is tried again after a while: %s",
    async (_what, fault, once) => {
      standIn.failAlways("files", fault);
      expect([await once(), await once()]).toEqual([1, 1]);
      standIn.heal();
      vi.spyOn(Date, "now").mockReturnValue(Date.now() + 5 * 60_000 + 1);
      expect(await call([shown(video("mov00"))])).toMatchObject({ stopReason: "stop" });
      expect(named(bodies().at(-1))).toEqual([ids().at(-1)]);
    },
  );

  it("for its bearer is sent once more with a renewed one", async () => {
    await runs.signIn(standIn, "kimi-code:default", undefined, AGED_MS);
    await call([shown()]);
    standIn.revokeAllAccess();
    standIn.clear();
    expect(await call([shown(video("mov00"))])).toMatchObject({ stopReason: "stop" });
    expect(uploads().map(({ status }) => status)).toEqual([401, 200]);
    expect(standIn.tokenRequests("refresh_token")).toHaveLength(1);
    // The model call has the renewed one from the start.
    expect(bodies().map(named)).toEqual([ids()]);
  });

  it("for its bearer again is a failure, and costs no second refresh", async () => {
    await runs.signIn(standIn, "kimi-code:default", undefined, AGED_MS);
    standIn.failAlways("files", { kind: "status", ...INVALID_BEARER });
    expect([await withVideo(), await withVideo()]).toEqual([2, 2]);
    expect(standIn.tokenRequests("refresh_token")).toHaveLength(1);
  });

  it("by never ending does not hold up a turn for long", async () => {
    const limit = AbortSignal.timeout.bind(AbortSignal);
    vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => limit(ms === 45_000 ? 200 : ms));
    standIn.failAlways("files", { kind: "hang" });
    expect([await withVideo(), await withVideo()]).toEqual([1, 1]);
  });

  it("with the run's end is canceled, and no call is made", async () => {
    standIn.failNext("files", { kind: "hang" });
    const run = new AbortController();
    const ended = call([shown(video("mov00"))], { options: { signal: run.signal } });
    await standIn.waitFor("files");
    run.abort();
    expect(await ended).toMatchObject({ stopReason: "aborted" });
    expect(bodies()).toEqual([]);
    // The next turn tries at once.
    expect(await call([shown(video("mov00"))])).toMatchObject({ stopReason: "stop" });
    expect(named(bodies()[0])).toEqual(ids());
  });
});

describe("what was uploaded", () => {
  const messages = [shown(video("mov00"))];

  it("is known after a restart, by a note that only its owner reads", async () => {
    await call(messages);
    processState("uploads", () => new Map()).clear();
    await call(messages);
    expect([uploads().length, bodies().map(named)]).toEqual([1, [ids(), ids()]]);
    const folder = path.join(process.env["OPENCLAW_STATE_DIR"] ?? "", "kimi-code-oauth", "uploads");
    const [note = "", ...others] = await readdir(folder);
    expect([others, (await stat(path.join(folder, note))).mode & 0o777]).toEqual([[], 0o600]);
    expect(await readFile(path.join(folder, note), "utf8")).toMatch(
      new RegExp(`^\\{"version":1,"files":\\{"[0-9a-f]{64}":"${ids()[0] ?? ""}"\\}\\}\n$`, "u"),
    );
  });

  it("is never named in another account's calls", async () => {
    standIn.createAccount({ id: "user-2" });
    await runs.signIn(standIn, "kimi-code:second", "user-2");
    await call(messages);
    await call(messages, { profileId: "kimi-code:second" });
    await call(messages);
    expect([ids().length, ids("user-2").length, uploads().length]).toEqual([1, 1, 2]);
    expect(bodies().map(named)).toEqual([ids(), ids("user-2"), ids()]);
    expect(standIn.violations).toEqual([]);
  });

  it("is shared by two logins of one account, where their tokens say so", async () => {
    standIn.createAccount({ id: "user-3", jwtAccessTokens: true });
    await runs.signIn(standIn, "kimi-code:third", "user-3");
    await runs.signIn(standIn, "kimi-code:fourth", "user-3");
    await call(messages, { profileId: "kimi-code:third" });
    await call(messages, { profileId: "kimi-code:fourth" });
    expect(uploads()).toHaveLength(1);
    expect(bodies().map(named)).toEqual([ids("user-3"), ids("user-3")]);
  });

  it("is sent once where a conversation has it twice", async () => {
    await call([...messages, answered(), ...messages]);
    expect(uploads()).toHaveLength(1);
    expect(named(bodies()[0])).toEqual([...ids(), ...ids()]);
  });
});
