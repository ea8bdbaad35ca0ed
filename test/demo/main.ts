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
import { doneWithin, FACTS, proof, stepLine, type STEPS } from "./texts.ts";

const proved: (keyof typeof FACTS)[] = [];
let count = 0;

/** Runs one step and says how long it took; a step that fails ends the demo. */
async function step<T>(what: keyof typeof STEPS, work: () => Promise<T>): Promise<T> {
  count += 1;
  process.stdout.write(stepLine(count, what));
  const start = performance.now();
  const result = await work();
  process.stdout.write(doneWithin(performance.now() - start));
  return result;
}

function check(condition: boolean, fact: keyof typeof FACTS, evidence: unknown): void {
  if (!condition) {
    throw new Error(`not proved: ${FACTS[fact]} (saw ${JSON.stringify(evidence)})`);
  }
  proved.push(fact);
}

await using standIn = await step("standIn", async () => await startStandIn());
await using host = await step(
  "install",
  async () => await createHost({ env: kimiVariables(standIn) }),
);
const file = credentialFile(host, standIn);

await step("login", async () => {
  const { code, stdout, stderr } = await kimi(host, standIn, ["login"]);
  check(code === 0, "login", tail(stdout + stderr));
});

await step("onboard", async () => {
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
    "onboard",
    tail(stdout + stderr),
  );
});

await step("turn", async () => {
  const turn = await host.agentTurn("hi");
  check(turn.ok && standIn.tokenRequests("refresh_token").length === 0, "turn", turn.text);
});

const before = await readCredential(file);
await step("expired", async () => {
  await expireLogin(host, file);
  standIn.clear();
  const turn = await host.agentTurn("hi again");
  const [refresh, ...more] = standIn.tokenRequests("refresh_token");
  check(
    turn.ok && refresh !== undefined && more.length === 0 && refresh.status === 200,
    "expired",
    { text: turn.text, refreshes: more.length + (refresh === undefined ? 0 : 1) },
  );
});

const after = await readCredential(file);
const mode = (await stat(file)).mode & 0o777;
check(
  after.refresh_token !== before.refresh_token &&
    mode === 0o600 &&
    standIn.reusedRefreshTokens === 0,
  "file",
  { mode: mode.toString(8), reused: standIn.reusedRefreshTokens },
);

await step("again", async () => {
  standIn.clear();
  const turn = await host.agentTurn("and again");
  check(turn.ok && standIn.tokenRequests().length === 0, "again", turn.text);
});

await step("pong", async () => {
  standIn.clear();
  const { code, stdout, stderr } = await kimi(host, standIn, ["-p", "pong"]);
  check(code === 0 && standIn.count("device_authorization") === 0, "pong", tail(stdout + stderr));
});

check(standIn.violations.length === 0, "protocol", standIn.violations);

if (proved.join() !== Object.keys(FACTS).join()) {
  throw new Error(`proved ${proved.join()}, and not what the demo is about to print`);
}
process.stdout.write(proof());
