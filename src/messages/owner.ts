/** Whose login a sentence is about, and how a user gets it back. */

export const SIGN_IN = "openclaw models auth login --provider kimi-code";
export const DEVICE_SIGN_IN = `${SIGN_IN} --device-code`;

/** Who keeps a login. */
export type Owner = "kimi-cli" | "kimi-code-cli" | "openclaw";

export const OWNERS: Readonly<Record<Owner, string>> = {
  "kimi-cli": "Kimi CLI (Python)",
  "kimi-code-cli": "Kimi Code CLI",
  openclaw: "OpenClaw",
};

/** What a sign-in is called by whom it belongs to. */
export function ownerLabel(owner: Owner): string {
  return OWNERS[owner];
}

/** A profile, as its user knows it. */
export interface ProfileName {
  readonly profileId: string;
  /** True for the profile that a sign-in makes unless told otherwise. */
  readonly isDefault: boolean;
  /** Whose login it is, as the host's lists show it. */
  readonly label: string | undefined;
  /** True where there are other Kimi profiles beside it. */
  readonly isOneOfSeveral: boolean;
}

const SIGN_IN_COMMAND = new RegExp(`${SIGN_IN}(?: --device-code)?`, "g");

/**
 * A sentence about a login as a sentence about a profile: with the account in front where there are
 * several, and with a command that signs in to this profile and not over the default one.
 */
export function ofProfile(
  sentence: string,
  { profileId, isDefault, label, isOneOfSeveral }: ProfileName,
): string {
  const text = isDefault
    ? sentence
    : sentence.replaceAll(SIGN_IN_COMMAND, `$& --profile-id ${profileId}`);
  return isOneOfSeveral ? `Kimi account ${label ?? profileId}: ${text}` : text;
}

/** A login and the file that holds it. */
export interface LoginFacts {
  readonly owner: Owner;
  readonly file: string;
  /** A usable login of a Kimi CLI in another place. */
  readonly other?:
    | { readonly owner: Owner; readonly site: string; readonly folder?: string | undefined }
    | undefined;
}

export function loginSubject(owner: Owner): string {
  return owner === "openclaw" ? "OpenClaw's own Kimi login" : `The ${OWNERS[owner]} login`;
}

export function signInAgain(owner: Owner): string {
  return owner === "openclaw"
    ? `Sign in again with: ${DEVICE_SIGN_IN}`
    : "Run `kimi login`, then try again.";
}

/**
 * How a user gets a login back. A user who has since switched CLI or region signs in there, so that
 * login is named; the command stands before the name, because OpenClaw's chat windows show 240
 * characters of an error.
 */
export function howToSignBackIn(
  { owner, other }: Omit<LoginFacts, "file">,
  usual = signInAgain(owner),
): string {
  if (other === undefined) {
    return usual;
  }
  const folder = other.folder === undefined ? "" : ` in ${other.folder}`;
  return `Sign in there, or run \`${SIGN_IN}\` to use the ${OWNERS[other.owner]} login at ${other.site}${folder}.`;
}

/** How a user gets a login back that Kimi has ended; without a full stop at its end. */
export function howToSignBackInAfterEnd(owner: Owner, other: LoginFacts["other"]): string {
  if (other !== undefined) {
    const folder = other.folder === undefined ? "" : ` in ${other.folder}`;
    return `Sign in there, or run \`${SIGN_IN}\` (uses the ${OWNERS[other.owner]} login at ${other.site}${folder})`;
  }
  return owner === "openclaw"
    ? signInAgain(owner)
    : "Run `kimi login` (OpenClaw picks it up automatically)";
}
