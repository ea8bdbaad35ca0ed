/** An installation whose plugin does nothing but register a provider, with a login that OpenClaw stores: what any plugin costs. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createHost, type Host } from "../kit/openclaw/host.ts";
import type { StandIn } from "../kit/standin/server.ts";
import { login, PROFILE } from "../upstream/bench.ts";
import { MODEL, packProbe } from "../upstream/probe.ts";

/** Makes one whose model is served by the stand-in; `parent` is the folder that it is made in. */
export async function createEmptyPluginHost(standIn: StandIn, parent?: string): Promise<Host> {
  const account = standIn.account();
  const id = path.basename(MODEL);
  account.models = [
    ...account.models,
    ...account.models.slice(0, 1).map((row) => ({ ...row, id })),
  ];
  const folder = await mkdtemp(path.join(tmpdir(), "kimi-bench-"));
  try {
    const host = await createHost({
      plugin: await packProbe(folder),
      env: { PROBE_BASE_URL: standIn.apiBase },
      ...(parent === undefined ? {} : { parent }),
    });
    const access = standIn.issueLogin().access_token;
    await host.signIn(PROFILE, { ...login(Date.now() + 3_600_000), access }, MODEL);
    return host;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
