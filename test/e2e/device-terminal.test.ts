import { existsSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import { createHost, type Host } from "../kit/openclaw/host.ts";
import { keys } from "../kit/openclaw/pty.ts";
import { expireLogin, kimiVariables, ownHomes, readCredential } from "../kit/kimi/kimi-cli.ts";

const LOGIN = ["models", "auth", "login", "--provider", "kimi-code"];
const WEB_SEARCH = "Let agents search the web with this Kimi login too?";

let standIn: StandIn;
let host: Host;

beforeEach(async () => {
  standIn = await startStandIn();
  standIn.createAccount({ id: "user-2" });
  standIn.device.outcome = "manual";
  host = await createHost({ env: kimiVariables(standIn) });
}, 120_000);

afterEach(async () => {
  await host?.dispose();
  await standIn?.close();
});

it("signs in from a terminal without any Kimi CLI, refreshes, asks for a code again after Ctrl-C, for web search once, and adds an account", async () => {
  // The method that shares a CLI's login finds none, and offers the way that needs none.
  const cancelled = host.terminal([...LOGIN, "--method", "cli-login"]);
  await cancelled.waitFor("Sign in with a browser instead?", 60_000);
  cancelled.send(keys.enter);
  await cancelled.waitFor("Waiting for your approval", 30_000);
  await standIn.waitFor("token");
  cancelled.send(keys.ctrlC);
  await cancelled.exited;
  standIn.approveDevice("FAKE-0001");
  expect(await ownHomes(host)).toEqual([]);
  expect(host.readAuthProfiles()).toEqual({});

  const terminal = host.terminal([...LOGIN, "--device-code", "--set-default"]);
  await terminal.waitFor("Waiting for your approval", 60_000);
  expect(terminal.screen()).toContain("There is no browser on this machine.");
  expect(terminal.screen()).toContain(
    `${standIn.origin}/code/authorize_device?user_code=FAKE-0002`,
  );
  expect(terminal.screen()).toContain("Code: FAKE-0002");
  standIn.approveDevice("FAKE-0002");
  await terminal.waitFor("Approved", 30_000);
  await terminal.waitFor(WEB_SEARCH, 30_000);
  // Nobody is forced: Enter alone sets nothing.
  terminal.send(keys.enter);
  expect((await terminal.exited).code).toBe(0);
  expect((await host.config())["tools"]).toBeUndefined();

  const [file = ""] = await ownHomes(host);
  const profile = host.readAuthProfiles()["kimi-code:default"];
  const slot = path.basename(file, ".json");
  expect(profile).toMatchObject({
    access: (await readCredential(file)).access_token,
    accountId: "user-1",
    authFlow: `openclaw:${slot}@${path.join(host.stateDir, "kimi-code-oauth")}`,
  });
  expect(terminal.screen()).not.toContain(String(profile?.access));
  expect(terminal.screen()).not.toContain(String(profile?.refresh));

  await expireLogin(host, file);
  expect((await host.run(["models", "status"])).stdout).toContain("5 hours 99% left");
  expect(standIn.tokenRequests("refresh_token")).toHaveLength(1);
  expect(standIn.requests.findLast(({ route }) => route === "usages")?.bearer).toBe(
    (await readCredential(file)).access_token,
  );

  const again = host.terminal([...LOGIN, "--device-code", "--profile-id", "kimi-code:work"]);
  await again.waitFor("Waiting for your approval", 60_000);
  standIn.approveDevice("FAKE-0003", "user-2");
  expect((await again.exited).code).toBe(0);
  expect(again.screen()).not.toContain(WEB_SEARCH);
  expect(host.readAuthProfiles()).toMatchObject({
    "kimi-code:default": { accountId: "user-1" },
    "kimi-code:work": { accountId: "user-2" },
  });

  // The first code was approved after it had been cancelled; nobody came for its tokens.
  const handedOut = standIn.tokenRequests("device_code").filter(({ status }) => status === 200);
  expect(handedOut.map(({ form }) => form?.["device_code"])).toEqual([
    "standin-device-code-0002",
    "standin-device-code-0003",
  ]);
  expect(standIn.violations).toEqual([]);
  expect(standIn.pollsTooFast).toBe(0);
  // No Kimi CLI's folder was made, and nothing in one could have been read.
  expect([".kimi", ".kimi-code"].filter((name) => existsSync(path.join(host.home, name)))).toEqual(
    [],
  );
}, 240_000);
