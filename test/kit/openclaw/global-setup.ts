/**
 * Vitest global setup: the plugin is packed and installed into a host at most once per run, when the first test asks for
 * it; a run without host tests pays nothing.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { serveTemplates } from "./template-server.ts";
import { makeRunDir, Templates } from "./template.ts";

/** Called by vitest before the first worker starts; the returned function after the last one. */
export default async function setup(): Promise<() => Promise<void>> {
  const runDir = await makeRunDir();
  const templates = new Templates(runDir);
  const stop = await serveTemplates(join(runDir, "socket"), (job, archive) =>
    job === "pack" ? templates.pack() : templates.install(archive),
  );
  return async () => {
    stop();
    await rm(runDir, { recursive: true, force: true });
  };
}
