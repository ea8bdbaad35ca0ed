/** Every place that a profile of this provider can be in, as far as the host tells. */

import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { personalAccounts } from "../logins/openclaw-slots.ts";
import { providerAuthSdk, statePathsSdk } from "./sdk.ts";
import { pluginStateDir } from "./state.ts";

function isFolder(file: string): boolean {
  try {
    return statSync(file).isDirectory();
  } catch {
    return false;
  }
}

/**
 * Folders that have a profile store: the shared one (`undefined`), each agent's, and the one that the
 * environment names. Anything but a folder in their place is passed over.
 */
export function profileStoreDirs(): (string | undefined)[] {
  const root = path.join(statePathsSdk().resolveStateDir(process.env), "agents");
  let names: string[];
  try {
    names = readdirSync(root);
  } catch {
    names = [];
  }
  const named = process.env.OPENCLAW_AGENT_DIR?.trim();
  const dirs = names
    .filter((name) => isFolder(path.join(root, name)))
    .map((name) => path.join(root, name, "agent"));
  return [undefined, ...new Set(named ? [...dirs, path.resolve(named)] : dirs)];
}

/** A place to look for profiles: a folder with a store, or one personal account. */
export interface ProfilePlace {
  readonly agentDir?: string;
  readonly profileId?: string;
}

/** Every place that a profile of ours can be in. */
export function profilePlaces(): ProfilePlace[] {
  return [
    ...profileStoreDirs().map((agentDir) => (agentDir === undefined ? {} : { agentDir })),
    ...personalAccounts(pluginStateDir()).map(({ profileId }) => ({ profileId })),
  ];
}

/**
 * The profiles in a place, by id; of a personal account's place that one only.
 *
 * @throws the host's error when the store cannot be read
 */
export function profilesIn({ agentDir, profileId }: ProfilePlace) {
  const { profiles } = providerAuthSdk().ensureAuthProfileStore(agentDir, {
    allowKeychainPrompt: false,
    ...(profileId === undefined ? {} : { profileId }),
  });
  return Object.entries(profiles).filter(([id]) => profileId === undefined || id === profileId);
}
