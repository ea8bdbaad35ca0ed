/** What is wrong with a home, and what its owner can do about it: one error for each state. */

import { readFileSync } from "node:fs";
import path from "node:path";
import { regionLabel } from "../protocol/endpoints.ts";
import { KimiError } from "../protocol/errors.ts";
import { type HomeState, readHome } from "./home-file.ts";
import { cliHomes, type Home, ownerLabel, signInAgain } from "./homes.ts";

/** Another login of a Kimi CLI on this machine that could be used in the place of this one. */
function otherLogin(home: Home): Home | undefined {
  try {
    return cliHomes(process.env).find(
      (other) => other.file !== home.file && readHome(other).state === "valid",
    );
  } catch {
    return undefined;
  }
}

/**
 * How a user gets a login back. Who has changed to the other CLI or to the other region since signs in
 * there, and this home stays as it is; so a login in another place is named. The command stands before
 * that name, because the host's chat windows show 240 characters of an error.
 */
function wayBack(home: Home, usual: string): string {
  const other = home.kind === "openclaw" ? undefined : otherLogin(home);
  if (other === undefined) {
    return usual;
  }
  const folder = other.kind === home.kind && other.slot === home.slot ? ` in ${other.dir}` : "";
  return `Sign in there, or run \`openclaw models auth login --provider kimi-code\` to use the login of the ${ownerLabel(other.kind)} at ${regionLabel(other.endpoints)}${folder}.`;
}

const IN_KEYCHAIN =
  'The Kimi Code CLI keeps its login in the system keychain, where it cannot be shared. Set `credentials_store = "file"` in its config.toml and run `kimi login`, or sign in separately with: openclaw models auth login --provider kimi-code --device-code';

/**
 * True when the Kimi Code CLI was told to keep its login in the system's keychain and not in a file
 * (`credentials_store` in its config.toml, MoonshotAI/kimi-code#3254; with `auto` the file is kept too).
 */
function isInKeychain(home: Home): boolean {
  if (home.kind !== "kimi-code-cli") {
    return false;
  }
  try {
    const config = readFileSync(path.join(home.dir, "config.toml"), "utf8");
    // A member of the file itself stands before the first table.
    const [top = ""] = config.split(/^\s*\[/m, 1);
    return /^\s*credentials_store\s*=\s*["'](?:keyring|keychain)["']/m.test(top);
  } catch {
    return false;
  }
}

/** The error for a home that was asked to be readable and is not valid. */
export function homeError(home: Home, state: Exclude<HomeState, { state: "valid" }>): KimiError {
  const own = home.kind === "openclaw";
  const login = own ? "OpenClaw's own Kimi login" : `The ${ownerLabel(home.kind)} login`;
  const owner = own ? login : `The ${ownerLabel(home.kind)}`;
  const again = wayBack(home, signInAgain(home.kind));
  switch (state.state) {
    case "missing":
      if (isInKeychain(home)) {
        return new KimiError("login_missing", IN_KEYCHAIN);
      }
      return new KimiError(
        "login_missing",
        state.dangling
          ? `${login} at ${home.file} is a link to a file that is gone. ${again}`
          : `${owner} is signed out: no login at ${home.file}. ${again}`,
      );
    case "tombstone":
      return new KimiError(
        "login_revoked",
        own
          ? `${login} was rejected by Kimi. ${again}`
          : `${owner} has marked its login as rejected by Kimi. ${again}`,
      );
    case "unavailable":
      return new KimiError(
        "home_unavailable",
        `${login} at ${home.file} cannot be read right now: ${state.reason}. Try again in a moment; you are still signed in.`,
      );
    case "unreadable":
      return new KimiError(
        "login_unreadable",
        `${login} at ${home.file} cannot be read: ${state.reason}. Correct that first. ${again}`,
      );
    case "corrupt":
      return new KimiError(
        "login_corrupt",
        `${login} at ${home.file} is damaged: ${state.reason}. ${again}`,
      );
  }
}

/** The error for a home that now holds another account. */
export function accountChanged(home: Home): KimiError {
  return new KimiError(
    "account_changed",
    home.kind === "openclaw"
      ? `The login of this OpenClaw profile belongs to another account now. ${signInAgain(home.kind)}`
      : `The ${ownerLabel(home.kind)} is now signed in to another account than this OpenClaw profile. To use that account here, run: openclaw models auth login --provider kimi-code`,
  );
}

/**
 * The error for a login that Kimi no longer renews.
 *
 * @param replyLost - true when Kimi may have renewed it without us hearing it
 */
export function loginEnded(home: Home, replyLost: boolean): KimiError {
  const what = replyLost
    ? "The connection broke while Kimi was renewing this login, and Kimi no longer accepts the old tokens."
    : "Kimi has ended this login.";
  const usual =
    home.kind === "openclaw"
      ? signInAgain(home.kind)
      : "Run `kimi login`; OpenClaw then follows by itself.";
  return new KimiError("login_ended", `${what} ${wayBack(home, usual)}`);
}

/** The error for a login whose access token has ended and that has no token to renew it with. */
export function notRenewable(home: Home): KimiError {
  return new KimiError(
    "login_ended",
    `This Kimi login has ended, and its file ${home.file} holds no token to renew it with. ${wayBack(home, signInAgain(home.kind))}`,
  );
}
