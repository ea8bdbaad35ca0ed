import { symlink, mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import { createHost, type Host } from "../kit/openclaw/host.ts";
import { hostEnvironment, openclawEntry } from "../kit/openclaw/layout.ts";
import { runCommand, startCommand } from "../kit/openclaw/process.ts";
import { credentialFile, kimiVariables } from "../kit/kimi/kimi-cli.ts";

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

  it("loads with its dependencies and registers the provider", async () => {
    const { stdout } = await host.run([
      "plugins",
      "inspect",
      "kimi-code-oauth",
      "--runtime",
      "--json",
    ]);
    expect(JSON.parse(stdout)).toMatchObject({
      plugin: {
        id: "kimi-code-oauth",
        status: "loaded",
        providerIds: ["kimi-code"],
        dependencyStatus: { requiredInstalled: true, missing: [] },
      },
      diagnostics: [],
    });
  });

  it("gives the plugin doctor nothing to say", async () => {
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
