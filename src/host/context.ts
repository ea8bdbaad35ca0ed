/** What the plugin's parts share in one process: logins with their dependencies, and a logger. */

import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Home } from "../logins/homes.ts";
import type { Login } from "../logins/login.ts";
import { openLogin } from "../logins/registry.ts";
import { identityHeaders } from "../protocol/identity.ts";
import type { AccountMemory } from "../logins/login-deps.ts";
import { settings } from "./settings.ts";
import { deviceId } from "./device-id.ts";
import { loginKey } from "./login-key.ts";
import { readNote, writeNote } from "./state.ts";
import { pluginStateDir } from "./state-dir.ts";

let device: Promise<string> | undefined;
const noticed = new Set<string>();

/** Headers that identify this plugin and installation. */
export async function requestHeaders(): Promise<Record<string, string>> {
  device ??= deviceId(pluginStateDir());
  return identityHeaders(await device, settings().identity);
}

/** Tells the user something once in this process. */
export function noticeOnce(message: string): void {
  if (!noticed.has(message)) {
    noticed.add(message);
    process.emitWarning(message, { type: "KimiCodeOAuth" });
  }
}

const accountNote = z.object({ of: z.string(), accountId: z.string().min(1).max(256) });

/** Remembers in OpenClaw's state whose login is in a home, by the fingerprint of its refresh token. */
function accountMemory(home: Home): AccountMemory {
  const name = `account-${loginKey(home, undefined)}.json`;
  return {
    recall: async (of) => {
      const note = accountNote.safeParse(await readNote(name)).data;
      return note?.of === of ? note.accountId : undefined;
    },
    remember: async (of, accountId) => {
      await writeNote(name, { of, accountId });
    },
  };
}

/** The login of a home, with this process's clock, identity, notices and memory. */
export function loginOf(home: Home): Login {
  return openLogin(home, {
    accounts: accountMemory(home),
    headers: requestHeaders,
    notice: noticeOnce,
    now: Date.now,
    sleep: async (ms) => {
      await sleep(ms);
    },
  });
}
