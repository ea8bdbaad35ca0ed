/** One installation for the tests of a file: a new one costs more than most tests do. */
import { rm } from "node:fs/promises";
import path from "node:path";
import { PLUGIN_ID } from "../../src/constants.ts";
import { forgetAll } from "./forget.ts";
import type { AgentRuns } from "./openclaw/agent-run.ts";
import type { StandIn } from "./standin/server.ts";

/**
 * Starts over in an installation: a plugin that knows nothing and has noted nothing, and one login,
 * whose tokens were issued `ageMs` ago.
 */
export async function startOver(runs: AgentRuns, standIn: StandIn, ageMs = 0): Promise<void> {
  await runs.signOut();
  forgetAll();
  const folder = path.join(process.env["OPENCLAW_STATE_DIR"] ?? "", PLUGIN_ID);
  await rm(folder, { recursive: true, force: true });
  await runs.signIn(standIn, "kimi-code:default", undefined, ageMs);
}
