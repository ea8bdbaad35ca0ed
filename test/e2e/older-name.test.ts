/** An installation of the time when OpenClaw was called Clawdbot: its logins survive the host's own move. */
import { lstat, readFile, readlink, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { bindingOf } from "../../src/logins/homes.ts";
import { newOpenClawHome } from "../../src/logins/openclaw-home.ts";
import { endpointsOf } from "../../src/protocol/endpoints.ts";
import { writeLogin } from "../kit/logins.ts";
import {
  credentialFile,
  expireLogin,
  kimiVariables,
  ownHomes,
  readCredential,
  signInWithCliLogin,
  succeed,
} from "../kit/kimi/kimi-cli.ts";
import { rewriteStoredPaths } from "../kit/openclaw/auth-store.ts";
import { createHost, type Host } from "../kit/openclaw/host.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";

const SHARED = "kimi-code:default";
const OWN = "kimi-code:own";

let standIn: StandIn;
let host: Host;
let olderDir: string;

beforeAll(async () => {
  standIn = await startStandIn();
  // No variable names the folder, so that the host looks for it.
  host = await createHost({ env: { ...kimiVariables(standIn), OPENCLAW_STATE_DIR: "" } });
  await signInWithCliLogin(host, standIn);
  const tokens = standIn.issueLogin();
  const home = newOpenClawHome(
    path.join(host.stateDir, "kimi-code-oauth"),
    endpointsOf(standIn.oauthHost, standIn.apiBase),
  );
  await writeLogin(home, tokens);
  host.writeAuthProfile(OWN, {
    type: "oauth",
    provider: "kimi-code",
    ...bindingOf(home),
    access: tokens.access_token,
    refresh: tokens.refresh_token,
    expires: Date.now() + tokens.expires_in * 1000,
  });
  olderDir = path.join(host.home, ".clawdbot");
  await rename(host.stateDir, olderDir);
  rewriteStoredPaths(olderDir, host.stateDir, olderDir);
  const config = path.join(olderDir, "openclaw.json");
  const text = await readFile(config, "utf8");
  // The older name of the file, too.
  await writeFile(path.join(olderDir, "clawdbot.json"), text.replaceAll(host.stateDir, olderDir), {
    mode: 0o600,
  });
  await rename(config, path.join(host.root, "config-of-today.json"));
}, 180_000);

afterAll(async () => {
  await host?.dispose();
  await standIn?.close();
});

it("keeps both kinds of login, which refresh and serve with no new sign-in", async () => {
  await succeed(
    host.run(["doctor", "--fix", "--force", "--non-interactive"], { timeoutMs: 240_000 }),
  );
  expect((await lstat(olderDir)).isSymbolicLink()).toBe(true);
  expect(await readlink(olderDir)).toBe(host.stateDir);
  const [own = ""] = await ownHomes(host);
  for (const file of [own, credentialFile(host, standIn)]) {
    await expireLogin(host, file);
  }
  standIn.clear();
  /** What Kimi is asked comes with the token of that login. */
  const served = async (file: string): Promise<void> => {
    expect((await host.run(["models", "status"])).stdout).toMatch(/5 hours (?:\(\S+\) )?99% left/u);
    expect(standIn.requests.findLast(({ route }) => route === "usages")?.bearer).toBe(
      (await readCredential(file)).access_token,
    );
  };
  await served(credentialFile(host, standIn));
  // Signed out of the one, OpenClaw takes the other.
  host.writeAuthProfile(SHARED, undefined);
  await served(own);
  expect(standIn.tokenRequests("refresh_token").map(({ status }) => status)).toEqual([200, 200]);
  expect(standIn.count("device_authorization")).toBe(0);
  expect(standIn.violations).toEqual([]);
}, 600_000);
