/** `onboard --non-interactive --auth-choice kimi-code-device`, below the host. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { PROVIDER_ID } from "../../src/constants.ts";
import { bindProfile } from "../../src/profiles/bound-login.ts";
import { readProfile } from "../../src/profiles/profiles.ts";
import { runDeviceCodeNonInteractive } from "../../src/onboarding/device-code-unattended.ts";
import { fakeWaits } from "../kit/device.ts";
import { homeFor, writeLogin } from "../kit/logins.ts";
import { registeredProvider, signInNonInteractively } from "../kit/openclaw/provider.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";

describe("a sign-in where nobody can be asked", () => {
  let standIn: StandIn;
  let root: string;
  let agentDir: string;

  beforeEach(async () => {
    standIn = await startStandIn();
    root = await mkdtemp(path.join(tmpdir(), "kimi-unattended-"));
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

  /** The files of logins. */
  async function homes(): Promise<string[]> {
    const folder = path.join(root, "state", "kimi-code-oauth", "credentials");
    const names = await readdir(folder).catch(() => []);
    return names.filter((name) => name.endsWith(".json"));
  }

  const signIn = async (opts: Readonly<Record<string, unknown>> = {}, waits = fakeWaits(standIn)) =>
    await signInNonInteractively(
      async (ctx) => await runDeviceCodeNonInteractive(ctx, waits),
      agentDir,
      opts,
    );

  /** As the host does it, with true pauses. */
  const signInWithHook = async () => await signInNonInteractively("device-code", agentDir);

  it("prints link and code in plain lines, and stores the login", async () => {
    const { logs, errors, config, exitCode } = await signInWithHook();
    expect(errors).toEqual([]);
    expect(exitCode).toBeUndefined();
    expect(logs[0]?.split("\n")).toEqual([
      `Open this link on any device and approve the sign-in at ${new URL(standIn.oauthHost).host}:`,
      `${standIn.origin}/code/authorize_device?user_code=FAKE-0001`,
      "Code: FAKE-0001",
      expect.stringMatching(/^Valid for \d+ minutes?\. /u),
    ]);
    expect(config).toMatchObject({
      auth: { profiles: { "kimi-code:default": { provider: PROVIDER_ID, mode: "oauth" } } },
      agents: { defaults: { model: { primary: "kimi-code/kimi-for-coding" } } },
    });
    const profile = readProfile(agentDir, "kimi-code:default");
    expect(profile).toMatchObject({ accountId: "user-1" });
    const { accessToken } = await bindProfile(profile as NonNullable<typeof profile>).access();
    expect(standIn.isLiveAccess(accessToken)).toBe(true);
    expect(logs.join("\n")).not.toContain(accessToken);
    expect(await homes()).toHaveLength(1);
  });

  it("prints one line of JSON with --json, and what people read beside it", async () => {
    const { logs, errors } = await signIn({ json: true });
    expect(logs).toHaveLength(1);
    expect(JSON.parse(logs[0] ?? "")).toEqual({
      event: "device_code",
      verification_uri_complete: `${standIn.origin}/code/authorize_device?user_code=FAKE-0001`,
      user_code: "FAKE-0001",
      expires_in: 1_800,
    });
    expect(logs[0]).not.toContain("\n");
    expect(errors.join("\n")).toContain("Code: FAKE-0001");
  });

  it.each([
    ["deny", /^The sign-in was denied on Kimi's page\. Nothing was stored/u],
    ["expire", /^Nobody approved the sign-in code within \d+ minutes?\. Nothing was stored/u],
  ] as const)("ends with exit code 1 and leaves nothing: %s", async (outcome, sentence) => {
    standIn.device.outcome = outcome;
    const { errors, config, exitCode } = await signIn();
    expect(errors).toEqual([expect.stringMatching(sentence)]);
    expect([config, exitCode]).toEqual([null, 1]);
    expect(await homes()).toEqual([]);
    expect(readProfile(agentDir, "kimi-code:default")).toBeUndefined();
  });

  it("asks for one code only", async () => {
    standIn.device.outcome = "expire";
    await signIn();
    expect(
      standIn.requests.filter(({ path: to }) => to.endsWith("device_authorization")),
    ).toHaveLength(1);
  });

  it.each(["SIGINT", "SIGTERM"] as const)("ends at once and leaves nothing: %s", async (signal) => {
    standIn.device.outcome = "manual";
    const others = process.listenerCount(signal);
    const ended = signInWithHook();
    await standIn.waitFor("token");
    process.emit(signal);
    const { errors, config, exitCode } = await ended;
    expect(errors).toEqual([expect.stringMatching(/^The sign-in was canceled\. /u)]);
    expect([config, exitCode]).toEqual([null, 130]);
    expect(await homes()).toEqual([]);
    expect(process.listenerCount(signal)).toBe(others);
  });

  it("says that the site is not known, and asks Kimi nothing", async () => {
    for (const name of Object.keys(standIn.env)) {
      vi.stubEnv(name, undefined);
    }
    const { errors, exitCode } = await signIn();
    expect(errors).toEqual([
      expect.stringMatching(/^Kimi has two sites, .*config\.region global$/u),
    ]);
    expect(exitCode).toBe(1);
    expect(standIn.requests).toEqual([]);
  });

  /** What the host asks before it resets an installation, and what is said then. */
  async function checked(methodId: string) {
    const method = registeredProvider().auth.find(({ id }) => id === methodId);
    const errors: string[] = [];
    const ctx = {
      config: {},
      opts: {},
      agentDir,
      runtime: { error: (text: string) => errors.push(text), exit: () => undefined, log: () => {} },
    } as unknown as Parameters<
      NonNullable<NonNullable<typeof method>["validateNonInteractive"]>
    >[0];
    return { ok: await method?.validateNonInteractive?.(ctx), errors };
  }

  it("is checked before an installation is reset, without a request", async () => {
    expect(await checked("device-code")).toEqual({ ok: true, errors: [] });
    for (const name of Object.keys(standIn.env)) {
      vi.stubEnv(name, undefined);
    }
    expect(await checked("device-code")).toEqual({ ok: false, errors: [expect.any(String)] });
    expect(standIn.requests).toEqual([]);
  });

  describe.each(["OPENCLAW_NIX_MODE", "OPENCLAW_CONFIG_READONLY"])("under %s", (variable) => {
    const refusal = [
      expect.stringMatching(/^This OpenClaw must not change its config, .*models auth login/u),
    ];

    it.each(["device-code", "cli-login"])("begins nothing that ends unfinished: %s", async (id) => {
      vi.stubEnv(variable, "1");
      const home = homeFor("kimi-code-cli", path.join(root, ".kimi-code"), standIn);
      await writeLogin(home, standIn.issueLogin());
      expect(await checked(id)).toEqual({ ok: false, errors: refusal });
      expect(await signInNonInteractively(id, agentDir)).toMatchObject({
        config: null,
        errors: refusal,
        exitCode: 1,
      });
      expect(standIn.requests).toEqual([]);
      expect(await homes()).toEqual([]);
      expect(readProfile(agentDir, "kimi-code:default")).toBeUndefined();
    });

    it("goes on as usual unless it is 1, as in OpenClaw", async () => {
      vi.stubEnv(variable, "true");
      expect(await checked("device-code")).toEqual({ ok: true, errors: [] });
    });
  });
});
