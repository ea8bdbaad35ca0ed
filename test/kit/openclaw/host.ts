/** The real OpenClaw with the packed plugin, in a folder of its own. */
import { rmSync } from "node:fs";
import { mkdtemp, readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  clearUsage,
  readProfiles,
  readUsage,
  writeProfile,
  type StoredCredential,
  type StoredProfiles,
  type StoredUsage,
} from "./auth-store.ts";
import {
  startGateway,
  type Gateway,
  type GatewayOptions,
  type HostCommandOptions,
  type HostCommands,
} from "./gateway.ts";
import {
  hostEnvironment,
  hostLayout,
  hostsDir,
  openclawEntry,
  type HostLayout,
  type JsonObject,
  type Variables,
} from "./layout.ts";
import {
  killAll,
  processesWithEnvironment,
  runCommand,
  startCommand,
  type CommandResult,
  type RunLimits,
  type RunningCommand,
} from "./process.ts";
import { startTerminal, type Terminal } from "./pty.ts";
import { findTraces, type SecretTrace } from "./secrets.ts";
import { copyTemplate, hostTemplate } from "./template.ts";
import { readTurn, type AgentTurn } from "./turn.ts";

export { packPlugin } from "./template.ts";
export type { AgentTurn } from "./turn.ts";
export type { CommandResult, RunningCommand } from "./process.ts";
export type { Gateway } from "./gateway.ts";

/** How a host is set up. */
export interface HostSetup {
  /** Archive of the plugin to install; default this project's. */
  readonly plugin?: string;
  /** Variables for every command of this host. */
  readonly env?: Variables;
  /** Folder that the host's own folder is made in; default memory where there is room. */
  readonly parent?: string;
}

/** One OpenClaw: its folders, its commands, and what they left behind. */
export interface Host extends HostLayout, HostCommands, AsyncDisposable {
  /** Folder of the main agent, as the host passes it to hooks. */
  readonly agentDir: string;
  /** Starts `openclaw …` in a terminal, for its prompts. */
  terminal(args: readonly string[], options?: HostCommandOptions): Terminal;
  /** Non-interactive onboarding with this plugin's login; more arguments override the defaults. About 10 s. */
  onboard(
    extraArgs?: readonly string[],
    options?: HostCommandOptions & RunLimits,
  ): Promise<CommandResult>;
  /** The state that onboarding leaves, without running it: a stored login and a default model. Takes no time. */
  signIn(profileId: string, credential: StoredCredential, model: string): Promise<void>;
  /** One turn without a gateway; about 10 s. A failed turn is a result, too. Only one can run at a time. */
  agentTurn(
    message: string,
    options?: HostCommandOptions & RunLimits & { model?: string; session?: string },
  ): Promise<AgentTurn>;
  /** Starts `openclaw gateway run` on a free port and waits until it is ready. */
  startGateway(options?: GatewayOptions): Promise<Gateway>;
  /** Stored logins of an agent (default: the main agent's, which all share). */
  readAuthProfiles(agentId?: string): StoredProfiles;
  /** Stores a login or a fence as it is; undefined removes the profile. */
  writeAuthProfile(
    profileId: string,
    credential: StoredCredential | undefined,
    agentId?: string,
  ): void;
  /** Cooldowns and failures by profile id. */
  readAuthState(): Record<string, StoredUsage>;
  /** Forgets cooldowns and failures. */
  clearAuthState(): void;
  /** The files that contain any of these strings, among them all logs and databases. */
  findSecrets(secrets: readonly string[]): Promise<SecretTrace[]>;
  /** Ends whatever still runs and removes all folders. */
  dispose(): Promise<void>;
}

const ONBOARD = [
  "onboard",
  "--non-interactive",
  "--accept-risk",
  "--auth-choice",
  "kimi-code-oauth",
  "--skip-health",
  "--skip-channels",
  "--skip-skills",
  "--no-install-daemon",
];

/** What a test that never got to its own clean-up leaves to the end of its process. */
const undisposed = new Set<() => void>();
process.once("exit", () => {
  for (const remove of undisposed) {
    remove();
  }
});

/** A fresh host with the plugin installed; the install itself happens once per test run. */
export async function createHost(setup: HostSetup = {}): Promise<Host> {
  const template = await hostTemplate(setup.plugin);
  // Resolved, because the host compares real paths.
  const layout = hostLayout(
    await realpath(await mkdtemp(join(setup.parent ?? hostsDir(), "openclaw-host-"))),
  );
  await copyTemplate(template, layout);

  const running = new Set<RunningCommand>();
  const environment = (more: Variables = {}): Record<string, string> =>
    hostEnvironment(layout, { ...setup.env, ...more });
  const track = <Command extends RunningCommand>(command: Command): Command => {
    running.add(command);
    void command.exited.then(() => running.delete(command));
    return command;
  };
  const spawn: Host["spawn"] = (args, { env } = {}) =>
    track(
      startCommand({
        file: process.execPath,
        args: [openclawEntry, ...args],
        cwd: layout.home,
        env: environment(env),
      }),
    );
  const run: Host["run"] = (args, options = {}) => runCommand(spawn(args, options), options);
  const config = async (): Promise<JsonObject> =>
    JSON.parse(await readFile(layout.configFile, "utf8")) as JsonObject;
  const updateConfig: Host["updateConfig"] = async (change) => {
    const next = `${layout.configFile}.next`;
    await writeFile(next, JSON.stringify(change(await config()), null, 2), { mode: 0o600 });
    await rename(next, layout.configFile);
  };

  const killLeftovers = (): Promise<unknown> => {
    const ended = Promise.all(Array.from(running, (command) => command.killTree()));
    // A child whose parent was killed is in no tree any more, but still has this host's variable.
    killAll(processesWithEnvironment(`OPENCLAW_STATE_DIR=${layout.stateDir}`), "SIGKILL");
    return ended;
  };
  const removeAtExit = (): void => {
    void killLeftovers();
    rmSync(layout.root, { recursive: true, force: true });
  };
  undisposed.add(removeAtExit);
  const dispose = async (): Promise<void> => {
    await killLeftovers();
    await rm(layout.root, { recursive: true, force: true, maxRetries: 5 });
    undisposed.delete(removeAtExit);
  };

  return {
    ...layout,
    agentDir: join(layout.stateDir, "agents", "main", "agent"),
    run,
    spawn,
    terminal: (args, { env } = {}) =>
      track(
        startTerminal({
          file: process.execPath,
          args: [openclawEntry, ...args],
          cwd: layout.home,
          env: environment(env),
        }),
      ),
    onboard: (extraArgs = [], options = {}) => run([...ONBOARD, ...extraArgs], options),
    signIn: async (profileId, credential, model) => {
      writeProfile(layout.stateDir, profileId, credential);
      const { provider } = credential;
      await updateConfig((before) => ({
        ...before,
        agents: {
          defaults: { workspace: join(layout.stateDir, "workspace"), model: { primary: model } },
        },
        auth: { profiles: { [profileId]: { provider, mode: "oauth" } } },
        gateway: { mode: "local" },
      }));
    },
    agentTurn: async (message, { model, session, ...options } = {}) => {
      const chosen = [
        ...(model === undefined ? [] : ["--model", model]),
        ...(session === undefined ? [] : ["--session-id", session]),
      ];
      return readTurn(
        await run(
          ["agent", "--local", "--agent", "main", "--message", message, "--json", ...chosen],
          options,
        ),
      );
    },
    startGateway: (options = {}) => startGateway({ spawn, run, config, updateConfig }, options),
    readAuthProfiles: (agentId) => readProfiles(layout.stateDir, agentId),
    writeAuthProfile: (profileId, credential, agentId) =>
      writeProfile(layout.stateDir, profileId, credential, agentId),
    readAuthState: () => readUsage(layout.stateDir),
    clearAuthState: () => clearUsage(layout.stateDir),
    config,
    updateConfig,
    findSecrets: (secrets) => findTraces([layout.root], secrets),
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}
