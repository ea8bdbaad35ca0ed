import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bearer, call, postJson, refresh } from "../client.ts";
import { startStandIn } from "../server.ts";
import type { StandIn } from "../server.ts";

let standIn: StandIn;
let token: string;

beforeEach(async () => {
  standIn = await startStandIn();
  token = standIn.issueLogin().access_token;
});

afterEach(async () => {
  await standIn.close();
});

async function upload(form: FormData, accessToken = token) {
  return await call(`${standIn.apiBase}/files`, { ...bearer(accessToken), body: form });
}

function formOf(purpose: string | undefined, file: Blob | undefined): FormData {
  const form = new FormData();
  if (purpose !== undefined) {
    form.set("purpose", purpose);
  }
  if (file !== undefined) {
    form.set("file", file, "one.bin");
  }
  return form;
}

function fileOf(type: string, content = "\0\x80\r\n--é"): Blob {
  return new Blob([content], { type });
}

function imagePart(url: string) {
  return {
    chat: { type: "image_url", image_url: { url } },
    messages: { type: "image", source: { type: "url", url } },
    responses: { type: "input_image", detail: "auto", image_url: url },
  };
}

async function ask(route: "chat" | "messages" | "responses", part: object) {
  const user = { role: "user", content: [part] };
  const body = { model: "kimi-for-coding", messages: [user] };
  switch (route) {
    case "chat":
      return await postJson(standIn, "/chat/completions", body, token);
    case "messages":
      return await postJson(standIn, "/messages", { ...body, max_tokens: 32_000 }, token);
    case "responses":
      return await postJson(
        standIn,
        "/responses",
        { model: "kimi-for-coding", input: [user], store: false },
        token,
      );
  }
}

async function refusalOf(file: Blob): Promise<unknown> {
  return (await upload(formOf("image", file))).json["error"];
}

describe("an upload", () => {
  it.each([
    ["image", "image/png"],
    ["video", "video/mp4"],
  ])("of a file for a message (%s) has an id", async (purpose, type) => {
    const file = fileOf(type);
    const { status, json } = await upload(formOf(purpose, file));
    expect([status, json["id"], json["bytes"]]).toEqual([
      200,
      expect.stringMatching(/./u),
      file.size,
    ]);
    expect(standIn.account().files.get(json["id"] as string)).toEqual({
      purpose,
      bytes: file.size,
    });
    expect(standIn.violations).toEqual([]);
  });

  it.each([
    ["without a purpose", formOf(undefined, fileOf("image/png"))],
    ["for another purpose", formOf("file-extract", fileOf("image/png"))],
    ["without a file", formOf("image", undefined)],
    ["of another type than its purpose", formOf("image", fileOf("video/mp4"))],
  ])("%s is refused", async (_what, form) => {
    expect((await upload(form)).status).toBe(400);
    expect(standIn.violations).toHaveLength(1);
  });

  it("needs a form, a bearer and a membership", async () => {
    const form = formOf("image", fileOf("image/png"));
    expect((await postJson(standIn, "/files", { purpose: "image" }, token)).status).toBe(400);
    expect((await upload(form, "nobody")).status).toBe(401);
    standIn.account().membership = "none";
    expect((await upload(form)).status).toBe(402);
  });

  it("is refused where it is empty, too large, or one too many", async () => {
    expect(await refusalOf(fileOf("image/png", ""))).toMatchObject({
      message: expect.stringMatching(/^File size is zero/u),
    });
    for (let count = 0; count < 1_000; count += 1) {
      standIn.account().files.set(`file-${String(count)}`, { purpose: "image", bytes: 1 });
    }
    expect(await refusalOf(fileOf("image/png"))).toMatchObject({
      message: expect.stringMatching(/exceeded the max file count 1000/u),
    });
  });
});

describe("a message that names a file", () => {
  it.each(["chat", "messages", "responses"] as const)(
    "has to be of its account: %s",
    async (route) => {
      const { json } = await upload(formOf("image", fileOf("image/png")));
      const id = json["id"] as string;
      expect((await ask(route, imagePart(`ms://${id}`)[route])).status).toBe(200);
      const { status, json: refusal } = await ask(route, imagePart("ms://nobodys")[route]);
      expect([status, (refusal["error"] as { message: string }).message]).toEqual([
        400,
        "Invalid request: unsupported image url: ms://nobodys",
      ]);
      standIn.createAccount({ id: "user-2" });
      token = standIn.issueLogin("user-2").access_token;
      expect((await ask(route, imagePart(`ms://${id}`)[route])).status).toBe(400);
    },
  );

  it("has to be of the file's purpose", async () => {
    const { json } = await upload(formOf("image", fileOf("image/png")));
    const url = `ms://${json["id"] as string}`;
    expect((await ask("chat", { type: "video_url", video_url: { url } })).status).toBe(400);
  });

  it("may be a video only where the model takes one", async () => {
    const { json } = await upload(formOf("video", fileOf("video/mp4")));
    const video = {
      type: "video_url",
      video_url: { url: `ms://${json["id"] as string}`, id: json["id"] },
    };
    expect((await ask("chat", video)).status).toBe(200);
    for (const row of standIn.account().models) {
      row.supports_video_in = false;
    }
    expect((await ask("chat", video)).status).toBe(400);
  });
});

async function chat(body: object) {
  const messages = [{ role: "user", content: "hi" }];
  return await postJson(
    standIn,
    "/chat/completions",
    { model: "kimi-for-coding", messages, ...body },
    token,
  );
}

describe("a chat completion", () => {
  it.each([
    [5 * 1024 * 1024, 200],
    [5 * 1024 * 1024 + 3, 400],
  ])("with an image of %d bytes is answered with %d", async (bytes, status) => {
    const url = `data:image/png;base64,${Buffer.alloc(bytes).toString("base64").replaceAll("=", "")}`;
    const content = [{ type: "image_url", image_url: { url } }];
    expect((await chat({ messages: [{ role: "user", content }] })).status).toBe(status);
  });

  it.each([
    [1, 200],
    [2, 400],
  ])("with a tool of %d conditions is answered with %d", async (count, status) => {
    const one = JSON.parse(
      '{"if":{"properties":{"a":{"const":"x"}}},"then":{"required":["a"]}}',
    ) as object;
    const parameters = {
      type: "object",
      properties: { a: { type: "string" } },
      allOf: Array.from({ length: count }, () => one),
    };
    const tools = [{ type: "function", function: { name: "conditions", parameters } }];
    expect((await chat({ tools })).status).toBe(status);
  });
});

describe("tokens, where a test wants them different", () => {
  it("keeps the refresh token", async () => {
    standIn.settings.rotatesRefreshToken = false;
    const first = standIn.issueLogin();
    const { json } = await refresh(standIn, first.refresh_token);
    expect(json["refresh_token"]).toBe(first.refresh_token);
    expect((await refresh(standIn, first.refresh_token)).status).toBe(200);
  });

  it("takes a spent refresh token", async () => {
    standIn.settings.takesUsedRefreshToken = true;
    const first = standIn.issueLogin();
    await refresh(standIn, first.refresh_token);
    expect((await refresh(standIn, first.refresh_token)).status).toBe(200);
    expect(standIn.reusedRefreshTokens).toBe(1);
  });
});
