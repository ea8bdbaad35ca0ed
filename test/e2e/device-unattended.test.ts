/** `openclaw onboard --non-interactive --auth-choice kimi-code-device`: no terminal, no browser, no Kimi CLI. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { createHost, type Host } from "../kit/openclaw/host.ts";
import { expireLogin, kimiVariables, ownHomes } from "../kit/kimi/kimi-cli.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";

const ONBOARD =
  "onboard --non-interactive --accept-risk --auth-choice kimi-code-device --skip-health --skip-channels --skip-skills --no-install-daemon".split(
    " ",
  );

let standIn: StandIn;
let host: Host;

beforeEach(async () => {
  standIn = await startStandIn();
  standIn.device.outcome = "manual";
  host = await createHost({ env: kimiVariables(standIn) });
}, 120_000);

afterEach(async () => {
  await host?.dispose();
  await standIn?.close();
});

it("signs in, prints the code as one line of JSON beside the summary of the host, and refreshes", async () => {
  const onboarding = host.spawn([...ONBOARD, "--json"]);
  await standIn.waitFor("token");
  standIn.approveDevice("FAKE-0001");
  const { code, stdout, stderr } = await onboarding.exited;
  // The host keeps its output for the summary alone, and sends what is logged to the other stream.
  expect(JSON.parse(stdout)).toMatchObject({ ok: true, authChoice: "kimi-code-device" });
  const events = stderr.split("\n").filter((line) => line.startsWith("{"));
  expect(events.map((line) => JSON.parse(line) as unknown)).toEqual([
    expect.objectContaining({ event: "device_code", user_code: "FAKE-0001" }),
  ]);
  expect(stderr).toContain("Code: FAKE-0001");
  expect(stderr).not.toMatch(/\n\s+at /u);
  expect(code).toBe(0);
  const [file = ""] = await ownHomes(host);
  await expireLogin(host, file);
  const { stdout: status } = await host.run(["models", "status"]);
  expect(status).toContain("5 hours 99% left");
  expect(standIn.tokenRequests("refresh_token")).toHaveLength(1);
  expect(standIn.violations).toEqual([]);
}, 120_000);

it("prints lines that a log shows, ends with another code after Ctrl-C, and leaves nothing", async () => {
  const onboarding = host.spawn(ONBOARD);
  await standIn.waitFor("token");
  process.kill(onboarding.pid, "SIGINT");
  const { code, stdout, stderr } = await onboarding.exited;
  expect(stdout.split("\n")).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^Open this link on any device and approve the sign-in at .*:$/u),
      `${standIn.origin}/code/authorize_device?user_code=FAKE-0001`,
      "Code: FAKE-0001",
    ]),
  );
  // No terminal, no picture.
  expect(stdout).not.toMatch(/[▀▄█]/u);
  expect(code).toBe(130);
  expect(stdout + stderr).toMatch(/sign-in was canceled/u);
  expect(stdout + stderr).not.toMatch(/\n\s+at /u);
  expect(await ownHomes(host)).toEqual([]);
  expect(host.readAuthProfiles()).toEqual({});
  expect(standIn.violations).toEqual([]);
}, 120_000);
