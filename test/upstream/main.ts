/**
 * Runs the reproductions of `docs/upstream.md` and prints what the host did:
 *
 *     node test/upstream/main.ts            # all, about 15 minutes
 *     node test/upstream/main.ts fence      # one
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { projectDir } from "../kit/openclaw/layout.ts";
import type { Print } from "./bench.ts";
import { activate, copies, signOut, update, usage } from "./starts.ts";
import { cached, compaction, errors, exec, fence, hookInputs, resolves } from "./turns.ts";

const reproductions = new Map<string, (print: Print) => Promise<void>>(
  Object.entries({
    copies,
    fence,
    activate,
    usage,
    resolves,
    told: hookInputs,
    cached,
    update,
    "sign-out": signOut,
    errors,
    exec,
    compaction,
  }),
);

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !reproductions.has(name));
if (unknown.length > 0) {
  throw new Error(
    `There is no reproduction ${unknown.join(", ")}; there are: ${Array.from(reproductions.keys()).join(", ")}`,
  );
}
const { version } = JSON.parse(
  readFileSync(path.join(projectDir, "node_modules/openclaw/package.json"), "utf8"),
) as { version: string };
console.log(`OpenClaw ${version}, Node ${process.version}, ${process.platform}`);
for (const name of asked.length > 0 ? asked : reproductions.keys()) {
  console.log(`\n## ${name}`);
  await reproductions.get(name)?.((line) => {
    console.log(line);
  });
}
