/** No answer, however talkative, makes an error tell a token: not in message, cause, stack or what `inspect` prints. */
import path from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { pluginStateDir } from "../../src/host/state.ts";
import { createOpenClawHome, newOpenClawHome } from "../../src/logins/openclaw-home.ts";
import { withNewTokens } from "../../src/logins/credential.ts";
import type { Home } from "../../src/logins/homes.ts";
import { Login } from "../../src/logins/login.ts";
import { REGIONS } from "../../src/protocol/endpoints.ts";
import {
  everythingIn,
  failureOf,
  LIFETIME_MS,
  modeOf,
  removeScratch,
  scratch,
  signedIn,
  stored,
  testDeps,
  writeLogin,
} from "../kit/logins.ts";
import { type Fault, type StandIn, startStandIn, type TokenReply } from "../kit/standin/server.ts";

let standIn: StandIn;
let home: Home;
let pair: TokenReply;

beforeEach(async () => {
  standIn = await startStandIn();
  ({ home, pair } = await signedIn(standIn, "kimi-code-cli", { ageMs: LIFETIME_MS }));
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await standIn.close();
  await removeScratch();
});

/** Answers that repeat what was sent to them, as proxies and debug pages do. */
const TALKATIVE: readonly [string, (secret: string) => Fault][] = [
  [
    "a rejection",
    (t) => ({
      kind: "status",
      status: 400,
      body: { error: "invalid_grant", error_description: `bad ${t}` },
    }),
  ],
  ["a 401", (t) => ({ kind: "status", status: 401, body: { error: t, message: t } })],
  [
    "another 400",
    (t) => ({ kind: "status", status: 400, body: { error: t, error_description: t } }),
  ],
  [
    "a 403 page",
    (t) => ({
      kind: "rawBody",
      status: 403,
      contentType: "text/html",
      body: `<pre>refresh_token=${t}</pre>`,
    }),
  ],
  [
    "a 429",
    (t) => ({
      kind: "status",
      status: 429,
      body: t,
      headers: { "retry-after": "3600", "x-debug": t },
    }),
  ],
  ["a 500", (t) => ({ kind: "status", status: 500, body: { error: { message: t } } })],
  ["a redirect", (t) => ({ kind: "redirect", location: `https://evil.example/?${t}` })],
  [
    "a 200 with half a response",
    (t) => ({
      kind: "rawBody",
      status: 200,
      contentType: "application/json",
      body: `{"access_token":"${t}"`,
    }),
  ],
  [
    "a 200 with odd tokens",
    (t) => ({ kind: "mutateReply", fn: (response) => ({ ...response, access_token: [t] }) }),
  ],
  [
    "a 200 with a control character in a token",
    (t) => ({ kind: "mutateReply", fn: (response) => ({ ...response, access_token: `${t}\n` }) }),
  ],
  ["a connection that breaks", () => ({ kind: "reset" })],
  ["a connection that breaks in the response", () => ({ kind: "resetMidBody" })],
  ["a huge response", () => ({ kind: "huge", bytes: 1_000_000 })],
];

describe("a refresh that fails", () => {
  it.each(TALKATIVE)("with %s tells no token", async (_what, fault) => {
    standIn.failAlways("token", fault(pair.refresh_token));
    const login = new Login(home, testDeps(Date.now));
    const error = await failureOf(login.access());
    const everything = `${everythingIn(error)}${inspect(login, { depth: 10, showHidden: true })}`;
    expect(everything).not.toMatch(/standin-(?:access|refresh)/u);
    expect(error.cause).toBeUndefined();
  });

  it("tells no token of a damaged file either", async () => {
    await writeLogin(home, { ...pair, access_token: `${pair.access_token}\n` });
    const error = await failureOf(new Login(home, testDeps(Date.now)).access());
    expect(error.code).toBe("login_corrupt");
    expect(everythingIn(error)).not.toMatch(/standin-(?:access|refresh)/u);
  });
});

describe("prototype keys", () => {
  it("in a response and in a file change nothing but themselves", async () => {
    await writeLogin(home, pair, { issuedAtMs: Date.now() - LIFETIME_MS });
    standIn.failNext("token", {
      kind: "mutateReply",
      fn: (response) =>
        JSON.parse(
          `{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},${JSON.stringify(response).slice(1)}`,
        ),
    });
    const { accessToken } = await new Login(home, testDeps(Date.now)).access();
    const file = await stored(home);
    expect(file).toMatchObject({ access_token: accessToken });
    expect(Object.keys(file)).not.toContain("__proto__");
    expect("polluted" in {}).toBe(false);
  });
});

describe.skipIf(process.platform === "win32")("a login made here", () => {
  it("is in a file that only its owner can read, in folders that only its owner can enter", async () => {
    vi.stubEnv("OPENCLAW_STATE_DIR", path.join(await scratch(), "state"));
    const before = process.umask(0);
    try {
      const own = newOpenClawHome(pluginStateDir(), REGIONS["mainland-cn"]);
      const tokens = { accessToken: "at-1", refreshToken: "rt-1", expiresInS: 900 };
      createOpenClawHome(own, withNewTokens({}, tokens, own.style, Date.now()));
      expect(await modeOf(own.file)).toBe(0o600);
      expect(await modeOf(path.dirname(own.file))).toBe(0o700);
      expect(await modeOf(own.dir)).toBe(0o700);
    } finally {
      process.umask(before);
    }
  });
});
