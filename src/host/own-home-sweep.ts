/**
 * Removes own homes that no profile names any more: signing out of a profile ends its login here.
 *
 * The host tells nobody that a profile was removed, so the profiles are compared with the homes: by
 * the gateway once a minute, and by each sign-in. A home goes only when every place that can hold a
 * profile was read and none names it; where that is in doubt, all homes stay.
 */

import fs from "node:fs/promises";
import type { OpenClawConfig } from "openclaw/plugin-sdk/provider-auth";
import { PROVIDER_ID } from "../constants.ts";
import { type Home, makeHome } from "../logins/homes.ts";
import { REGIONS } from "../protocol/endpoints.ts";
import { profilesIn, profileStoreDirs } from "./at-start.ts";
import { pluginStateDir } from "./state-dir.ts";
import { isBeingClaimed, removeOwnHome, unclaimedMark } from "./own-home.ts";
import { OWN_SLOT, slotsWith } from "./own-slots.ts";
import { personalAccounts } from "./personal-notes.ts";
import { isOwnProfile, ownSlotOf } from "./profile-shape.ts";
import { agentScopeSdk, providerAuthSdk } from "./sdk.ts";

/** Every folder with a profile store: the shared one (`undefined`) and each agent's, wherever it is. */
function allStoreDirs(config: OpenClawConfig): (string | undefined)[] {
  const { listAgentIds, resolveAgentDir } = agentScopeSdk();
  const configured = listAgentIds(config).map((id) => resolveAgentDir(config, id));
  return [...new Set([...profileStoreDirs(), ...configured])];
}

/**
 * The slots that profiles name.
 *
 * @returns `undefined` when the config knows of a profile of ours that no store shows: then this is
 *   not the whole truth, and nothing may be removed
 * @throws whatever reading a store throws
 */
function namedSlots(config: OpenClawConfig): Set<string> | undefined {
  const sdk = providerAuthSdk();
  const slots = new Set<string>();
  const seen = new Set<string>();
  for (const agentDir of allStoreDirs(config)) {
    const store = sdk.ensureAuthProfileStore(agentDir, { allowKeychainPrompt: false });
    for (const [profileId, profile] of Object.entries<unknown>(store.profiles)) {
      seen.add(profileId);
      const slot = isOwnProfile(profile) ? ownSlotOf(profile) : undefined;
      if (slot !== undefined) {
        slots.add(slot);
      }
    }
  }
  const unseen = Object.entries(config.auth?.profiles ?? {}).some(
    ([profileId, profile]) => profile.provider === PROVIDER_ID && !seen.has(profileId),
  );
  return unseen ? undefined : slots;
}

/** The slots that personal accounts used before they were connected again. */
function replacedPersonalSlots(): string[] {
  return personalAccounts().flatMap(({ slot, profileId }) => {
    const [found] = profilesIn({ profileId });
    // An account that cannot be seen may still be there.
    const now: unknown = found?.[1];
    return isOwnProfile(now) && ownSlotOf(now) !== slot ? [slot] : [];
  });
}

/**
 * Removes the homes that no profile names.
 *
 * @returns how many were removed
 */
export async function sweepOwnHomes(config: OpenClawConfig): Promise<number> {
  const dir = pluginStateDir();
  // A home is removed by its files alone; its addresses do not matter.
  const homeOf = (slot: string): Home => makeHome("openclaw", dir, slot, REGIONS["mainland-cn"]);
  const homes = slotsWith(".json", OWN_SLOT).map(homeOf);
  // Asked before the profiles are read: a sign-in that is over by then has stored its profile.
  const claimed = await Promise.all(homes.map(isBeingClaimed));
  const named = homes.length === 0 ? undefined : namedSlots(config);
  const lost = replacedPersonalSlots().map(homeOf);
  for (const [index, home] of named === undefined ? [] : homes.entries()) {
    if (named?.has(home.slot) === true) {
      await fs.rm(unclaimedMark(home), { force: true });
    } else if (claimed[index] === false) {
      lost.push(home);
    }
  }
  let removed = 0;
  for (const home of lost) {
    removed += (await removeOwnHome(home)) ? 1 : 0;
  }
  return removed;
}
