/**
 * One gateway for all tests that need nothing special of theirs: a gateway and its first turn take more than twenty seconds
 * of a core. Each module of `test/e2e/gateway` takes it as it is after `reset`, and leaves its config as it was.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "vitest";
import { kimiVariables, signInWithCliLogin, writeCliLogin } from "../kimi/kimi-cli.ts";
import { defaultModels, type ModelRow } from "../standin/accounts.ts";
import { type StandIn, startStandIn } from "../standin/server.ts";
import { type ChatWindow, openChatWindow } from "./chat-window.ts";
import { createHost, type Gateway, type Host } from "./host.ts";
import type { JsonObject } from "./layout.ts";

const PROFILE = "kimi-code:default";

/** A gateway on a Kimi CLI's login, and what belongs to it. */
export interface SharedGateway {
  readonly standIn: StandIn;
  /** It never sends a call again by itself. */
  readonly host: Host;
  readonly gateway: Gateway;
  readonly chat: ChatWindow;
  /** A new session with a model of the account's. */
  sessionWith(model: string): Promise<string>;
  /** No faults, no requests, a fresh login, the account's own models, and nothing that the host holds against the profile. */
  reset(): Promise<void>;
}

/** Models that nothing but rate limits is tried with: the host's pause after one outlasts a file. */
export const BUSY = ["kimi-busy-1", "kimi-busy-2", "kimi-busy-3"] as const;

/** Models that no list shows: one that the plugin knows by itself, and one that only the account has. */
export const HIDDEN = ["k3-256k", "kimi-hidden"] as const;

/** The account's models: one for each protocol, one that neither thinks nor sees nor uses tools, a hidden one, and the busy ones. */
export function sharedModels(): ModelRow[] {
  const rows = defaultModels().map((row) =>
    row.id === "k3-256k" ? { ...row, protocol: "anthropic" as const } : row,
  );
  const [first] = rows;
  if (first === undefined) {
    throw new Error("the stand-in has no models");
  }
  const plain = {
    supports_image_in: false,
    supports_tool_use: false,
    supports_thinking_type: "no",
    think_efforts: null,
  } as const;
  return [
    ...rows,
    { ...first, id: "kimi-responses", protocol: "response" },
    { ...first, ...plain, id: "kimi-plain", display_name: "Kimi Plain", context_length: 131_072 },
    { ...first, id: "kimi-hidden", display_name: "Kimi Hidden" },
    ...BUSY.map((id) => ({ ...first, id })),
  ];
}

/** The plugin's settings in that gateway. */
export const SETTINGS = { hideModels: HIDDEN };

/** A config with these settings of the plugin's in place of all others. */
export function withSettings(config: JsonObject, settings: JsonObject): JsonObject {
  const entries = { "kimi-code-oauth": { enabled: true, config: settings } };
  return { ...config, plugins: { ...(config["plugins"] as JsonObject), entries } };
}

/** A test that may ask for the gateway, which starts with the first that does and ends with the last file. */
export const it = test.extend(
  "shared",
  { scope: "worker" },
  async ({}, { onCleanup }): Promise<SharedGateway> => {
    await using stack = new AsyncDisposableStack();
    const standIn = stack.adopt(await startStandIn(), async (opened) => await opened.close());
    const host = stack.use(await createHost({ env: kimiVariables(standIn) }));
    standIn.account().models = sharedModels();
    await signInWithCliLogin(host, standIn);
    await host.updateConfig((config) => withSettings(config, SETTINGS));
    await mkdir(host.agentDir, { recursive: true });
    await writeFile(
      join(host.agentDir, "settings.json"),
      JSON.stringify({ retry: { provider: { maxRetries: 0 } } }),
    );
    const gateway = stack.use(await host.startGateway());
    const chat = stack.adopt(await openChatWindow(gateway), async (opened) => await opened.close());
    // The first turn loads much.
    await chat.say("hi");
    const kept = stack.move();
    onCleanup(async () => await kept.disposeAsync());
    return {
      standIn,
      host,
      gateway,
      chat,
      sessionWith: async (model) => {
        const session = `agent:main:${crypto.randomUUID()}`;
        await gateway.call("sessions.patch", { key: session, model: `kimi-code/${model}` });
        return session;
      },
      reset: async () => {
        standIn.heal();
        standIn.script([]);
        standIn.account().models = sharedModels();
        for (const id of Object.keys(host.readAuthProfiles())) {
          if (id !== PROFILE) {
            host.writeAuthProfile(id, undefined);
          }
        }
        host.clearAuthState();
        await writeCliLogin(host, standIn, standIn.issueLogin());
        // What the gateway itself still holds against the profile ends with a turn that works.
        await gateway.chat("hi");
        standIn.clear();
        standIn.violations.length = 0;
      },
    };
  },
);
