/** What is wrong with a home, and what its owner can do about it: one error for each state. */

import { readFileSync } from "node:fs";
import path from "node:path";
import { say } from "../messages.ts";
import { regionLabel } from "../protocol/endpoints.ts";
import { KimiError } from "../protocol/errors.ts";
import { type HomeState, readHome } from "./home-file.ts";
import { cliHomes, type Home } from "./homes.ts";

/** Another login of a Kimi CLI on this machine that could be used in the place of this one. */
function otherLogin(home: Home): Home | undefined {
  try {
    return cliHomes(process.env).find(
      (other) => other.file !== home.file && readHome(other).status === "valid",
    );
  } catch {
    return undefined;
  }
}

/** Facts for a message about a home: whose it is, and where a user may sign in instead. */
function factsOf(home: Home) {
  const other = home.kind === "openclaw" ? undefined : otherLogin(home);
  return {
    owner: home.kind,
    file: home.file,
    other:
      other === undefined
        ? undefined
        : {
            owner: other.kind,
            site: regionLabel(other.endpoints),
            folder: other.kind === home.kind && other.slot === home.slot ? other.dir : undefined,
          },
  };
}

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
    const top = config.replace(/^\s*\[.*/ms, "");
    return /^\s*credentials_store\s*=\s*["'](?:keyring|keychain)["']/m.test(top);
  } catch {
    return false;
  }
}

/** The error for a home that was asked to be readable and is not valid. */
export function homeError(home: Home, found: Exclude<HomeState, { status: "valid" }>): KimiError {
  const facts = factsOf(home);
  switch (found.status) {
    case "missing": {
      if (isInKeychain(home)) {
        return new KimiError("login_missing", say.inKeychain());
      }
      const message = found.dangling ? say.danglingLink(facts) : say.signedOut(facts);
      return new KimiError("login_missing", message);
    }
    case "tombstone":
      return new KimiError("login_revoked", say.revoked(facts));
    case "unavailable":
      return new KimiError("home_unavailable", say.unavailable({ ...facts, reason: found.reason }));
    case "unreadable":
      return new KimiError("login_unreadable", say.unreadable({ ...facts, reason: found.reason }));
    case "corrupt":
      return new KimiError("login_corrupt", say.corrupt({ ...facts, reason: found.reason }));
  }
}

/** The error for a home that now holds another account. */
export function accountChanged(home: Home): KimiError {
  return new KimiError("account_changed", say.accountChanged({ owner: home.kind }));
}

/**
 * The error for a login that Kimi no longer renews.
 *
 * @param responseLost - true when Kimi may have renewed it without us hearing it
 */
export function loginEnded(home: Home, responseLost: boolean): KimiError {
  return new KimiError("login_ended", say.ended({ ...factsOf(home), responseLost }));
}

/** The error for a login whose access token has ended and that has no token to renew it with. */
export function notRenewable(home: Home): KimiError {
  return new KimiError("login_ended", say.notRenewable(factsOf(home)));
}
