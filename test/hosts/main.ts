/**
 * The core of what the plugin does on published releases of OpenClaw, from before the oldest that can
 * work to the newest, as a table.
 *
 *     npm run test:hosts [-- <version> …]
 *
 * Each release is installed into a folder of its own below the system's temporary folder and stays there
 * for the next run. A release that is older than the plugin asks for must refuse it in a sentence.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { projectDir } from "../kit/openclaw/layout.ts";
import { runCommand, startCommand, tail } from "../kit/openclaw/process.ts";
import { installEnvironment, makeRunDir, Templates } from "../kit/openclaw/template.ts";
import { STEPS, type StepName } from "./steps.ts";

/** Releases that are tried by default; the last of a line stands for it. */
const RELEASES = [
  "2026.7.35",
  "2026.8.2",
  "2026.9.1",
  "2026.9.2",
  "2026.9.3",
  "2026.9.4",
  "2026.9.5",
  "2026.9.6",
];
/** Limit of an installation, in ms. */
const INSTALL_LIMIT_MS = 300_000;
/** How a host says that it is too old for a plugin. */
const TOO_OLD =
  /requires (?:OpenClaw|plugin API|host|gateway)\b.*\b2026\.9\.2\b|2026\.9\.2.*(?:or newer|required)/is;

interface Outcome {
  readonly step: StepName;
  readonly ok: boolean;
  readonly seconds?: number;
  readonly text?: string;
}

/** The command of a release, installed on first use. */
async function installRelease(version: string): Promise<string> {
  const folder = path.join(tmpdir(), "kimi-code-oauth-hosts", version);
  const entry = path.join(folder, "node_modules", "openclaw", "openclaw.mjs");
  if (
    await readFile(entry).then(
      () => true,
      () => false,
    )
  ) {
    return entry;
  }
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, "package.json"), '{"private":true}');
  const { code, stdout, stderr } = await runCommand(
    startCommand({
      file: "npm",
      args: ["install", "--no-audit", "--no-fund", `openclaw@${version}`],
      cwd: folder,
      env: { ...installEnvironment(), HOME: homedir() },
    }),
    { timeoutMs: INSTALL_LIMIT_MS },
  );
  if (code !== 0) {
    throw new Error(`openclaw@${version} could not be installed: ${tail(stdout + stderr)}`);
  }
  return entry;
}

/** Runs the core on one release. */
async function tryRelease(version: string, archive: string): Promise<readonly Outcome[]> {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL("core.ts", import.meta.url)), archive],
    {
      env: { ...process.env, OPENCLAW_UNDER_TEST: await installRelease(version) },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const outcomes: Outcome[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    outcomes.push(JSON.parse(line) as Outcome);
  }
  if (child.exitCode === null) {
    await once(child, "exit");
  }
  return outcomes;
}

/** Releases by their numbers, as the host compares them. */
function isOlder(version: string, than: string): boolean {
  const [left, right] = [version, than].map((each) => each.split(".").map(Number));
  const at = left?.findIndex((part, index) => part !== right?.[index]) ?? -1;
  return at !== -1 && (left?.[at] ?? 0) < (right?.[at] ?? 0);
}

const manifest = JSON.parse(await readFile(path.join(projectDir, "package.json"), "utf8")) as {
  readonly openclaw: { readonly compat: { readonly minGatewayVersion: string } };
};
const oldest = manifest.openclaw.compat.minGatewayVersion;
const chosen = process.argv.slice(2);
const runDir = await makeRunDir();
let failures = 0;
try {
  const archive = await new Templates(runDir).pack();
  console.log(`| OpenClaw | ${STEPS.join(" | ")} |\n|${" --- |".repeat(STEPS.length + 1)}`);
  for (const version of chosen.length === 0 ? RELEASES : chosen) {
    const outcomes = await tryRelease(version, archive);
    const last = outcomes.at(-1);
    if (isOlder(version, oldest)) {
      const isRefused = last?.step === "install" && !last.ok && TOO_OLD.test(last.text ?? "");
      failures += isRefused ? 0 : 1;
      console.log(
        `| ${version} | ${isRefused ? "refused: too old" : `**not refused**: ${last?.text ?? ""}`} |`,
      );
      continue;
    }
    const cells = STEPS.map((step) => {
      const outcome = outcomes.find((each) => each.step === step);
      return outcome?.ok === true
        ? `${(outcome.seconds ?? 0).toFixed(0)} s`
        : outcome === undefined
          ? "–"
          : "**failed**";
    });
    console.log(`| ${version} | ${cells.join(" | ")} |`);
    if (last?.ok !== true) {
      failures += 1;
      console.log(`\n${version}, ${last?.step ?? "no step"}: ${last?.text ?? ""}\n`);
    }
  }
} finally {
  await rm(runDir, { recursive: true, force: true });
}
process.exitCode = failures === 0 ? 0 : 1;
