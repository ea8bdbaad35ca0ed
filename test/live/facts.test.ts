/** The check against the real Kimi, held against the table of facts and against the stand-in. */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CHECKS } from "../../scripts/live/checks/index.ts";
import { EXIT } from "../../scripts/live/run.ts";
import type { HomeKind } from "../../src/logins/homes.ts";
import { live, liveEnv, liveOptions, modelsOfAllProtocols } from "../kit/live.ts";
import {
  homeFor,
  LIFETIME_MS,
  ownerText,
  removeScratch,
  stored,
  writeLogin,
} from "../kit/logins.ts";
import { NO_MEMBERSHIP, QUOTA_WEEKLY, RATE_LIMITED } from "../kit/standin/bodies.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";

const ROOT = path.join(import.meta.dirname, "../..");

let standIn: StandIn;

beforeEach(async () => {
  standIn = await startStandIn();
  standIn.account().models = modelsOfAllProtocols();
});

afterEach(async () => {
  await standIn.close();
  await removeScratch();
});

interface Fact {
  readonly fact: string;
  readonly source: string;
  readonly heldBy: string;
  readonly live: string;
}

async function facts(): Promise<Fact[]> {
  const text = await readFile(path.join(ROOT, "docs/kimi-code-oauth.md"), "utf8");
  const [, section = ""] = text.split("## What is known of Kimi's API\n");
  const rows =
    section
      .split("\n## ", 1)[0]
      ?.split("\n")
      .filter((line) => line.startsWith("| ")) ?? [];
  return rows.slice(2).map((line) => {
    const [fact = "", source = "", heldBy = "", seenLive = ""] = line.slice(2, -2).split(" | ");
    return { fact, source, heldBy, live: seenLive };
  });
}

function inBackticks(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/gu)].map(([, inner = ""]) => inner);
}

function numbersOf(text: string): readonly string[] {
  return text.match(/\d+/gu) ?? [];
}

function idsIn({ live: cell }: Fact): string[] {
  return inBackticks(cell).filter((text) => !text.startsWith("--"));
}

describe("the table of facts", () => {
  const known = CHECKS.map(({ id }) => id);

  it("names checks in each row, or says why there is none", async () => {
    const rows = await facts();
    expect(rows.length).toBeGreaterThan(20);
    for (const row of rows) {
      expect([row.fact, row.live], "a row without a check or a reason").toEqual([
        expect.stringMatching(/\w/u),
        expect.stringMatching(/^(?:`[a-z]+\.|no: \w+ \w+)/u),
      ]);
      expect(known, row.fact).toEqual(expect.arrayContaining(idsIn(row)));
    }
  });

  it("has a row for each check", async () => {
    const named = (await facts()).flatMap(idsIn);
    expect(named.toSorted()).toEqual([...new Set(known)].toSorted());
  });

  it("says which are not known, and so do the checks", async () => {
    const rows = await facts();
    const unknown = rows.filter(({ source }) => source.startsWith("not known")).flatMap(idsIn);
    expect(unknown.length).toBeGreaterThan(3);
    expect(
      CHECKS.filter(({ assumed }) => assumed === true)
        .map(({ id }) => id)
        .toSorted(),
    ).toEqual(unknown.toSorted());
  });

  it("says the same numbers as the checks", async () => {
    const rows = await facts();
    for (const [id, numbers] of [
      ["token.lifetime", ["900"]],
      ["tools.names", ["3", "64"]],
      ["errors.size", ["2"]],
      ["errors.image", ["5"]],
      ["models.context", []],
    ] as const) {
      const row = rows.find((one) => idsIn(one).includes(id));
      const check = CHECKS.find((one) => one.id === id);
      const said = numbersOf(`${check?.fact ?? ""} ${check?.expected ?? ""}`);
      expect(
        numbersOf(row?.fact ?? "").filter((number) => said.includes(number)),
        id,
      ).toEqual(numbers);
    }
  });

  it("names files that exist", async () => {
    const files = (await facts())
      .flatMap(({ heldBy }) => inBackticks(heldBy))
      .filter((name) => name.startsWith("test/"));
    expect(files.filter((file) => !existsSync(path.join(ROOT, file)))).toEqual([]);
    expect(files.length).toBeGreaterThan(20);
  });
});

describe("against a stand-in that is as Kimi is known to be", () => {
  it("all facts match, each of them, with a login by device code", async () => {
    const run = await live(standIn, liveOptions({ device: true, spend: true }));
    expect(run.verdicts).toEqual(Object.fromEntries(CHECKS.map(({ id }) => [id, "match"])));
    expect(run.code).toBe(EXIT.match);
    expect(run.out).toContain(
      `\n${String(CHECKS.length)} match, 0 differ, 0 not checked, 0 without an answer.\n`,
    );
  });

  it("sends about as many requests and calls as it says, all under the plugin's own name", async () => {
    const run = await live(standIn, liveOptions({ device: true, spend: true }));
    const [, requests, calls] =
      /about (\d+) requests\. Models answer about (\d+) of them/u.exec(run.screen) ?? [];
    expect(Math.abs(standIn.requests.length - Number(requests))).toBeLessThanOrEqual(3);
    const inference = standIn.requests.filter(
      ({ route, status }) => status === 200 && ["chat", "messages", "responses"].includes(route),
    );
    expect(inference).toHaveLength(Number(calls));
    const tokens = inference.reduce((sum, { body }) => sum + body.length / 4, 0);
    expect(tokens).toBeGreaterThan(5_000);
    expect(tokens).toBeLessThan(20_000);
    expect(
      new Set(standIn.requests.map(({ headers }) => headers["user-agent"]?.split("/")[0])),
    ).toEqual(new Set(["kimi-code-oauth"]));
    expect(new Set(standIn.requests.map(({ headers }) => headers["x-msh-platform"]))).toEqual(
      new Set(["kimi_code_oauth"]),
    );
  });

  it.each<HomeKind>(["kimi-code-cli", "kimi-cli"])(
    "refreshes the login of the %s once, and leaves it there in its owner's form",
    async (kind) => {
      const env = await liveEnv(standIn);
      const dir = (kind === "kimi-cli" ? env.KIMI_SHARE_DIR : env.KIMI_CODE_HOME) ?? "";
      const home = homeFor(kind, dir, standIn);
      const first = standIn.issueLogin();
      await writeLogin(home, first);
      const run = await live(standIn, liveOptions(), { env });
      const notChecked = CHECKS.filter(({ id }) => run.verdicts[id] !== "match").map(({ id }) => [
        id,
        run.verdicts[id],
      ]);
      expect(notChecked).toEqual([
        ["device.reply", "not checked"],
        ["device.pending", "not checked"],
        ["token.reuse", "not checked"],
        ["token.reuse-ends", "not checked"],
      ]);
      expect(run.code).toBe(EXIT.match);
      expect(run.screen).toContain(`${home.slot}.json`);
      const refreshes = standIn
        .tokenRequests("refresh_token")
        .filter(({ form }) => form?.["refresh_token"]?.startsWith("made-up") === false);
      expect(refreshes).toHaveLength(1);
      expect(standIn.reusedRefreshTokens).toBe(0);
      const file = await stored(home);
      expect(standIn.isLiveRefresh(String(file["refresh_token"]))).toBe(true);
      expect(standIn.isLiveAccess(String(file["access_token"]))).toBe(true);
      const text = await readFile(home.file, "utf8");
      const { access_token, refresh_token, scope, token_type, expires_in } = file;
      const asOwner = ownerText(home, {
        access_token,
        refresh_token,
        scope,
        token_type,
        expires_in,
      } as typeof first);
      expect(text.replaceAll(/\d{10}(?:\.\d+)?/gu, "T")).toBe(
        asOwner.replaceAll(/\d{10}(?:\.\d+)?/gu, "T"),
      );
      expect(await readdir(path.dirname(home.file))).not.toContainEqual(
        expect.stringContaining("tmp"),
      );
      expect(existsSync(`${path.join(dir, "oauth", home.slot)}.lock`)).toBe(false);
    },
  );

  it("knows both shapes of the usage", async () => {
    standIn.account().usages = "A";
    const run = await live(standIn, liveOptions({ device: true }));
    expect(run.verdicts["account.usages"]).toBe("match");
  });

  it("takes a login whose access token ended long ago", async () => {
    const env = await liveEnv(standIn);
    const home = homeFor("kimi-code-cli", env.KIMI_CODE_HOME ?? "", standIn);
    await writeLogin(home, standIn.issueLogin(), { issuedAtMs: Date.now() - 10 * LIFETIME_MS });
    const run = await live(standIn, liveOptions(), { env });
    expect(run.verdicts).toMatchObject({
      "token.rotation": "match",
      "token.old-access": "not checked",
    });
    expect(run.code).toBe(EXIT.match);
  });
});

describe("when Kimi does not answer", () => {
  it("waits as long as Kimi asks, and goes on", async () => {
    standIn.failNext("chat", { kind: "status", ...RATE_LIMITED, headers: { "retry-after": "7" } });
    const pauses: number[] = [];
    const run = await live(standIn, liveOptions({ device: true }), {
      waits: {
        now: Date.now,
        sleep: async (ms) => {
          pauses.push(ms);
        },
      },
    });
    expect(pauses).toContain(7_000);
    expect(run.verdicts["identity.chat"]).toBe("match");
  });

  it.each([
    ["a quota that is used up", "chat", QUOTA_WEEKLY],
    ["no membership", "chat", NO_MEMBERSHIP],
  ] as const)("does not call it a difference: %s", async (_what, route, answer) => {
    standIn.failAlways(route, { kind: "status", ...answer });
    const run = await live(standIn, liveOptions({ device: true }));
    expect(run.code).toBe(EXIT.noAnswer);
    expect(run.verdicts).toMatchObject({
      "identity.chat": "no answer",
      "tools.refused": "no answer",
      "identity.messages": "match",
    });
    expect(Object.values(run.verdicts)).not.toContain("**differs**");
  });

  it("goes on after a connection that broke", async () => {
    standIn.failAlways("search", { kind: "reset" });
    const run = await live(standIn, liveOptions({ device: true }));
    expect(run.verdicts).toMatchObject({ "web.search": "no answer", "web.fetch": "match" });
    expect(run.code).toBe(EXIT.noAnswer);
  });
});
