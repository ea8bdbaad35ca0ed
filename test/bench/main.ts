/**
 * The benchmark: each budget against its anchor, measured in one run.
 *
 *     node test/bench/main.ts [--json] [--host]
 *
 * Without `--json` it also draws `docs/benchmarks.svg`. `--host` adds the start of OpenClaw with and
 * without the plugin, which takes some minutes.
 */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { projectDir } from "../kit/openclaw/layout.ts";
import { measureFresh, measureRefresh } from "./access.ts";
import { measureBodies } from "./body.ts";
import { measureGateway } from "./gateway.ts";
import { measureHost } from "./host.ts";
import { measureLoad } from "./load.ts";
import { report } from "./report.ts";
import { simulateRequests, SPELLS } from "./requests.ts";
import { startServerProcess } from "./server-process.ts";
import { signedInHome } from "./setup.ts";
import { draw } from "./svg.ts";
import { measureTarball } from "./tarball.ts";
import { measureCrowd } from "./waiters.ts";

const { values } = parseArgs({
  options: { json: { type: "boolean", default: false }, host: { type: "boolean", default: false } },
});

const folder = await mkdtemp(path.join(tmpdir(), "kimi-bench-"));
await using server = await startServerProcess();
try {
  const home = async (name: string) => await signedInHome(path.join(folder, name), server);
  const fresh = await measureFresh(await home("fresh"));
  const refresh = await measureRefresh(await home("refresh"), server);
  const crowd = await measureCrowd(await home("crowd"), server, "plugin", 12);
  const official = await measureCrowd(await home("official"), server, "official", 6);
  const load = await measureLoad(21);
  const tarball = await measureTarball();
  const bodies = await measureBodies();
  const day = await simulateRequests();
  const host = values.host ? await measureHost(5, 3) : undefined;
  const call = values.host ? await measureGateway(8) : undefined;
  const result = { fresh, refresh, crowd, official, load, tarball, bodies, day, host, call };
  if (values.json) {
    console.log(JSON.stringify(result, null, 2));
  } else {
    const drawing = {
      plugin: crowd.latencies,
      official: official.latencies,
      day,
      spells: SPELLS,
      turn: host?.turn,
      call: call?.own,
    };
    await writeFile(path.join(projectDir, "docs", "benchmarks.svg"), draw(drawing));
    const { text, missed } = report(result);
    console.log(text);
    process.exitCode = missed === 0 ? 0 : 1;
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
