/** Credential files that both Kimi CLIs use, odd as they are, and logins that are not in a file at all. */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Home } from "../../src/logins/homes.ts";
import { Login } from "../../src/logins/login.ts";
import { startStandIn } from "../kit/standin/server.ts";
import type { StandIn, TokenReply } from "../kit/standin/server.ts";
import {
  failureOf,
  homeFor,
  KINDS,
  LIFETIME_MS,
  ownerText,
  removeScratch,
  scratch,
  signedIn,
  stored,
  testDeps,
} from "../kit/logins.ts";
import type { TestDeps } from "../kit/logins.ts";

let standIn: StandIn;
let deps: TestDeps;

beforeEach(async () => {
  standIn = await startStandIn();
  deps = testDeps(standIn.clock.now);
});

afterEach(async () => {
  await standIn.close();
  await removeScratch();
});

/** A home whose file has other values in some of its members. */
async function changed(
  home: Home,
  pair: TokenReply,
  members: Record<string, unknown>,
  issuedAtMs = Date.now(),
): Promise<void> {
  const file = JSON.parse(ownerText(home, pair, { issuedAtMs })) as Record<string, unknown>;
  await writeFile(home.file, JSON.stringify({ ...file, ...members }));
}

describe.each(KINDS)("a %s file whose expiry", (kind) => {
  it.each([
    ["is 0", { expires_at: 0 }],
    ["is null", { expires_at: null }],
    ["is missing", { expires_at: undefined }],
    ["is not a time", { expires_at: "soon" }],
    ["is past, as text", { expires_at: "1700000000" }],
    ["is in ms", { expires_at: 1_999_999_999_000 }],
  ])("%s is refreshed, and repaired by that", async (_what, members) => {
    const { home, pair } = await signedIn(standIn, kind);
    await changed(home, pair, members);
    const renewed = await new Login(home, deps).access();
    expect(standIn.login(pair.refresh_token)).toMatchObject({
      accessToken: renewed.accessToken,
      refreshCount: 1,
    });
    const expiresAt = Number((await stored(home))["expires_at"]);
    expect(Math.abs(expiresAt * 1_000 - Date.now() - LIFETIME_MS)).toBeLessThan(60_000);
  });

  it("is to come, as text, is served without a request", async () => {
    const { home, pair } = await signedIn(standIn, kind);
    await changed(home, pair, { expires_at: String(Math.floor(Date.now() / 1_000) + 800) });
    expect(await new Login(home, deps).access()).toMatchObject({ accessToken: pair.access_token });
    expect(standIn.requests).toEqual([]);
  });

  it("is unknown is served while Kimi cannot be reached", async () => {
    const { home, pair } = await signedIn(standIn, kind);
    await changed(home, pair, { expires_at: 0 });
    standIn.failAlways("token", { kind: "reset" });
    expect(await new Login(home, deps).access()).toMatchObject({ accessToken: pair.access_token });
  });
});

describe.each(KINDS)("a %s file without a refresh token", (kind) => {
  it.each([[""], [null], [undefined]])(
    "(%s) is used until its access token ends, then asks for a sign-in",
    async (refresh_token) => {
      const { home, pair } = await signedIn(standIn, kind);
      await changed(home, pair, { refresh_token }, standIn.clock.now());
      const login = new Login(home, deps);
      for (const ms of [0, LIFETIME_MS / 2, LIFETIME_MS / 2 - 30_000]) {
        standIn.clock.advance(ms);
        expect(await login.access({ background: true })).toMatchObject({
          accessToken: pair.access_token,
        });
      }
      standIn.clock.advance(60_000);
      const error = await failureOf(login.access());
      expect(error).toMatchObject({ code: "login_ended", transient: false });
      expect(error.message).toMatch(
        /^This Kimi login has ended, and its file .* holds no token to renew it with\. /u,
      );
      expect(standIn.requests).toEqual([]);
    },
  );

  it("is followed at once when its owner signs in again", async () => {
    const { home, pair } = await signedIn(standIn, kind);
    await changed(home, pair, { refresh_token: "" }, standIn.clock.now() - LIFETIME_MS);
    const login = new Login(home, deps);
    expect(await failureOf(login.access())).toMatchObject({ code: "login_ended" });
    const fresh = standIn.issueLogin();
    await changed(home, fresh, {}, standIn.clock.now());
    expect(await login.access()).toMatchObject({ accessToken: fresh.access_token });
  });
});

describe("a login that the Kimi Code CLI keeps in the system keychain", () => {
  it.each([
    ['credentials_store = "keyring"\n', true],
    ["# comment\ndefault_model = 'x'\n  credentials_store='keyring' # here\n[providers]\n", true],
    ['credentials_store = "auto"\n', false],
    ['credentials_store = "file"\n', false],
    ['\n\tcredentials_store \t=  "keychain"\n', true],
    ['models = ["a"]\ncredentials_store = "keyring"\n', true],
    ['[other]\ncredentials_store = "keyring"\n', false],
    ['\n  [other]\nx = ["a"]\n credentials_store = "keyring"\n', false],
    ['old_credentials_store = "keyring"\n', false],
    ['credentials_store = "keyring2"\n', false],
    ["credentials_store = keyring\n", false],
    ['# credentials_store = "keyring"\n', false],
    ["", false],
  ])("is named as such, with the two ways out (%j: %s)", async (config, isNamed) => {
    const home = homeFor("kimi-code-cli", await scratch(), standIn);
    await writeFile(path.join(home.dir, "config.toml"), config);
    const error = await failureOf(new Login(home, deps).access());
    expect(error.code).toBe("login_missing");
    expect(error.message.includes("keychain")).toBe(isNamed);
    expect(
      error.message.includes('credentials_store = "file"') &&
        error.message.includes("--device-code"),
    ).toBe(isNamed);
  });

  it.each(["kimi-cli", "openclaw"] as const)("does not concern the %s home", async (kind) => {
    const home = homeFor(kind, await scratch(), standIn);
    await writeFile(path.join(home.dir, "config.toml"), 'credentials_store = "keyring"\n');
    const error = await failureOf(new Login(home, deps).access());
    expect(error.code).toBe("login_missing");
    expect(error.message).not.toContain("keychain");
  });
});
