/** Runs the demo and draws `docs/demo.svg` from what it prints, with the times at which it does, and its end as `docs/demo-still.svg`. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { projectDir } from "../kit/openclaw/layout.ts";
import { type Chunk, drawTerminal } from "./picture.ts";

const COMMAND = "npm run --silent demo";
const TITLE =
  "The demo: a Kimi CLI signs in, OpenClaw runs an agent on its login and refreshes it, and the Kimi CLI goes on working";

const [file = "", ...args] = COMMAND.split(" ");
const child = spawn(file, args, { cwd: projectDir, stdio: ["ignore", "pipe", "inherit"] });
const chunks: Chunk[] = [];
child.stdout.setEncoding("utf8").on("data", (text: string) => {
  process.stdout.write(text);
  chunks.push({ atMs: performance.now(), text });
});
const [code] = (await once(child, "close")) as [number | null];
if (code !== 0) {
  throw new Error(`the demo ended with ${String(code)}`);
}
const recording = { command: COMMAND, title: TITLE, chunks };
await writeFile(path.join(projectDir, "docs/demo.svg"), drawTerminal(recording));
await writeFile(path.join(projectDir, "docs/demo-still.svg"), drawTerminal(recording, true));
