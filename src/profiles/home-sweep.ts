/**
 * Removes OpenClaw's homes that no profile names any more: signing out of a profile ends its login.
 *
 * The host does not tell that a profile was removed, so the profiles are compared with the homes: by
 * the gateway once a minute, and by each sign-in. Not seen is not gone: a store can be broken, busy,
 * in another container or in a folder that this process does not know. So a home goes at once only
 * when its profile was seen before and every store that is noted for it was read and does not name it
 * now; one whose profile was never seen goes by its age; and each is put aside for a day first.
 */

import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import type { OpenClawConfig } from "openclaw/plugin-sdk/provider-auth";
import { PROVIDER_ID } from "../constants.ts";
import { type Home, makeHome } from "../logins/homes.ts";
import { REGIONS } from "../protocol/endpoints.ts";
import { profilesIn, profileStoreDirs } from "../host/profile-places.ts";
import { isBeingClaimed, unclaimedMark } from "../logins/openclaw-home.ts";
import {
  ASIDE_ENDING,
  asideSince,
  bringBack,
  deleteFiles,
  putAside,
  removeHome,
} from "../logins/openclaw-home-removal.ts";
import { noteStore, readStores } from "../logins/openclaw-home-notes.ts";
import {
  LOGIN_SLOT,
  openClawHomesDir,
  personalAccounts,
  slotsWith,
} from "../logins/openclaw-slots.ts";
import { isKimiProfile, openClawSlotOf } from "../host/profile-shape.ts";
import { agentScopeSdk, providerAuthSdk } from "../host/sdk.ts";
import { pluginStateDir } from "../host/state.ts";

/** Grace for a home whose profile was never seen, since its last change, in ms. */
const GRACE_MS = 60 * 60_000;
/** How long a home stays aside before it is deleted, in ms. */
const ASIDE_MS = 24 * 60 * 60_000;

/** What the stores say. */
interface NamedHomes {
  /** Stores that name a slot. */
  readonly named: ReadonlyMap<string, readonly (string | undefined)[]>;
  /** Stores that could not be read; any of them may name any slot. */
  readonly inDoubt: ReadonlySet<string | undefined>;
  /** True when the config knows of a profile of ours that no store shows. */
  readonly isUnseen: boolean;
}

/** A home is taken away by its files alone; its endpoints do not matter. */
function homeInSlot(slot: string): Home {
  return makeHome("openclaw", pluginStateDir(), slot, REGIONS["mainland-cn"]);
}

function configuredDirs(config: OpenClawConfig): string[] {
  try {
    const { listAgentIds, resolveAgentDir } = agentScopeSdk();
    return listAgentIds(config).map((id) => resolveAgentDir(config, id));
  } catch {
    return [];
  }
}

/** True for a place that can hold a store: the shared one, and any folder. */
function canHoldStore(agentDir: string | undefined): boolean {
  return (
    agentDir === undefined || statSync(agentDir, { throwIfNoEntry: false })?.isDirectory() === true
  );
}

/** Reads every store that is known: listed, configured, or noted beside a home. */
function readNamedHomes(config: OpenClawConfig, homes: readonly Home[]): NamedHomes {
  const sdk = providerAuthSdk();
  const noted = homes.flatMap((home) => readStores(home).stores).map((store) => store || undefined);
  const named = new Map<string, (string | undefined)[]>();
  const inDoubt = new Set<string | undefined>();
  const seen = new Set<string>();
  for (const agentDir of new Set([...profileStoreDirs(), ...configuredDirs(config), ...noted])) {
    try {
      if (!canHoldStore(agentDir)) {
        continue;
      }
      const store = sdk.ensureAuthProfileStore(agentDir, { allowKeychainPrompt: false });
      for (const [profileId, profile] of Object.entries<unknown>(store.profiles)) {
        seen.add(profileId);
        const slot = isKimiProfile(profile) ? openClawSlotOf(profile) : undefined;
        if (slot !== undefined) {
          named.set(slot, [...(named.get(slot) ?? []), agentDir]);
        }
      }
    } catch {
      inDoubt.add(agentDir);
    }
  }
  const isUnseen = Object.entries(config.auth?.profiles ?? {}).some(
    ([profileId, profile]) => profile.provider === PROVIDER_ID && !seen.has(profileId),
  );
  return { named, inDoubt, isUnseen };
}

function ageMs(file: string): number {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat === undefined ? Number.POSITIVE_INFINITY : Math.abs(Date.now() - stat.mtimeMs);
}

/** True when a home that no store names may go. */
function mayBePutAside(
  home: Home,
  { inDoubt, isUnseen }: NamedHomes,
  wasBeingClaimed: boolean,
): boolean {
  const { stores, claimed } = readStores(home);
  if (claimed) {
    // Signed out, unless one of its own stores cannot be read; what others are like does not matter.
    return !stores.some((store) => inDoubt.has(store || undefined));
  }
  if (wasBeingClaimed || ageMs(home.file) < GRACE_MS) {
    return false;
  }
  // Its own note tells where to look; without one, any store may name it.
  return stores.length > 0
    ? !stores.some((store) => inDoubt.has(store || undefined))
    : inDoubt.size === 0 && !isUnseen;
}

/** The homes that personal accounts used before they were connected again. */
function replacedPersonalHomes(): Home[] {
  return personalAccounts(pluginStateDir()).flatMap(({ slot, profileId }) => {
    try {
      const [found] = profilesIn({ profileId });
      // An account that cannot be seen may still be there.
      const now: unknown = found?.[1];
      return isKimiProfile(now) && openClawSlotOf(now) !== slot ? [homeInSlot(slot)] : [];
    } catch {
      return [];
    }
  });
}

/** Clears away what a sign-in that was killed left: files of a home that is not there, by their age. */
function clearLeftovers(): void {
  let names: string[];
  try {
    names = readdirSync(openClawHomesDir(pluginStateDir()));
  } catch {
    return;
  }
  const homes = new Set(
    names
      .filter((name) => name.endsWith(".json") || name.endsWith(ASIDE_ENDING))
      .map((name) => name.replace(/\.json(?:\.removed)?$/, "")),
  );
  deleteFiles(
    names
      .filter((name) => {
        const [, slot, rest] = /^([\w-]+)\.json(\..+)$/.exec(name) ?? [];
        return (
          slot !== undefined && rest !== ".removed" && LOGIN_SLOT.test(slot) && !homes.has(slot)
        );
      })
      .map((name) => path.join(openClawHomesDir(pluginStateDir()), name))
      .filter((file) => ageMs(file) >= GRACE_MS),
  );
}

/** Runs one step; what goes wrong there costs that step, and the next look tries again. */
async function countDone<T>(
  items: readonly T[],
  act: (item: T) => Promise<boolean>,
): Promise<number> {
  let count = 0;
  for (const item of items) {
    try {
      count += (await act(item)) ? 1 : 0;
    } catch {
      // The others do not suffer for it.
    }
  }
  return count;
}

/**
 * Takes away the homes that no profile names.
 *
 * @returns how many were put aside
 */
export async function sweepHomes(config: OpenClawConfig): Promise<number> {
  const homes = slotsWith(pluginStateDir(), ".json", LOGIN_SLOT).map(homeInSlot);
  const aside = slotsWith(pluginStateDir(), ASIDE_ENDING, LOGIN_SLOT).map(homeInSlot);
  // Asked before the profiles are read: a sign-in that is over by then has stored its profile.
  const claiming = new Set(homes.filter(isBeingClaimed));
  const personal = replacedPersonalHomes();
  clearLeftovers();
  if (homes.length + aside.length + personal.length === 0) {
    return 0;
  }
  const namedHomes = readNamedHomes(config, [...homes, ...aside]);
  for (const home of [...homes, ...aside]) {
    const stores = namedHomes.named.get(home.slot) ?? [];
    for (const agentDir of stores) {
      noteStore(home, agentDir, true);
    }
    if (stores.length > 0) {
      bringBack(home);
      deleteFiles([unclaimedMark(home)]);
    }
  }
  const unnamed = (home: Home): boolean => !namedHomes.named.has(home.slot);
  await countDone(aside.filter(unnamed), async (home) => {
    const sinceMs = asideSince(home);
    return (
      sinceMs !== undefined &&
      Math.abs(Date.now() - sinceMs) >= ASIDE_MS &&
      (await removeHome(home))
    );
  });
  const lost = homes.filter(
    (home) => unnamed(home) && mayBePutAside(home, namedHomes, claiming.has(home)),
  );
  return await countDone([...lost, ...personal], putAside);
}
