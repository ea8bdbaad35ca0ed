/** The shape of this provider's profiles in OpenClaw's store. */

import { PROVIDER_ID } from "../constants.ts";
import { isRecord } from "../json.ts";

/** The members of an OAuth profile that this plugin reads and writes. */
export interface OAuthProfile {
  readonly type: "oauth";
  readonly provider: string;
  readonly access: string;
  readonly refresh: string;
  /** End of the access token's life, ms since the epoch. */
  readonly expires: number;
  readonly displayName?: string;
  readonly clientId?: string | undefined;
  readonly issuer?: string | undefined;
  readonly tokenEndpoint?: string | undefined;
  readonly authFlow?: string | undefined;
  readonly enterpriseUrl?: string | undefined;
  readonly accountId?: string | undefined;
}

/** Marker that the host puts in place of tokens while it refreshes, or after that failed. */
const FENCE_PREFIX = "openclaw-oauth-refresh-fence:";
/** Stands in a profile for tokens that its home does not hold; the next use explains why. */
export const NO_TOKEN = "kimi-code-oauth:no-login";

/** True for an OAuth profile of this provider. */
export function isKimiProfile(value: unknown): value is OAuthProfile {
  return (
    isRecord(value) &&
    value.type === "oauth" &&
    value.provider === PROVIDER_ID &&
    typeof value.access === "string"
  );
}

/** The slot of the own home that a profile names, if it names one. */
export function openClawSlotOf(profile: OAuthProfile): string | undefined {
  return /^openclaw:([\w.-]+)/.exec(profile.authFlow ?? "")?.[1];
}

/** True while the host's marker is in the place of the tokens. */
export function isFenced(profile: OAuthProfile): boolean {
  return profile.access.startsWith(FENCE_PREFIX);
}

/** True for a permanent marker: the host puts it there after `refreshOAuth` threw. */
export function isFenceFailed(profile: OAuthProfile): boolean {
  return isFenced(profile) && profile.access.includes(":failed:");
}

/** True for a profile that holds tokens, even expired ones. */
export function hasTokens(profile: OAuthProfile): boolean {
  return !isFenced(profile) && profile.access !== NO_TOKEN;
}

/** True when both are profiles of ours for one and the same Kimi account; in doubt they are not. */
export function isSameAccount(left: unknown, right: unknown): boolean {
  return (
    isKimiProfile(left) &&
    isKimiProfile(right) &&
    left.accountId !== undefined &&
    left.accountId === right.accountId &&
    left.issuer !== undefined &&
    left.issuer === right.issuer
  );
}
