/** A running OpenClaw gateway: one process that serves many sessions. */
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "./gateway-client.ts";
import type { JsonObject, Variables } from "./layout.ts";
import { tail, type CommandResult, type RunLimits, type RunningCommand } from "./process.ts";
import { readReport, readTurn, type AgentTurn, type ReportedTurn } from "./turn.ts";

/** Per-command additions. */
export interface HostCommandOptions {
  readonly env?: Variables;
}

/** What a host offers for running its commands. */
export interface HostCommands {
  /** Runs `openclaw …` to its end, whatever its exit code. The default limit is 120 s. */
  run(args: readonly string[], options?: HostCommandOptions & RunLimits): Promise<CommandResult>;
  /** Starts `openclaw …` without waiting for it. */
  spawn(args: readonly string[], options?: HostCommandOptions): RunningCommand;
  config(): Promise<JsonObject>;
  /** Rewrites the config file, all at once. A running gateway takes the change over, unless a turn has just ended. */
  updateConfig(change: (config: JsonObject) => JsonObject): Promise<void>;
}

/** How a gateway is started. */
export interface GatewayOptions extends HostCommandOptions {
  /** How long it may take to become ready, ms. */
  readonly readyTimeoutMs?: number;
  /** Members of the config's `gateway`; default: clients sign in with a token. */
  readonly config?: JsonObject & { readonly auth?: { readonly password?: string } };
}

/** The answer of one turn over HTTP. */
export interface ChatTurn {
  readonly ok: boolean;
  /** HTTP status. */
  readonly status: number;
  /** The reply's text, or the error message. */
  readonly text: string;
  readonly raw: unknown;
}

/** A part of a message, in the words of OpenAI chat completions. */
export type ContentPart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "image_url"; readonly image_url: { readonly url: string } };

/** How one turn over HTTP is made. */
export interface ChatOptions {
  /** Default: main. */
  readonly agent?: string;
  readonly session?: string;
  readonly model?: string;
  readonly signal?: AbortSignal;
  /** More members of the request's body, such as a temperature. */
  readonly body?: JsonObject;
}

/** A gateway that answers. */
export interface Gateway extends AsyncDisposable {
  /** `http://127.0.0.1:<port>`. */
  readonly origin: string;
  /** What its clients sign in with. */
  readonly token: string;
  /** What its administrator signs in with where it takes no token. */
  readonly password?: string;
  readonly command: RunningCommand;
  /** From the start of the command to its first answer, ms. */
  readonly readyMs: number;
  /** One turn with `openclaw agent`, as a user would run it. Each is a process that costs seconds of CPU. */
  agentTurn(
    message: string,
    options?: RunLimits & { session?: string; model?: string },
  ): Promise<AgentTurn>;
  /** The same over a connection of its own, which costs little. */
  reportedTurn(
    message: string,
    options: { session: string; model?: string },
  ): Promise<ReportedTurn>;
  /** One turn over the gateway's HTTP endpoint; many can run at a time. Without a session it starts a new one. */
  chat(message: string | readonly ContentPart[], options?: ChatOptions): Promise<ChatTurn>;
  /** Calls one of the gateway's methods, as its own clients do; rejects when the gateway refuses. */
  call(method: string, params: JsonObject): Promise<JsonObject>;
  /** Ends it as a service manager would (SIGTERM, then patience); rejects after `timeoutMs` ms, default 60 s. */
  stop(timeoutMs?: number): Promise<CommandResult>;
  /** Kills it with all its processes at once, as a crash would. */
  kill(): Promise<CommandResult>;
}

/** The gateway listens on loopback only and lives for one test. */
const TOKEN = "token-of-a-test-gateway";

/** How often a starting gateway is asked whether it is ready, ms. */
const POLL_MS = 100;

/** Starts a gateway of this host and waits until it is ready. */
export async function startGateway(
  host: HostCommands,
  { env = {}, readyTimeoutMs = 90_000, config: members = {} }: GatewayOptions,
): Promise<Gateway> {
  const port = await freePort();
  // In the config, so that other commands of this host find the same gateway.
  await host.updateConfig((config) => ({
    ...config,
    gateway: {
      mode: "local",
      bind: "loopback",
      ...(config["gateway"] as JsonObject | undefined),
      auth: { mode: "token", token: TOKEN },
      port,
      http: { endpoints: { chatCompletions: { enabled: true } } },
      ...members,
    },
  }));
  const startedAt = performance.now();
  const command = host.spawn(["gateway", "run", "--port", String(port)], { env });
  const origin = `http://127.0.0.1:${port}`;
  await ready(origin, command, readyTimeoutMs);

  const password = members.auth?.password;
  const access = password === undefined ? { token: TOKEN } : { password };
  const kill: Gateway["kill"] = () => command.killTree("SIGKILL");
  const stop: Gateway["stop"] = async (timeoutMs = 60_000) => {
    command.signal("SIGTERM");
    const late = AbortSignal.timeout(timeoutMs);
    const ended = await Promise.race([command.exited, once(late, "abort").then(() => undefined)]);
    if (ended === undefined) {
      await kill();
      throw new Error(
        `the gateway did not stop within ${timeoutMs} ms:\n${tail(command.output())}`,
      );
    }
    return ended;
  };
  return {
    origin,
    token: TOKEN,
    ...(password === undefined ? {} : { password }),
    command,
    readyMs: performance.now() - startedAt,
    agentTurn: async (message, { session = "main", model, ...limits } = {}) => {
      const chosen = model === undefined ? [] : ["--model", model];
      const args = [
        "agent",
        "--agent",
        "main",
        "--session-id",
        session,
        "--message",
        message,
        "--json",
        ...chosen,
      ];
      return readTurn(await host.run(args, { ...limits, env }));
    },
    chat: async (message, { agent = "main", session, model, signal, body } = {}) => {
      const response = await fetchOnce(`${origin}/v1/chat/completions`, {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          Authorization: `Bearer ${TOKEN}`,
          ...(session === undefined ? {} : { "x-openclaw-session-key": keyOf(agent, session) }),
          ...(model === undefined ? {} : { "x-openclaw-model": model }),
        },
        body: JSON.stringify({
          ...body,
          model: `openclaw/${agent}`,
          messages: [{ role: "user", content: message }],
        }),
        signal: signal ?? null,
      });
      const raw = (await response.json()) as {
        choices?: { message?: { content?: string } }[];
        error?: { message?: string };
      };
      const text = raw.choices?.[0]?.message?.content ?? raw.error?.message ?? "";
      return { ok: response.ok, status: response.status, text, raw };
    },
    reportedTurn: async (message, { session, ...chosen }) => {
      const connection = await connect({ origin, ...access });
      const turn = {
        message,
        agentId: "main",
        sessionKey: keyOf("main", session),
        idempotencyKey: crypto.randomUUID(),
        ...chosen,
      };
      return readReport(
        await connection.request("agent", turn, { expectFinal: true }).finally(connection.close),
      );
    },
    call: async (method, params) => {
      const connection = await connect({ origin, ...access });
      return await connection.request(method, params).finally(connection.close);
    },
    stop,
    kill,
    [Symbol.asyncDispose]: async () => void (await kill()),
  };
}

/** A session's whole key; where there are several agents, the host takes no other. */
function keyOf(agent: string, session: string): string {
  return session.startsWith("agent:") ? session : `agent:${agent}:${session}`;
}

/** Fetches, and once more when a kept connection turns out to have been closed by the gateway since. */
async function fetchOnce(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    if (cause instanceof Error && "code" in cause && cause.code === "ECONNRESET") {
      return await fetch(url, init);
    }
    throw error;
  }
}

/** Its health endpoint is the only sign of readiness that is meant for others; there is nothing to wait on but to ask. */
async function ready(origin: string, command: RunningCommand, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let ended = false;
  void command.exited.then(() => (ended = true));
  for (;;) {
    const answer = await fetch(`${origin}/health`).catch(() => undefined);
    if (answer?.ok === true) {
      return;
    }
    if (ended || performance.now() > deadline) {
      await command.killTree();
      throw new Error(
        `the gateway ${ended ? "ended" : `was not ready after ${timeoutMs} ms`}:\n${tail(command.output())}`,
      );
    }
    await delay(POLL_MS);
  }
}

/** A port of loopback that nothing listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
