/**
 * The plugin's main job, step by step, on this machine alone: the published OpenClaw, the published
 * Kimi CLI and the packed plugin, against a stand-in for Kimi's servers on loopback.
 */
import { stat, symlink } from "node:fs/promises";
import path from "node:path";
import { startStandIn } from "../kit/standin/server.ts";
import { createHost } from "../kit/openclaw/host.ts";
import { hostEnvironment, openclawEntry } from "../kit/openclaw/layout.ts";
import { runCommand, startCommand, tail } from "../kit/openclaw/process.ts";
import {
  credentialFile,
  expireLogin,
  kimi,
  kimiVariables,
  readCredential,
} from "../kit/kimi/kimi-cli.ts";

const proved: string[] = [];
let count = 0;

/** Runs one step and says how long it took; a step that fails ends the demo. */
async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
  count += 1;
  const label = `${String(count).padStart(2)}. ${what}`;
  process.stdout.write(`${label} … `);
  const start = performance.now();
  const result = await work();
  process.stdout.write(`done in ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
  return result;
}

function check(condition: boolean, fact: string, evidence: unknown): void {
  if (!condition) {
    throw new Error(`not proved: ${fact} (saw ${JSON.stringify(evidence)})`);
  }
  proved.push(fact);
}

await using standIn = await step(
  "Start a stand-in for Kimi's servers on loopback",
  async () => await startStandIn(),
);
await using host = await step(
  "Build and pack the plugin, install it into a fresh OpenClaw",
  async () => await createHost({ env: kimiVariables(standIn) }),
);
const file = credentialFile(host, standIn);

await step("kimi login (the real Kimi CLI)", async () => {
  const { code, stdout, stderr } = await kimi(host, standIn, ["login"]);
  check(
    code === 0,
    "The Kimi CLI signed in; its login is the only one on the machine.",
    tail(stdout + stderr),
  );
});

await step(
  "moltbot onboard --auth-choice kimi-code-oauth (moltbot is a link to openclaw)",
  async () => {
    const moltbot = path.join(host.home, "moltbot");
    await symlink(openclawEntry, moltbot);
    const { code, stdout, stderr } = await runCommand(
      startCommand({
        file: moltbot,
        args: "onboard --non-interactive --accept-risk --auth-choice kimi-code-oauth --skip-health --skip-channels --skip-skills --no-install-daemon".split(
          " ",
        ),
        cwd: host.home,
        env: hostEnvironment(host, kimiVariables(standIn)),
      }),
      { timeoutMs: 120_000 },
    );
    check(
      code === 0 && host.readAuthProfiles()["kimi-code:default"]?.type === "oauth",
      "Onboarding stored the profile kimi-code:default without an API key.",
      tail(stdout + stderr),
    );
  },
);

await step("openclaw agent --local --agent main --message hi", async () => {
  const turn = await host.agentTurn("hi");
  check(
    turn.ok && standIn.tokenRequests("refresh_token").length === 0,
    "An agent answered on kimi-code/kimi-for-coding, without a refresh.",
    turn.text,
  );
});

const before = await readCredential(file);
await step("The access token expires; the agent is asked again", async () => {
  await expireLogin(host, file);
  standIn.clear();
  const turn = await host.agentTurn("hi again");
  const [refresh, ...more] = standIn.tokenRequests("refresh_token");
  check(
    turn.ok && refresh !== undefined && more.length === 0 && refresh.status === 200,
    "On an expired login the agent answered after exactly one refresh, by itself.",
    { text: turn.text, refreshes: more.length + (refresh === undefined ? 0 : 1) },
  );
});

const after = await readCredential(file);
const mode = (await stat(file)).mode & 0o777;
check(
  after.refresh_token !== before.refresh_token &&
    mode === 0o600 &&
    standIn.reusedRefreshTokens === 0,
  "The Kimi CLI's file holds the new tokens, still 0600; no refresh token was used twice.",
  { mode: mode.toString(8), reused: standIn.reusedRefreshTokens },
);

await step("The agent is asked once more", async () => {
  standIn.clear();
  const turn = await host.agentTurn("and again");
  check(
    turn.ok && standIn.tokenRequests().length === 0,
    "The next turn used the stored tokens: no refresh.",
    turn.text,
  );
});

await step("kimi -p pong (the real Kimi CLI, on the login that OpenClaw refreshed)", async () => {
  standIn.clear();
  const { code, stdout, stderr } = await kimi(host, standIn, ["-p", "pong"]);
  check(
    code === 0 && standIn.count("device_authorization") === 0,
    "The Kimi CLI went on working, with no new login.",
    tail(stdout + stderr),
  );
});

check(
  standIn.violations.length === 0,
  "Every request was one that Kimi's protocol allows.",
  standIn.violations,
);

process.stdout.write(`\nProved:\n${proved.map((fact) => `  - ${fact}`).join("\n")}\n`);
