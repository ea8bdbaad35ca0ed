import { lstat, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bindingOf, makeHome } from "../../src/logins/homes.ts";
import { homeFor, writeLogin } from "../kit/logins.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import { createHost, type Host, packPlugin } from "../kit/openclaw/host.ts";
import { hostEnvironment, openclawEntry } from "../kit/openclaw/layout.ts";
import { packOlder } from "../kit/openclaw/older-plugin.ts";
import { runCommand, startCommand } from "../kit/openclaw/process.ts";
import { installEnvironment } from "../kit/openclaw/template.ts";
import {
  credentialFile,
  kimiVariables,
  readCredential,
  signInWithCliLogin,
  succeed,
  writeCliLogin,
} from "../kit/kimi/kimi-cli.ts";
import { PLUGIN_VERSION } from "../../src/constants.ts";

describe("the packed plugin in the published host", () => {
  let standIn: StandIn;
  let host: Host;

  beforeAll(async () => {
    standIn = await startStandIn();
    host = await createHost({ env: kimiVariables(standIn) });
  }, 180_000);

  afterAll(async () => {
    await host?.dispose();
    await standIn?.close();
  });

  it("gives the plugin doctor, which loads it, nothing to say", async () => {
    const { code, stdout } = await host.run(["plugins", "doctor"]);
    expect(code).toBe(0);
    expect(stdout).toContain("checks passed");
  });

  it("lists its auth choice in the help", async () => {
    const { stdout } = await host.run(["onboard", "--help"]);
    expect(stdout).toContain("kimi-code-oauth");
  });

  it("refuses a damaged login through a link called moltbot: one sentence, nothing stored", async () => {
    const file = credentialFile(host, standIn);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, '{"access_token": "standin-access-torn');
    const moltbot = path.join(host.home, "moltbot");
    await symlink(openclawEntry, moltbot);
    const { code, stdout, stderr } = await runCommand(
      startCommand({
        file: moltbot,
        args: [
          "onboard",
          "--non-interactive",
          "--accept-risk",
          "--auth-choice",
          "kimi-code-oauth",
          "--skip-health",
          "--skip-channels",
          "--skip-skills",
          "--no-install-daemon",
        ],
        cwd: host.home,
        env: hostEnvironment(host, kimiVariables(standIn)),
      }),
      { timeoutMs: 120_000 },
    );
    expect(code).not.toBe(0);
    expect(stdout + stderr).toMatch(/is damaged: it is not complete JSON\. Run `kimi login`/);
    expect(stdout + stderr).not.toContain("standin-access-torn");
    expect(host.readAuthProfiles()).toEqual({});
    expect(standIn.requests).toEqual([]);
  });
});

/** Each file of the Kimi CLIs, and each login of OpenClaw's own: its bytes, rights and time of change. */
async function loginFiles(host: Host): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const own = path.join(host.stateDir, "kimi-code-oauth", "credentials");
  for (const folder of [path.join(host.home, ".kimi-code"), path.join(host.home, ".kimi"), own]) {
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const file = path.join(entry.parentPath, entry.name);
      // A note of the plugin's on which stores name this login.
      if (entry.name.endsWith(".stores")) {
        continue;
      }
      const { mode, mtimeMs, ino } = await lstat(file);
      const bytes = entry.isFile() ? await readFile(file, "base64") : "";
      found[path.relative(host.home, file)] = `${mode.toString(8)} ${mtimeMs} ${ino} ${bytes}`;
    }
  }
  return found;
}

describe("the logins in use", () => {
  /** What the host says of a model while the plugin is not there (docs/troubleshooting.md). */
  const UNKNOWN_MODEL = {
    ok: false,
    text: expect.stringContaining("Unknown model: kimi-code/") as string,
  };
  let standIn: StandIn;
  let older: { readonly folder: string; readonly archive: string };
  let host: Host;

  beforeAll(async () => {
    // No refresh is due before the end, however long the commands take.
    standIn = await startStandIn({ accessTokenLifetimeS: 7_200 });
    standIn.createAccount({ id: "user-2" });
    // The version before had no web tools, so an update to this one needs consent.
    older = await packOlder(await packPlugin(), { usageProviders: ["kimi-code"] });
    host = await createHost({ env: kimiVariables(standIn), plugin: older.archive });
  }, 240_000);

  afterAll(async () => {
    await host?.dispose();
    await standIn?.close();
    await rm(older?.folder ?? "", { recursive: true, force: true });
  });

  /**
   * A login of the Kimi Code CLI, which the turns use; one of OpenClaw's own, and one that only the
   * Python CLI uses.
   */
  async function signIn(): Promise<void> {
    await signInWithCliLogin(host, standIn);
    const dir = path.join(host.stateDir, "kimi-code-oauth");
    const { endpoints } = homeFor("openclaw", dir, standIn);
    const home = makeHome("openclaw", dir, "login-0000000000000001-00000001", endpoints);
    const tokens = standIn.issueLogin("user-2");
    await writeLogin(home, tokens);
    const { authFlow = "", issuer = "", enterpriseUrl = "" } = bindingOf(home);
    host.writeAuthProfile("kimi-code:own", {
      type: "oauth",
      provider: "kimi-code",
      authFlow,
      issuer,
      enterpriseUrl,
      access: tokens.access_token,
      refresh: tokens.refresh_token,
      expires: Date.now() + tokens.expires_in * 1000,
    });
    await writeLogin(
      homeFor("kimi-cli", path.join(host.home, ".kimi"), standIn),
      standIn.issueLogin(),
    );
    await writeFile(path.join(host.home, ".kimi-code", "config.toml"), "theme = 'dark'\n");
  }

  it(
    "outlive an update, an uninstall, a reinstallation and a downgrade beneath a gateway",
    { timeout: 600_000 },
    async () => {
      const env = installEnvironment();
      const plugins = async (...args: string[]) =>
        await host.run(["plugins", ...args], { env, timeoutMs: 240_000 });
      const install = async (archive: string, ...more: string[]) =>
        await plugins("install", `npm-pack:${archive}`, "--force", ...more);
      const archive = await packPlugin();
      await signIn();
      let before = await loginFiles(host);
      const tokens = (): unknown[] =>
        Object.entries(host.readAuthProfiles()).map(([id, one]) => [id, one.access, one.refresh]);
      let signedIn = tokens();

      const refused = await install(archive);
      expect(refused.code).toBe(1);
      expect(refused.stdout + refused.stderr).toMatch(
        /requires capability consent\. The plugin was not updated\..*--accept-capabilities/s,
      );

      await using gateway = await host.startGateway({ env });
      /** The version that the gateway has, and whether it runs. */
      const version = async (): Promise<unknown> => {
        const list = (await gateway.call("plugins.list", {}))["plugins"];
        const own = (list as { id: string; version?: string; runtime?: { state?: string } }[]).find(
          ({ id }) => id === "kimi-code-oauth",
        );
        return [own?.version, own?.runtime?.state];
      };
      const works = async (): Promise<void> => {
        expect(await gateway.chat("hi")).toMatchObject({ ok: true, text: "pong" });
        const call = standIn.requests.findLast(({ route }) => route === "chat");
        const { access_token } = await readCredential(credentialFile(host, standIn));
        expect(call?.bearer).toBe(access_token);
        expect(call?.headers["user-agent"]?.split(" ")[0]).toBe(
          `kimi-code-oauth/${PLUGIN_VERSION}`,
        );
      };
      const untouched = async (): Promise<void> => {
        expect(await loginFiles(host)).toEqual(before);
        expect(tokens()).toEqual(signedIn);
        expect(standIn.tokenRequests()).toEqual([]);
      };

      expect(await version()).toEqual(["0.0.9", "active"]);
      await works();
      await untouched();

      // The update comes while the older version waits for a refresh in the background.
      const aging = standIn.issueLogin();
      const file = await writeCliLogin(host, standIn, aging, 3_000);
      const reply = Promise.withResolvers<undefined>();
      standIn.failNext("token", { kind: "gate", gate: reply.promise });
      expect(await gateway.chat("hi")).toMatchObject({ ok: true, text: "pong" });
      await standIn.waitFor("token");
      await succeed(install(archive, "--accept-capabilities"));
      await expect.poll(version, { timeout: 60_000 }).toEqual([PLUGIN_VERSION, "active"]);
      reply.resolve(undefined);
      await expect
        .poll(async () => (await readCredential(file))["access_token"])
        .not.toBe(aging.access_token);
      await works();
      expect(standIn.tokenRequests()).toHaveLength(1);
      standIn.clear();
      before = await loginFiles(host);
      signedIn = tokens();

      const chosen = { web: { search: { provider: "kimi-code-oauth" } } };
      await host.updateConfig((config) => ({ ...config, tools: chosen }));
      // The choice of the web search outlives the plugin, and no other command minds.
      await succeed(plugins("uninstall", "kimi-code-oauth", "--force"));
      const valid = await host.run(["config", "validate"]);
      expect(valid).toMatchObject({ code: 0 });
      expect(valid.stdout + valid.stderr).toContain("stale web search plugin config ignored");
      expect(await gateway.chat("hi")).toMatchObject(UNKNOWN_MODEL);
      await untouched();

      await succeed(install(archive, "--accept-capabilities"));
      // The host remembers that it was taken away.
      expect(await gateway.chat("hi")).toMatchObject(UNKNOWN_MODEL);
      await succeed(plugins("enable", "kimi-code-oauth", "--accept-capabilities"));
      await works();
      await untouched();

      // The older version knows nothing of a search.
      await host.updateConfig((config) => ({ ...config, tools: {} }));
      await succeed(install(older.archive));
      await expect.poll(version, { timeout: 60_000 }).toEqual(["0.0.9", "active"]);
      await works();
      await untouched();

      expect(standIn.reusedRefreshTokens).toBe(0);
      expect(standIn.violations).toEqual([]);
    },
  );
});
