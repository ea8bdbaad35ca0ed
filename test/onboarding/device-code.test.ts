import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { upsertAuthProfile } from "openclaw/plugin-sdk/provider-auth";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { bindProfile } from "../../src/profiles/bound-login.ts";
import type { OAuthProfile } from "../../src/host/profile-shape.ts";
import { runDeviceCode } from "../../src/onboarding/device-code.ts";
import { everythingIn, failureOf, modeOf } from "../kit/logins.ts";
import { fakeWaits } from "../kit/device.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import type { JsonObject } from "../kit/standin/types.ts";
import { type Surface, surface } from "../kit/device-context.ts";

describe("signing in with a device code", () => {
  let standIn: StandIn;
  let root: string;
  let folder: string;
  let agentDir: string;

  beforeEach(async () => {
    // The clock of this process judges the tokens, so the stand-in's may not run ahead of it for long.
    standIn = await startStandIn();
    root = await mkdtemp(path.join(tmpdir(), "kimi-device-"));
    folder = path.join(root, "state", "kimi-code-oauth");
    agentDir = path.join(root, "state", "agents", "main", "agent");
    vi.stubEnv("HOME", root);
    vi.stubEnv("OPENCLAW_STATE_DIR", path.join(root, "state"));
    for (const [name, value] of Object.entries(standIn.env)) {
      vi.stubEnv(name, value);
    }
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    await standIn.close();
    await rm(root, { recursive: true, force: true });
  });

  /** Every file below the plugin's folder but the id of this installation. */
  async function stored(): Promise<string[]> {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
    return entries
      .filter((entry) => entry.isFile() && entry.name !== "device_id")
      .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
      .toSorted();
  }

  async function signIn(how: Surface = {}, waits = fakeWaits(standIn)) {
    const { ctx, seen } = surface({ agentDir, ...how });
    const result = await runDeviceCode(ctx, waits);
    const profile = result.profiles[0]?.credential as unknown as OAuthProfile;
    return { result, profile, seen, waits, home: bindProfile(profile).home };
  }

  it("puts the login into a private file of its own, in the Kimi Code CLI's format, and binds the profile to it", async () => {
    const { result, profile, home } = await signIn();
    const text = await readFile(home.file, "utf8");
    const credential = JSON.parse(text) as JsonObject;
    expect(text).toBe(`${JSON.stringify(credential, null, 2)}\n`);
    expect(Object.keys(credential)).toEqual([
      "access_token",
      "refresh_token",
      "expires_at",
      "scope",
      "token_type",
      "expires_in",
    ]);
    expect(credential).toMatchObject({ expires_in: 900, token_type: "Bearer" });
    expect(standIn.isLiveRefresh(String(credential.refresh_token))).toBe(true);
    expect(await modeOf(home.file)).toBe(0o600);
    expect(await modeOf(path.dirname(home.file))).toBe(0o700);
    expect(await modeOf(folder)).toBe(0o700);
    expect(result).toMatchObject({
      profiles: [{ profileId: "kimi-code:default" }],
      defaultModel: "kimi-code/kimi-for-coding",
    });
    expect(profile).toMatchObject({
      type: "oauth",
      provider: "kimi-code",
      access: credential.access_token,
      refresh: credential.refresh_token,
      expires: Number(credential.expires_at) * 1_000,
      issuer: standIn.oauthHost,
      accountId: "user-1",
      authFlow: `openclaw:${home.slot}@${folder}`,
    });
    expect(standIn.violations).toEqual([]);
    // Nothing of a Kimi CLI was made or needed.
    expect(await readdir(root)).toEqual(["state"]);
    expect(await stored()).toEqual([
      `credentials/${home.slot}.json`,
      `credentials/${home.slot}.json.stores`,
      `credentials/${home.slot}.json.unclaimed`,
    ]);
  });

  it("shows the code, the link and how long they last, and says that there is no browser", async () => {
    const { seen } = await signIn();
    const link = `${standIn.origin}/code/authorize_device?user_code=FAKE-0001`;
    const note = seen.events.find((event) => event.startsWith("note: Kimi Code sign-in\n")) ?? "";
    expect(note).toContain("There is no browser on this machine.");
    expect(note).toContain(`\n${link}\n`);
    expect(note).toContain("Code: FAKE-0001\nValid for 15 minutes.");
    expect(seen.events).toContainEqual(
      expect.stringMatching(/^progress: Waiting for your approval at .* \(15 minutes left\)$/),
    );
    expect(seen.events.at(-1)).toBe("stop: Approved");
  });

  it("opens the link where there is a browser, after it was shown", async () => {
    const { seen } = await signIn({ isRemote: false });
    const shown = seen.events.findIndex((event) => event.startsWith("note: "));
    expect(seen.events[shown]).not.toContain("no browser");
    expect(seen.events[shown + 1]).toBe(
      `open: ${standIn.origin}/code/authorize_device?user_code=FAKE-0001`,
    );
  });

  it("hands the link to the host before the code, where the host shows codes", async () => {
    const { seen } = await signIn({ showsCodes: true, credentialOnly: true });
    const opened = seen.events.findIndex((event) => event.startsWith("open: "));
    expect(seen.events[opened + 1]).toMatch(/^code: FAKE-0001, 15 minutes\n/);
    expect(seen.events.join("\n")).not.toContain("note:");
  });

  it("leaves the link to the host in a private chat", async () => {
    const { result, seen } = await signIn({ credentialOnly: true });
    const opened = seen.events.findIndex((event) => event.startsWith("open: "));
    expect(seen.events[opened + 1]).toMatch(/^note: Kimi Code sign-in at .*\nCode: FAKE-0001\n/);
    expect(seen.events[opened + 1]).not.toContain("http");
    expect(result).not.toHaveProperty("defaultModel");
  });

  it("gives each account a home of its own", async () => {
    standIn.createAccount({ id: "user-2", jwtAccessTokens: true });
    const first = await signIn();
    standIn.device.accountId = "user-2";
    const second = await signIn();
    expect(second.home.file).not.toBe(first.home.file);
    expect([first.profile.accountId, second.profile.accountId]).toEqual(["user-1", "user-2"]);
    expect(second.profile).toHaveProperty(
      "displayName",
      expect.stringMatching(/^Stand-in user-2 \(OpenClaw, /u),
    );
    expect(standIn.isLiveRefresh(first.profile.refresh)).toBe(true);
  });

  it("in the Control UI, adds a second account beside the first, and renews either where it is", async () => {
    standIn.createAccount({ id: "user-2" });
    const connect = async (accountId: string): Promise<string | undefined> => {
      standIn.device.accountId = accountId;
      const { result } = await signIn({ showsCodes: true, credentialOnly: true });
      const [made] = result.profiles;
      if (made !== undefined) {
        upsertAuthProfile({ ...made, agentDir });
      }
      return made?.profileId;
    };
    expect(await connect("user-1")).toBe("kimi-code:default");
    expect(await connect("user-2")).toBe("kimi-code:2");
    expect(await connect("user-1")).toBe("kimi-code:default");
    expect(await connect("user-2")).toBe("kimi-code:2");
  });

  it("signs in although nobody tells whose login it is", async () => {
    standIn.failAlways("me", { kind: "reset" });
    const { profile } = await signIn();
    expect(profile).not.toHaveProperty("accountId");
  });

  it("asks for a new code when one has expired, at the pace it was told, and shows it", async () => {
    standIn.device.pendingPolls = 50;
    standIn.device.expiresInS = 300;
    standIn.device.intervalS = 60;
    standIn.device.slowDownAt = [1];
    const waits = fakeWaits(standIn, () => {
      if (standIn.count("device_authorization") === 2) {
        standIn.approveDevice("FAKE-0002");
      }
    });
    const { seen } = await signIn({}, waits);
    expect(seen.events.filter((event) => event.startsWith("note: "))).toHaveLength(2);
    expect(seen.events.join("\n")).toContain("FAKE-0002");
    expect(waits.pauses).toEqual([60, 65, 65, 65, 45, 65, 70]);
  });

  it("gives up after 15 minutes, however many codes that took", async () => {
    standIn.device.outcome = "manual";
    standIn.device.expiresInS = 400;
    standIn.device.intervalS = 100;
    const waits = fakeWaits(standIn);
    const error = await failureOf(signIn({}, waits));
    expect(error.code).toBe("sign_in_expired");
    expect(error.message).toMatch(/not approved within 15 minutes\. Nothing was stored/);
    expect(waits.pauses.reduce((sum, pause) => sum + pause)).toBe(900);
    expect(standIn.count("device_authorization")).toBe(3);
    expect(await stored()).toEqual([]);
  });

  it("leaves nothing behind when the user cancels while the code is shown", async () => {
    const reason = new Error("cancelled by the user");
    const controller = new AbortController();
    standIn.device.outcome = "manual";
    const waits = fakeWaits(standIn, (count) => {
      if (count === 2) {
        controller.abort(reason);
      }
    });
    await expect(signIn({ signal: controller.signal }, waits)).rejects.toBe(reason);
    expect(standIn.tokenRequests()).toHaveLength(1);
    expect(await stored()).toEqual([]);
  });

  it.each([
    ["before the code is asked for", 2],
    ["before the link is opened", 3],
    ["before a poll", 4],
    ["when the tokens have arrived", 6],
    ["when the login has been written", 8],
  ])("leaves nothing behind when the permission ends %s", async (_when, at) => {
    const reason = new Error("no longer allowed");
    let asked = 0;
    const assertCurrent = (): void => {
      asked += 1;
      if (asked >= at) {
        throw reason;
      }
    };
    await expect(signIn({ assertCurrent })).rejects.toBe(reason);
    expect(asked).toBe(at);
    expect(await stored()).toEqual([]);
  });

  it.each<[string, JsonObject]>([
    ["without a code", { user_code: undefined }],
    ["with a link to another host", { verification_uri_complete: "https://example.com/" }],
    ["with an interval of 0", { interval: 0 }],
    ["with an interval of decades", { interval: 1e9 }],
    ["with a lifetime of 0", { expires_in: 0 }],
  ])("stores and shows nothing after a response %s", async (_what, change) => {
    standIn.device.replyOverride = (response) => ({ ...response, ...change });
    const { ctx, seen } = surface({ agentDir });
    const error = await failureOf(runDeviceCode(ctx, fakeWaits(standIn)));
    expect(error.code).toBe("bad_reply");
    expect(seen.events).toEqual([
      "progress: Asking Kimi for a sign-in code",
      "stop: Kimi sent no sign-in code",
    ]);
    expect(await stored()).toEqual([]);
    expect(standIn.tokenRequests()).toEqual([]);
  });

  it("stores nothing after a denial, and says so", async () => {
    standIn.device.outcome = "deny";
    const error = await failureOf(signIn());
    expect(error.code).toBe("sign_in_denied");
    expect(await stored()).toEqual([]);
  });

  it("asks nobody for approval when the login could not be kept", async () => {
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, "credentials"), "in the way");
    const error = await failureOf(signIn());
    expect(error.code).toBe("home_not_writable");
    expect(standIn.requests).toEqual([]);
  });

  it("shows no token to anyone", async () => {
    const { result, seen, profile } = await signIn();
    const everything = everythingIn([seen.events, result.notes]);
    for (const secret of [profile.access, profile.refresh, "standin-device-code"]) {
      expect(everything).not.toContain(secret);
    }
  });

  describe("to a person's own account", () => {
    const personal = {
      agentDir: undefined,
      env: {},
      config: {},
      assertCurrent: () => undefined,
    } as const;

    it("writes nothing: the host keeps what it returns", async () => {
      const { ctx } = surface(personal);
      const result = await runDeviceCode(ctx, fakeWaits(standIn));
      expect(result.profiles).toHaveLength(1);
      expect(result).not.toHaveProperty("defaultModel");
      expect(await stored()).toEqual([]);
    });

    it("gets its home at the first use, and keeps it afterwards", async () => {
      const { profile, home } = await signIn(personal);
      expect(await stored()).toEqual([]);
      bindProfile(profile).claim();
      expect(JSON.parse(await readFile(home.file, "utf8"))).toMatchObject({
        access_token: profile.access,
        refresh_token: profile.refresh,
        expires_at: profile.expires / 1_000,
      });
      expect(await modeOf(home.file)).toBe(0o600);
      await writeFile(home.file, "{}");
      bindProfile(profile).claim();
      expect(await readFile(home.file, "utf8")).toBe("{}");
      expect(await stored()).toEqual([`credentials/${home.slot}.json`]);
    });

    it.each([
      ["the host's fence", "openclaw-oauth-refresh-fence:v1:0:access:0"],
      ["a stand-in for tokens", "kimi-code-oauth:no-login"],
    ])("takes no home from %s", async (_what, marker) => {
      const { profile, home } = await signIn(personal);
      bindProfile({ ...profile, access: marker, refresh: marker }).claim();
      expect(existsSync(home.file)).toBe(false);
    });
  });
});
