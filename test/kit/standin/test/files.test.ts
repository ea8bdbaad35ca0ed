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
    form.set("file", file, "one.txt");
  }
  return form;
}

describe("an upload", () => {
  const file = new Blob(["one"]);

  it.each(["image", "video"])("of a file for a message (%s) has an id", async (purpose) => {
    const { status, json } = await upload(formOf(purpose, file));
    expect([status, json["id"]]).toEqual([200, expect.stringMatching(/./u)]);
    expect(standIn.violations).toEqual([]);
  });

  it.each([
    ["without a purpose", formOf(undefined, file)],
    ["for another purpose", formOf("file-extract", file)],
    ["without a file", formOf("image", undefined)],
  ])("%s is refused", async (_what, form) => {
    expect((await upload(form)).status).toBe(400);
    expect(standIn.violations).toHaveLength(1);
  });

  it("needs a form, a bearer and a membership", async () => {
    expect((await postJson(standIn, "/files", { purpose: "image" }, token)).status).toBe(400);
    expect((await upload(formOf("image", file), "nobody")).status).toBe(401);
    standIn.account().membership = "none";
    expect((await upload(formOf("image", file))).status).toBe(402);
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
