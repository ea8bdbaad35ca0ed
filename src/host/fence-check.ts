/**
 * What is done while the host registers the plugin, before it reads a profile: looking for a fence
 * that a crash left. The code that replaces one loads only when there is one.
 */

import { type ProfilePlace, profilePlaces, profilesIn } from "./profile-places.ts";
import { isFenced, isKimiProfile } from "./profile-shape.ts";

function hasFence(place: ProfilePlace): boolean {
  try {
    return profilesIn(place).some(([, profile]) => isKimiProfile(profile) && isFenced(profile));
  } catch {
    // The host tells about a store that it cannot read; the other places do not suffer for it.
    return false;
  }
}

/**
 * Heals fenced profiles; never throws, because a plugin must register in any case.
 *
 * @param heal - loads and runs the healing; called only when there is a fence
 */
export function healAtStart(heal: () => void): void {
  try {
    if (profilePlaces().some(hasFence)) {
      heal();
    }
  } catch {
    // The host then reports the profile as it finds it.
  }
}
