/**
 * The core of what the plugin does, on the host that `OPENCLAW_UNDER_TEST` names: one line of JSON for each
 * step, and an end at the first that fails.
 *
 *     node test/hosts/core.ts <archive of the plugin>
 */

import {
  expireLogin,
  credentialFile,
  kimiVariables,
  readCredential,
  writeCliLogin,
} from "../kit/kimi/kimi-cli.ts";
import { createHost } from "../kit/openclaw/host.ts";
import { tail } from "../kit/openclaw/process.ts";
import { startStandIn } from "../kit/standin/server.ts";
import { STEPS, type StepName } from "./steps.ts";

const [plugin] = process.argv.slice(2);

function must(condition: boolean, seen: unknown): void {
  if (!condition) {
    throw new Error(typeof seen === "string" ? tail(seen) : JSON.stringify(seen));
  }
}

await using standIn = await startStandIn();

/** The refreshes that the server granted since the last look. */
function refreshes(): number {
  const granted = standIn.tokenRequests("refresh_token").filter(({ status }) => status === 200);
  standIn.clear();
  return granted.length;
}

const setup = {
  env: kimiVariables(standIn),
  ...(plugin === undefined ? {} : { plugin }),
};
const begun = performance.now();
const host = await createHost(setup).catch((error: unknown) => {
  const text = error instanceof Error ? error.message : String(error);
  process.stdout.write(`${JSON.stringify({ step: "install", ok: false, text })}\n`);
  process.exit(1);
});
const installedAt = performance.now();
const file = credentialFile(host, standIn);

const work: Record<StepName, () => Promise<void>> = {
  // Done above, because the other steps need the host.
  install: async () => {},
  onboard: async () => {
    await writeCliLogin(host, standIn, standIn.issueLogin(), 900);
    const { code, stdout, stderr } = await host.onboard();
    must(code === 0, stdout + stderr);
  },
  turn: async () => {
    const turn = await host.agentTurn("hi");
    must(turn.ok && turn.text === "pong" && refreshes() === 0, turn);
  },
  refresh: async () => {
    await expireLogin(host, file);
    const before = await readCredential(file);
    const turn = await host.agentTurn("hi");
    const after = await readCredential(file);
    must(turn.ok && after.refresh_token !== before.refresh_token && refreshes() === 1, turn);
  },
  crash: async () => {
    await expireLogin(host, file);
    standIn.failNext("token", { kind: "hang" });
    const killed = host.spawn(["agent", "--local", "--agent", "main", "--message", "hi", "--json"]);
    await standIn.waitFor("token");
    await killed.killTree("SIGKILL");
    standIn.heal();
    const turn = await host.agentTurn("hi", { timeoutMs: 200_000 });
    must(turn.ok && refreshes() === 1, turn);
  },
  gateway: async () => {
    await using gateway = await host.startGateway();
    must((await gateway.chat("hi")).text === "pong", "the first turn");
    await expireLogin(host, file);
    const turn = await gateway.chat("hi");
    must(turn.ok && refreshes() === 1, turn);
  },
  device: async () => {
    await using fresh = await createHost(setup);
    const { code, stdout, stderr } = await fresh.onboard(["--auth-choice", "kimi-code-device"]);
    must(code === 0, stdout + stderr);
    must((await fresh.agentTurn("hi")).ok, "the first turn after the sign-in");
  },
};

let failed = false;
try {
  for (const step of STEPS) {
    const start = step === "install" ? begun : performance.now();
    try {
      await work[step]();
      const end = step === "install" ? installedAt : performance.now();
      const seconds = (end - start) / 1_000;
      process.stdout.write(`${JSON.stringify({ step, ok: true, seconds })}\n`);
    } catch (error) {
      failed = true;
      const text = error instanceof Error ? error.message : String(error);
      process.stdout.write(`${JSON.stringify({ step, ok: false, text })}\n`);
      break;
    }
  }
} finally {
  await host.dispose();
}
process.exitCode = failed ? 1 : 0;
