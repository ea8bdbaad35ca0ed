/** What the host does in a turn, each shown with the probe alone. */
import { watch } from "node:fs/promises";
import path from "node:path";
import { openChatWindow } from "../kit/openclaw/chat-window.ts";
import { hostFunction, type Summarize } from "../kit/openclaw/host-function.ts";
import {
  type Bench,
  counts,
  createBench,
  MINUTES_5,
  PROFILE,
  type Print,
  seconds,
} from "./bench.ts";
import { MODEL } from "./probe.ts";

/** A crash during a refresh leaves a fence that never ends; so does one failure that would have passed. */
export async function fence(print: Print): Promise<void> {
  for (const way of ["hang", "throw"] as const) {
    await using bench = await createBench();
    const { host } = bench;
    await bench.signIn(Date.now() - 1_000);
    const args = ["agent", "--local", "--agent", "main", "--message", "hi", "--json"];
    if (way === "hang") {
      const command = host.spawn(args, { env: { PROBE_REFRESH: way } });
      for await (const _change of watch(path.dirname(bench.env.PROBE_LOG))) {
        if (bench.notes().some(({ hook }) => hook === "refreshOAuth")) {
          break;
        }
      }
      await command.killTree("SIGKILL");
      print("killed with SIGKILL while refreshOAuth was waiting for its server");
    } else {
      const turn = await host.agentTurn("hi", {
        env: { PROBE_REFRESH: way },
        timeoutMs: MINUTES_5,
      });
      print(`refreshOAuth threw "fetch failed" once: ${turn.text}`);
    }
    print(
      `  stored: ${String(host.readAuthProfiles()[PROFILE]?.access).replaceAll(/[0-9a-f]{16,}/gu, "…")}`,
    );
    for (const round of ["next turn", "the one after it"]) {
      host.clearAuthState();
      bench.notes();
      const turn = await host.agentTurn("hi", { timeoutMs: MINUTES_5 });
      const refreshes = counts(bench.notes())["refreshOAuth"] ?? 0;
      print(
        `  ${round} (server reachable, cooldown cleared): ${turn.ok ? "ok" : "failed"} after ${seconds(turn.command.durationMs)}, ${String(refreshes)} calls of refreshOAuth: ${turn.text.slice(0, 300)}`,
      );
    }
  }
}

/** A model of a plugin is resolved several times in a turn. */
export async function resolves(print: Print): Promise<void> {
  await using bench = await createBench();
  await bench.signIn();
  for (const prefers of ["yes", "no"] as const) {
    await using gateway = await bench.host.startGateway({ env: { PROBE_PREFERS: prefers } });
    const session = `agent:main:${prefers}`;
    await gateway.chat("hi", { session });
    bench.notes();
    const startedAt = performance.now();
    for (let round = 0; round < 5; round += 1) {
      await gateway.chat("hi", { session });
    }
    const ms = (performance.now() - startedAt) / 5;
    print(
      `preferRuntimeResolvedModel says ${prefers}: 5 turns, ${ms.toFixed(0)} ms each: ${JSON.stringify(counts(bench.notes()))}`,
    );
  }
}

/** What `wrapStreamFn` and `refreshOAuth` are told, beside `prepareRuntimeAuth`. */
export async function hookInputs(print: Print): Promise<void> {
  await using bench = await createBench();
  await bench.signIn(Date.now() - 1_000);
  const turn = await bench.host.agentTurn("hi");
  print(`turn: ${turn.text}`);
  const notes = bench.notes();
  for (const hook of ["refreshOAuth", "prepareRuntimeAuth", "wrapStreamFn"]) {
    const { members = [], profileId } = notes.find((note) => note.hook === hook) ?? {};
    print(`${hook} gets: ${members.join(", ")}; profileId: ${profileId ?? "not told"}`);
  }
}

/** Cached tokens at the top level of a chat completion's usage. */
export async function cached(print: Print): Promise<void> {
  await using bench = await createBench();
  await bench.signIn();
  const base = { prompt_tokens: 100, completion_tokens: 1, total_tokens: 101 };
  for (const usage of [
    { ...base, cached_tokens: 80 },
    { ...base, prompt_tokens_details: { cached_tokens: 80 } },
  ]) {
    bench.server.reply = { usage };
    const turn = await bench.host.agentTurn("hi");
    const meta = (turn.raw as { meta?: { agentMeta?: { usage?: unknown } } }).meta;
    print(`server: ${JSON.stringify(usage)}`);
    print(`  host: ${JSON.stringify(meta?.agentMeta?.usage)}`);
  }
}

/** What a chat window, and a channel such as Telegram, show of an error. */
export async function errors(print: Print): Promise<void> {
  await using bench = await createBench();
  await bench.signIn();
  const limit =
    "You have reached your plan's 5-hour usage limit. Buy more at https://example.com/code.";
  const summarize = await hostFunction<Summarize>("resolveReplyFailureSummary");
  {
    await using gateway = await bench.host.startGateway();
    const window = await openChatWindow(gateway);
    for (const message of [
      limit,
      limit.replace("5-hour", "weekly"),
      "This account has too many requests running at once on its other devices.",
    ]) {
      bench.server.reply = { status: 429, error: { message, type: "some_error" } };
      const { text } = await window.say("hi");
      print(`the server says (HTTP 429): ${message}`);
      print(`  chat window: ${text}`);
      const channel = summarize({ error: new Error(message), message, reason: "rate_limit" });
      print(`  channel:     ${channel?.text ?? "nothing"}`);
    }
    await window.close();
  }
  const filler = "This sentence of a plugin says what happened. ".repeat(5);
  const long = `${filler}To fix it, run: openclaw models auth login --provider probe`;
  await using gateway = await bench.host.startGateway({ env: { PROBE_AUTH_ERROR: long } });
  const window = await openChatWindow(gateway);
  const { text } = await window.say("hi");
  print(`prepareRuntimeAuth throws (${String(long.length)} characters): ${long}`);
  print(`  chat window (${String(text.length)} characters): ${text}`);
  await window.close();
}

/** `agent exec` and OAuth profiles. */
export async function exec(print: Print): Promise<void> {
  await using bench = await createBench();
  await bench.signIn();
  const show = async (bench_: Bench, args: readonly string[]): Promise<void> => {
    const all = ["agent", "exec", "hi", "--json", "--model", MODEL, ...args];
    const { code, stdout, stderr } = await bench_.host.run(all);
    const text = stdout + stderr;
    const message = /"message":\s*"(?<message>(?:[^"\\]|\\.)*)"/u.exec(text)?.[1] ?? text.trim();
    print(`openclaw ${all.join(" ")}: code ${String(code)}: ${message.slice(0, 400)}`);
  };
  await show(bench, []);
  await show(bench, ["--no-auth-env-only"]);
  await show(bench, ["--no-auth-env-only", "--state-dir", bench.host.stateDir]);
}

/** Long turns that a compaction replaces, though the model was never asked for a summary. */
export async function compaction(print: Print): Promise<void> {
  await using bench = await createBench();
  const { host, server } = bench;
  await bench.signIn();
  // As in a workspace that is no longer new, whose turns leave no mark of a bootstrap between them.
  await host.updateConfig((config) => {
    const agents = config["agents"] as { readonly defaults: object };
    return {
      ...config,
      agents: { ...agents, defaults: { ...agents.defaults, skipBootstrap: true } },
    };
  });
  await using gateway = await host.startGateway();
  const session = "agent:main:long";
  const facts = [1, 2, 3].map((number) => `The code of door ${String(number)} is blue.`);
  for (const fact of facts) {
    await gateway.chat(`${"word ".repeat(16_000)}${fact}`, { session });
  }
  server.bodies.length = 0;
  const message = "This model's maximum context length is 200000 tokens.";
  server.once = { status: 400, error: { message, code: "context_length_exceeded" } };
  const { text } = await gateway.chat("and now?", { session });
  print(
    `three turns of 80,000 characters with a fact at the end, then one that the server refuses once as too long: ${text}`,
  );
  for (const body of server.bodies) {
    const kind = "tools" in (JSON.parse(body) as object) ? "turn" : "summary";
    const left = facts.filter((fact) => body.includes(fact)).length;
    print(`  ${kind} of ${String(body.length)} characters, ${String(left)} of 3 facts`);
  }
  const summary = /following summary:.*?<summary>(?<text>.*?)<\/summary>/u.exec(
    server.bodies.at(-1) ?? "",
  )?.groups;
  print(`  ${(summary?.["text"] ?? "no summary").replaceAll(/(?:word )+/gu, "word … ")}`);
}
