/** What the host does around its turns: starts, installs, sign-ins and reports. */
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import path from "node:path";
import { kimiVariables, signInWithCliLogin } from "../kit/kimi/kimi-cli.ts";
import { createHost } from "../kit/openclaw/host.ts";
import { startStandIn } from "../kit/standin/server.ts";
import { installEnvironment } from "../kit/openclaw/template.ts";
import { counts, createBench, MINUTES_5, PROFILE, type Print, seconds } from "./bench.ts";
import { FILLER, packProbe } from "./probe.ts";

/** Another provider's model, so that a second sign-in is saved beside it. */
const OTHER = {
  baseUrl: "http://127.0.0.1:9/v1",
  apiKey: "none",
  api: "openai-completions",
  models: [
    {
      id: "m",
      name: "M",
      contextWindow: 200_000,
      maxTokens: 8_000,
      input: ["text"],
      reasoning: false,
    },
  ],
};

/** Folders below `root` that hold the plugin's files, and how many. */
function copiesBelow(root: string): Map<string, number> {
  const found = new Map<string, number>();
  let entries;
  try {
    entries = readdirSync(root, { recursive: true, withFileTypes: true });
  } catch {
    // A folder went away while it was read.
    return found;
  }
  for (const entry of entries) {
    if (entry.name.startsWith(FILLER)) {
      found.set(entry.parentPath, (found.get(entry.parentPath) ?? 0) + 1);
    }
  }
  return found;
}

/** The host copies each file of a plugin several times per start. */
export async function copies(print: Print): Promise<void> {
  for (const files of [100, 1_000]) {
    await using bench = await createBench({ files });
    await bench.signIn();
    await bench.host.agentTurn("hi");
    const count = async (what: string, start: () => Promise<AsyncDisposable | undefined>) => {
      const before = new Set(copiesBelow(bench.host.root).keys());
      const seen = new Map<string, number>();
      const look = (): void => {
        for (const [folder, found] of copiesBelow(bench.host.root)) {
          if (!before.has(folder)) {
            seen.set(folder, Math.max(seen.get(folder) ?? 0, found));
          }
        }
      };
      const timer = setInterval(look, 50);
      const started = await start();
      clearInterval(timer);
      look();
      await started?.[Symbol.asyncDispose]();
      const total = Array.from(seen.values()).reduce((sum, found) => sum + found, 0);
      print(
        `${what}, ${String(files)} files beside the plugin's own: ${String(seen.size)} copies, ${String(total)} files`,
      );
      for (const [folder, found] of seen) {
        print(`  ${String(found)} in …/${path.relative(bench.host.root, folder)}`);
      }
    };
    await count("openclaw agent --local", async () => {
      await bench.host.agentTurn("hi");
      return undefined;
    });
    await count("openclaw gateway run and its first turn", async () => {
      const gateway = await bench.host.startGateway();
      await gateway.chat("hi");
      return gateway;
    });
  }
}

/** An update of a plugin in a running gateway, whose old copy has `normalizeModelId`. */
export async function update(print: Print): Promise<void> {
  for (const normalizes of [false, true]) {
    await using bench = await createBench({ normalizes });
    await bench.signIn();
    const archive = await packProbe(bench.folder, { version: "1.0.1", normalizes });
    // A running gateway installs by itself.
    await using gateway = await bench.host.startGateway({ env: installEnvironment() });
    await gateway.chat("hi");
    const from = gateway.command.output().length;
    bench.notes();
    const { code, stdout, stderr, durationMs } = await bench.host.run(
      ["plugins", "install", `npm-pack:${archive}`, "--force", "--accept-capabilities"],
      { timeoutMs: MINUTES_5, env: installEnvironment() },
    );
    print(
      `update of a plugin ${normalizes ? "with" : "without"} normalizeModelId: code ${String(code)} after ${seconds(durationMs)}; hooks: ${JSON.stringify(counts(bench.notes()))}`,
    );
    print(`  ${(stdout + stderr).trim().split("\n").slice(-4).join("\n  ")}`);
    const said = gateway.command.output().slice(from).trim().split("\n");
    print(`  gateway: ${said.slice(-6).join("\n  gateway: ")}`);
    const turn = await gateway.chat("hi");
    print(`  next turn: ${turn.text.slice(0, 300)}`);
  }
}

/** Usage without a gateway, in both forms, and on a network that drops everything. */
export async function usage(print: Print): Promise<void> {
  await using bench = await createBench();
  await bench.signIn();
  // Takes connections and never answers, as a firewall that drops packets.
  const hole = createServer().listen(0, "127.0.0.1");
  await once(hole, "listening");
  const proxy = `http://127.0.0.1:${String((hole.address() as AddressInfo).port)}`;
  const show = async (what: string, args: readonly string[], env = {}): Promise<void> => {
    bench.notes();
    const { stdout, durationMs } = await bench.host.run(["status", "--usage", ...args], {
      timeoutMs: MINUTES_5,
      env,
    });
    const lines = stdout.split("\n").filter((line) => /probe|5h|usage|timeout/iu.test(line));
    const line = lines.map((one) => one.trim()).join(" ");
    print(`${what}: ${seconds(durationMs)}; hooks: ${JSON.stringify(counts(bench.notes()))}`);
    print(`  ${line.slice(0, 300)}`);
  };
  await show("without a gateway", []);
  await show("without a gateway, --json", ["--json"]);
  await show("without a gateway, no network", [], { HTTPS_PROXY: proxy, HTTP_PROXY: proxy });
  await show("without a gateway, --timeout 3000", ["--timeout", "3000"]);
  const gateway = await bench.host.startGateway();
  await show("with a gateway", []);
  await gateway.kill();
  await show("after the gateway was killed", []);
  await bench.host.updateConfig((config) => ({
    ...config,
    gateway: { mode: "remote", remote: { url: proxy.replace("http", "ws"), token: "t" } },
  }));
  await show("with a remote gateway that does not answer", []);
  hole.close();
}

/** Which hook tells of a sign-out. */
export async function signOut(print: Print): Promise<void> {
  await using bench = await createBench();
  await bench.signIn();
  bench.notes();
  const { code, stdout, stderr } = await bench.host.run([
    "models",
    "auth",
    "logout",
    PROFILE,
    "--yes",
  ]);
  print(
    `openclaw models auth logout ${PROFILE}: code ${String(code)}: ${(stdout + stderr).trim().split("\n").at(-1) ?? ""}`,
  );
  print(`  profiles left: ${JSON.stringify(Object.keys(bench.host.readAuthProfiles()))}`);
  print(`  hooks that were called: ${JSON.stringify(counts(bench.notes()))}`);
}

/** A saved sign-in of this plugin that is activated while the agents of a gateway have turns. */
export async function activate(print: Print): Promise<void> {
  await using standIn = await startStandIn();
  await using host = await createHost({ env: kimiVariables(standIn) });
  await signInWithCliLogin(host, standIn);
  const agents = ["main", "one", "two", "three", "four"];
  await host.updateConfig((config) => {
    const defaults = (config["agents"] as { defaults: object }).defaults;
    return {
      ...config,
      agents: { defaults: { ...defaults, model: "other/m" } },
      models: { providers: { other: OTHER } },
    };
  });
  const again = await host.onboard();
  const saved = /models auth activate (?<id>kimi-code:\S+)/u.exec(again.stdout + again.stderr)?.[1];
  await host.updateConfig((config) => ({
    ...config,
    agents: {
      ...(config["agents"] as object),
      ownership: "explicit",
      list: agents.map((id) => ({ id })),
    },
  }));
  print(`a second sign-in is saved as ${saved ?? again.stdout + again.stderr}`);
  await using gateway = await host.startGateway();
  const chat = async (agent: string) =>
    await gateway.chat("hi", { agent, model: "kimi-code/kimi-for-coding" });
  for (const agent of agents) {
    await chat(agent);
  }
  for (const id of [saved ?? "", "kimi-code:default", saved ?? ""]) {
    const done = new AbortController();
    const busy = agents.map(async (agent) => {
      while (!done.signal.aborted) {
        await chat(agent);
      }
    });
    const { code, stdout, stderr, durationMs } = await host.run(
      ["models", "auth", "activate", id, "--agent", "main"],
      { timeoutMs: MINUTES_5 },
    );
    done.abort();
    await Promise.all(busy);
    const after = await Promise.all(
      agents.map(async (agent) => {
        const { ok, text } = await chat(agent);
        return `${agent} ${ok ? "ok" : text.slice(0, 120)}`;
      }),
    );
    print(`activate ${id}: code ${String(code)} after ${seconds(durationMs)}`);
    print(`  ${(stdout + stderr).trim().split("\n").slice(-6).join("\n  ")}`);
    print(`  turns afterwards: ${after.join("; ")}`);
    print(`  profiles: ${Object.keys(host.readAuthProfiles()).join(", ")}`);
  }
  const log = gateway.command.output();
  for (const text of ["was not committed after replacement", "superseded", "changed during its"]) {
    print(`the gateway said "${text}" ${String(log.split(text).length - 1)} times`);
  }
}
