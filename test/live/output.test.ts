/** What the check against the real Kimi prints: a table to paste, with nothing in it that is secret or personal. */
import os from "node:os";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseLiveArguments, UsageError } from "../../scripts/live/arguments.ts";
import { Redactor } from "../../scripts/live/redact.ts";
import { EXIT } from "../../scripts/live/run.ts";
import { markdown } from "../../scripts/live/table.ts";
import { live, liveEnv, liveOptions, type LiveRun, modelsOfAllProtocols } from "../kit/live.ts";
import { homeFor, removeScratch, writeLogin } from "../kit/logins.ts";
import {
  type RecordedRequest,
  type Route,
  type StandIn,
  startStandIn,
} from "../kit/standin/server.ts";

const PERSON = {
  user_id: "d1pl0m4tuser77",
  nickname: "Zaphod B",
  username: "zaphod42",
  bio: "two heads, three arms",
  email: "zaphod@hog.example.invalid",
  phone: { country_code: "+999", number: "5550142023" },
  avatar: "https://img.example.invalid/zaphod42.png",
  global_id: "gl0b4l-1d-8842",
};

let standIn: StandIn;

beforeEach(async () => {
  standIn = await startStandIn();
  standIn.createAccount({
    id: PERSON.user_id,
    me: PERSON,
    models: modelsOfAllProtocols(),
    jwtAccessTokens: true,
  });
  standIn.device.accountId = PERSON.user_id;
});

afterEach(async () => {
  await standIn.close();
  await removeScratch();
});

/** Everything that must not be printed, as the server knows it. */
function secrets(requests: readonly RecordedRequest[]): string[] {
  const tokens = requests.flatMap(({ bearer, form, headers }) => [
    bearer ?? "",
    form?.["refresh_token"] ?? "",
    form?.["device_code"] ?? "",
    headers["x-msh-device-id"] ?? "",
  ]);
  const current = tokens.flatMap((token) => {
    const login = standIn.login(token);
    return login === undefined ? [] : [login.accessToken, login.refreshToken];
  });
  const person = Object.values(PERSON).flatMap((value) =>
    typeof value === "string" ? value : Object.values(value),
  );
  const known = [...tokens, ...current, ...person, os.hostname()];
  // What a JWT says of the account is as good as the token.
  const parts = known.flatMap((one) => (one.startsWith("ey") ? [one.split(".")[1] ?? ""] : []));
  return [...new Set([...known, ...parts])].filter(
    (one) => one !== "" && !one.startsWith("made-up"),
  );
}

function expectNoSecrets(run: LiveRun): void {
  const all = secrets(standIn.requests);
  expect(all.length).toBeGreaterThan(12);
  expect(all.filter((secret) => run.out.includes(secret) || run.screen.includes(secret))).toEqual(
    [],
  );
}

/** Refusals that repeat everything that came with the request, as debug pages do. */
function answerTalkatively(routes: readonly Route[]): void {
  for (const route of routes) {
    let last: RecordedRequest | undefined;
    standIn.failAlways(
      route,
      {
        kind: "mutateReply",
        fn: () => ({
          error: {
            type: `bad_${PERSON.username}`,
            message: `${PERSON.email} ${PERSON.user_id}: ${last?.headers["authorization"] ?? ""} ${last?.headers["x-msh-device-id"] ?? ""} ${os.hostname()} ${PERSON.phone.number}`,
          },
          [PERSON.email]: last?.bearer,
        }),
      },
      {
        when: (request) => {
          last = request;
          return true;
        },
      },
    );
  }
}

describe("what is printed", () => {
  it("holds no token and nothing of the account", async () => {
    const run = await live(standIn, liveOptions({ device: true, spend: true }));
    expect(run.code).toBe(EXIT.match);
    expectNoSecrets(run);
  });

  it("holds none when the answers repeat them", async () => {
    answerTalkatively(["usages", "search", "fetch", "files"]);
    const env = await liveEnv(standIn);
    const home = homeFor("kimi-code-cli", env.KIMI_CODE_HOME ?? "", standIn);
    await writeLogin(home, standIn.issueLogin(PERSON.user_id));
    const run = await live(standIn, liveOptions(), { env });
    expect(run.verdicts).toMatchObject({
      "account.usages": "**differs**",
      "web.search": "**differs**",
    });
    expectNoSecrets(run);
  });

  it("holds none when a call is refused with them", async () => {
    let bearer = "";
    const message = (): string =>
      `who is ${bearer} of ${PERSON.email} (${PERSON.nickname}), device ${PERSON.global_id}?`;
    standIn.failAlways(
      "chat",
      {
        kind: "status",
        status: 400,
        get body() {
          return { error: { type: "invalid_request_error", message: message() } };
        },
      },
      {
        when: (request) => {
          bearer = request.bearer ?? "";
          return true;
        },
      },
    );
    const run = await live(standIn, liveOptions({ device: true }));
    expect(run.out).toContain("who is [hidden] of [hidden] ([hidden]), device [hidden]?");
    expectNoSecrets(run);
  });

  it("holds none when it stops in the middle", async () => {
    const canceled = new AbortController();
    standIn.failAlways(
      "usages",
      { kind: "hang" },
      {
        when: () => {
          canceled.abort();
          return true;
        },
      },
    );
    const run = await live(standIn, liveOptions({ device: true }), { signal: canceled.signal });
    expect(run.code).toBe(EXIT.interrupted);
    expect(Object.keys(run.verdicts)).toContain("models.list");
    expectNoSecrets(run);
  });

  it("is a table of four columns, whatever the answers hold", () => {
    const check = {
      id: "a.b",
      fact: "A | b",
      expected: "`x`",
      requests: 0,
      calls: 0,
      run: async () => await Promise.reject(new Error()),
    };
    const table = markdown([
      { check, verdict: "differs", seen: "one\n| two |\u001b[31m <b>three</b>\\" },
    ]);
    expect(table.split("\n")).toEqual([
      "| Fact | Expected | Seen | Verdict |",
      "| --- | --- | --- | --- |",
      String.raw`| A \| b (${"`a.b`"}) | ${"`x`"} | one \| two \| [31m &lt;b>three&lt;/b>\\ | **differs** |`,
    ]);
  });
});

describe("hiding", () => {
  const redactor = new Redactor();
  redactor.addTexts({
    user_id: "abcd",
    region: "REGION_CN",
    user_level: 20,
    phone: { number: 5_550_142 },
  });

  it.each([
    ["a value of the account", "user abcd!", "user [hidden]!"],
    ["a number of the account", "call 5550142", "call [hidden]"],
    ["the user's folder", `in ${os.homedir()}/.kimi`, "in ~/.kimi"],
    ["a JWT", "x eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.sig y", "x [hidden] y"],
    ["a mail address", "to a.b@c.example", "to [hidden]"],
    [
      "an organization",
      "account org-0123456789abcdef<ak-example1234> reached",
      "account [hidden][hidden] reached",
    ],
    ["an id", "id 0b5f0a52-6f7f-4b7e-9d0e-0123456789ab", "id [hidden]"],
    ["a long word with digits", "key c0ffee1234567890abcdefABCDEF", "key [hidden]"],
  ])("hides %s", (_what, text, shown) => {
    expect(redactor.clean(text)).toBe(shown);
  });

  it.each([
    "401 invalid_authentication_error: Invalid Authentication",
    "properties.abcdef.items: when using anyOf, type should be defined in anyOf items instead of the parent schema",
    "REGION_CN, TIME_UNIT_MINUTE, kimi-for-coding-highspeed: 1048576",
    "function name is invalid, must start with a letter and can contain letters, numbers, underscores, and dashes",
  ])("leaves %j", (text) => {
    expect(redactor.clean(text)).toBe(text);
  });
});

describe("the command line", () => {
  it("spends a used token only on a login of its own", () => {
    expect(() => parseLiveArguments(["--spend"])).toThrow(UsageError);
    expect(() => parseLiveArguments(["--spend", "--home", "kimi-cli"])).toThrow(UsageError);
    expect(parseLiveArguments(["--device", "--spend"])).toMatchObject({
      device: true,
      spend: true,
      yes: false,
    });
  });

  it.each([
    ["--home", "other"],
    ["--region", "moon"],
    ["--devcie"],
    ["extra"],
    ["--device", "--home", "kimi-cli"],
  ])("does not take %s %s", (...args) => {
    expect(() => parseLiveArguments(args)).toThrow(UsageError);
  });

  it("begins only when the user agrees, and says what it will send before", async () => {
    const asked: string[] = [];
    const run = await live(standIn, liveOptions({ device: true, yes: false }), {
      confirm: async (question) => {
        asked.push(question);
        return false;
      },
    });
    expect(run).toMatchObject({ code: EXIT.declined, out: "" });
    expect(asked).toEqual(["Go on? (y/N) "]);
    expect(run.screen).toContain("It sends:");
    expect(standIn.requests).toEqual([]);
  });

  it("begins not at all where nobody can be asked", async () => {
    const run = await live(standIn, liveOptions({ device: true, yes: false }));
    expect(run.code).toBe(EXIT.declined);
    expect(run.screen).toContain("--yes");
    expect(standIn.requests).toEqual([]);
  });
});

describe("without a sign-in", () => {
  it("says so, when there is no login", async () => {
    const run = await live(standIn, liveOptions(), { env: await liveEnv(standIn) });
    expect(run).toMatchObject({ code: EXIT.noSignIn, out: "" });
    expect(run.screen).toContain("No Kimi CLI login");
  });

  it("says so, when there is another one than the user asks for", async () => {
    const env = await liveEnv(standIn);
    await writeLogin(
      homeFor("kimi-code-cli", env.KIMI_CODE_HOME ?? "", standIn),
      standIn.issueLogin(),
    );
    const run = await live(standIn, liveOptions({ home: "kimi-cli" }), { env });
    expect(run.code).toBe(EXIT.noSignIn);
    expect(standIn.requests).toEqual([]);
  });

  it("says so, when Kimi has ended the login", async () => {
    const env = await liveEnv(standIn);
    const home = homeFor("kimi-code-cli", env.KIMI_CODE_HOME ?? "", standIn);
    await writeLogin(home, standIn.issueLogin(PERSON.user_id));
    standIn.endLogin(PERSON.user_id);
    const run = await live(standIn, liveOptions(), { env });
    expect(run).toMatchObject({ code: EXIT.noSignIn, out: "" });
    expect(run.screen).toContain("Kimi has ended this login");
  });

  it("says so, when the user denies the code", async () => {
    standIn.device.outcome = "deny";
    const run = await live(standIn, liveOptions({ device: true }));
    expect(run).toMatchObject({ code: EXIT.noSignIn, out: "" });
  });

  it("says so, when Kimi cannot be reached", async () => {
    await standIn.close();
    const run = await live(standIn, liveOptions({ device: true }));
    expect(run).toMatchObject({ code: EXIT.noAnswer, out: "" });
    expect(run.screen).toContain("could not be reached");
  });
});
