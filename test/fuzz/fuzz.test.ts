import { readFileSync, writeFileSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { type Dispatcher, getGlobalDispatcher, setGlobalDispatcher } from "undici";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseUsages } from "../../src/account/usage.ts";
import { parseModels } from "../../src/models/model-list.ts";
import { parseCredential } from "../../src/logins/credential.ts";
import { type Home, makeHome } from "../../src/logins/homes.ts";
import { Login } from "../../src/logins/login.ts";
import { classifyResponse } from "../../src/protocol/api-errors.ts";
import { requestDeviceCode } from "../../src/protocol/device-authorization.ts";
import { isKimiError } from "../../src/protocol/errors.ts";
import { refreshGrant } from "../../src/protocol/refresh-grant.ts";
import { everythingIn, KINDS, removeScratch, scratch, testDeps } from "../kit/logins.ts";
import { freshSeed, type Random, randomFrom, rounds } from "../kit/random.ts";
import { defaultModels, usagesShapeA, usagesShapeB } from "../kit/standin/accounts.ts";
import { mutate, mutateBytes } from "./mutate.ts";
import { MadeUpNetwork, type MadeUpResponse } from "./network.ts";

const FILES = rounds(1_200);
const REFRESH_REPLIES = rounds(800);
const DEVICE_REPLIES = rounds(400);
const API_REPLIES = rounds(1_000);
const REFRESHES = rounds(50);
const seed = Number(process.env["FUZZ_SEED"] ?? freshSeed());

/** Part of every token, and of nothing else. */
const SECRET = "hushHUSHhush";
const ENDPOINTS = {
  region: "custom",
  oauthHost: "https://auth.kimi.test",
  apiBase: "https://api.kimi.test/coding/v1",
} as const;
const NOW_MS = Date.UTC(2026, 8, 21);
const LOGIN = {
  access_token: `a.${SECRET}.${SECRET}`,
  refresh_token: `r-${SECRET}-${SECRET}`,
  expires_at: NOW_MS / 1000 + 900,
  scope: "kimi-code",
  token_type: "Bearer",
  expires_in: 900,
};
const RESPONSE = JSON.stringify({ ...LOGIN, expires_at: undefined });

const dispatcher = getGlobalDispatcher();

afterEach(async () => {
  setGlobalDispatcher(dispatcher);
  await removeScratch();
});

/** Nothing but a KimiError that tells nothing. */
function check(error: unknown): void {
  if (!isKimiError(error)) {
    throw new Error("something other than a KimiError was thrown", { cause: error });
  }
  const text = everythingIn(error);
  if (text.includes(SECRET) || /standin-|hush/iu.test(text)) {
    throw new Error(`a token is told in a ${error.code}`);
  }
}

async function checked(work: () => Promise<unknown>): Promise<"result" | "refusal"> {
  try {
    await work();
    return "result";
  } catch (error) {
    check(error);
    return "refusal";
  }
}

function oddResponse(random: Random, body: string): MadeUpResponse | undefined {
  if (random.chance(0.02)) {
    return undefined;
  }
  return {
    status: random.chance(0.6)
      ? 200
      : random.pick([
          201, 204, 301, 307, 400, 401, 402, 403, 404, 408, 418, 429, 500, 502, 503, 504, 529,
        ]),
    headers: {
      "content-type": random.pick(["application/json", "text/html", ""]),
      ...(random.chance(0.2) ? { "retry-after": mutate("120", random) } : {}),
      ...(random.chance(0.1) ? { location: `https://evil.example/?t=${SECRET}` } : {}),
    },
    body: mutateBytes(body, random),
  };
}

function use(network: MadeUpNetwork): void {
  setGlobalDispatcher(network as Dispatcher);
}

describe(`whatever comes (FUZZ_SEED=${String(seed)})`, () => {
  let home: Home;

  beforeEach(async () => {
    home = makeHome("kimi-code-cli", await scratch(), "kimi-code", ENDPOINTS);
    await mkdir(path.dirname(home.file), { recursive: true });
  });

  it(`in ${String(FILES)} credential files is a login or a KimiError, and is never written to`, async () => {
    const random = randomFrom(seed);
    const network = new MadeUpNetwork(() => undefined);
    use(network);
    const outcomes = { result: 0, refusal: 0 };
    const deps = testDeps(() => NOW_MS);
    for (let index = 0; index < FILES; index += 1) {
      const kind = KINDS[index % KINDS.length] ?? "openclaw";
      const text =
        kind === "kimi-cli" ? JSON.stringify(LOGIN) : `${JSON.stringify(LOGIN, null, 2)}\n`;
      const bytes = mutateBytes(text, random);
      writeFileSync(home.file, bytes);
      const login = new Login(
        { ...home, kind, style: kind === "kimi-cli" ? "kimi-cli" : "kimi-code-cli" },
        deps,
      );
      const outcome = await checked(async () => login.current());
      outcomes[outcome] += 1;
      // The network is gone, so that even a file that wants a refresh must stay as it is.
      if (outcome === "result" && index % 20 === 0) {
        await checked(() => login.access());
      }
      if (!bytes.equals(readFileSync(home.file))) {
        throw new Error(`file ${String(index)} was written to`);
      }
    }
    expect(outcomes.refusal).toBeGreaterThan(FILES / 4);
    expect(outcomes.result).toBeGreaterThan(FILES / 20);
    expect(
      (await readdir(path.dirname(home.file))).filter((name) => name !== "kimi-code.json"),
    ).toEqual([]);
    expect("polluted" in {}).toBe(false);
  });

  it(`in ${String(REFRESH_REPLIES)} responses to a refresh is tokens that can be stored and sent, or a KimiError`, async () => {
    const random = randomFrom(seed + 1);
    use(new MadeUpNetwork(() => oddResponse(random, RESPONSE)));
    let results = 0;
    for (let index = 0; index < REFRESH_REPLIES; index += 1) {
      const outcome = await checked(async () => {
        const tokens = await refreshGrant({
          endpoints: ENDPOINTS,
          headers: {},
          refreshToken: LOGIN.refresh_token,
        });
        const { accessToken, refreshToken = "kept", expiresInS } = tokens;
        const state = parseCredential(
          JSON.stringify({
            ...LOGIN,
            access_token: accessToken,
            refresh_token: refreshToken,
            expires_in: expiresInS,
          }),
        );
        expect(state.status).toBe("valid");
        expect(expiresInS > 0 && expiresInS <= 86_400).toBe(true);
        expect(() => new Headers({ authorization: `Bearer ${accessToken}` })).not.toThrow();
      });
      results += outcome === "result" ? 1 : 0;
    }
    expect(results).toBeGreaterThan(REFRESH_REPLIES / 20);
    expect("polluted" in {}).toBe(false);
  });

  it(`in ${String(REFRESHES)} whole refreshes leaves the home as it was, or with the new tokens`, async () => {
    const random = randomFrom(seed + 2);
    let sent: MadeUpResponse | undefined;
    use(
      new MadeUpNetwork(
        () => (sent = oddResponse(random, RESPONSE.replaceAll(SECRET, `${SECRET}2`))),
      ),
    );
    const deps = testDeps(() => NOW_MS + 3_600_000);
    const before = `${JSON.stringify(LOGIN, null, 2)}\n`;
    for (let index = 0; index < REFRESHES; index += 1) {
      await writeFile(home.file, before);
      const login = new Login(home, deps);
      const outcome = await checked(async () => {
        const { accessToken } = await login.access();
        expect(sent?.body.toString()).toContain(JSON.stringify(accessToken).slice(1, -1));
      });
      const after = await readFile(home.file, "utf8");
      expect(outcome === "refusal" ? after : parseCredential(after).status).toBe(
        outcome === "refusal" ? before : "valid",
      );
    }
    expect(await readdir(path.dirname(home.file))).toEqual(["kimi-code.json"]);
    await rm(home.file);
  });

  it(`in ${String(DEVICE_REPLIES)} answers to a sign-in is a code with a link to Kimi, or a KimiError`, async () => {
    const random = randomFrom(seed + 3);
    const endpoints = {
      ...ENDPOINTS,
      region: "mainland-cn",
      oauthHost: "https://auth.kimi.com",
    } as const;
    const body = JSON.stringify({
      device_code: `d-${SECRET}`,
      user_code: "ABCD-1234",
      verification_uri: "https://www.kimi.com/code/authorize_device",
      verification_uri_complete: "https://www.kimi.com/code/authorize_device?user_code=ABCD-1234",
      expires_in: 1800,
      interval: 5,
    });
    use(new MadeUpNetwork(() => oddResponse(random, body)));
    for (let index = 0; index < DEVICE_REPLIES; index += 1) {
      await checked(async () => {
        const { link, userCode, intervalS, expiresInS } = await requestDeviceCode({
          endpoints,
          headers: {},
        });
        expect(new URL(link).origin).toBe("https://www.kimi.com");
        expect(`${link}${userCode}`).toMatch(/^[\x21-\x7e]+$/u);
        expect(intervalS >= 1 && expiresInS > 0).toBe(true);
      });
    }
  });

  it(`in ${String(API_REPLIES)} answers of the managed API is read or left, and never thrown`, () => {
    const random = randomFrom(seed + 4);
    const texts = [
      JSON.stringify({ data: defaultModels() }),
      JSON.stringify(usagesShapeA(NOW_MS)),
      JSON.stringify(usagesShapeB(NOW_MS)),
    ] as const;
    for (let index = 0; index < API_REPLIES; index += 1) {
      const text = mutate(random.pick(texts), random);
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch {
        value = undefined;
      }
      parseModels(value);
      parseUsages(value, NOW_MS);
      classifyResponse(random.pick([200, 401, 403, 429, 500]), text);
    }
    expect("polluted" in {}).toBe(false);
  });
});
