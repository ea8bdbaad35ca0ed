/** Sentences about a login and its home, grouped by the error's code. */

import { saveObstacle } from "../words.ts";
import {
  DEVICE_SIGN_IN,
  howToSignBackIn,
  howToSignBackInAfterEnd,
  type LoginFacts,
  loginSubject,
  type Owner,
  OWNERS,
  SIGN_IN,
  signInAgain,
} from "./owner.ts";

/** By what is wrong with a login. */
export const loginSentences = {
  // login_missing
  signedOut: ({ file, ...facts }: LoginFacts) =>
    facts.owner === "openclaw"
      ? `OpenClaw is signed out: no login at ${file}. ${howToSignBackIn(facts)}`
      : `The ${OWNERS[facts.owner]} is signed out: no login at ${file}. ${howToSignBackIn(facts)}`,
  danglingLink: ({ file, ...facts }: LoginFacts) =>
    `${loginSubject(facts.owner)} at ${file} is a link to a file that is gone. ${howToSignBackIn(facts)}`,
  inKeychain: () =>
    `The Kimi Code CLI keeps its login in the system keychain, where it cannot be shared. Set \`credentials_store = "file"\` in its config.toml and run \`kimi login\`, or sign in separately with: ${DEVICE_SIGN_IN}`,
  noCliLogin: () =>
    `No Kimi CLI login was found on this machine. To share the login of a Kimi CLI, run \`kimi login\` first, then try again. To sign in without a Kimi CLI, run: ${DEVICE_SIGN_IN}`,
  profileWithoutLogin: () =>
    `This profile does not say which Kimi login it belongs to. Sign in again with: ${SIGN_IN}`,
  profileOfOtherEndpoints: () =>
    `This profile names a login that belongs to another address. Sign in again with: ${DEVICE_SIGN_IN}`,

  // login_revoked, login_unreadable, login_corrupt
  revoked: ({ owner, other }: Omit<LoginFacts, "file">) =>
    owner === "openclaw"
      ? `Kimi rejected OpenClaw's own login. ${howToSignBackIn({ owner, other })}`
      : `The ${OWNERS[owner]} has marked its login as rejected by Kimi. ${howToSignBackIn({ owner, other })}`,
  unreadable: ({ file, reason, ...facts }: LoginFacts & { readonly reason: string }) =>
    `${loginSubject(facts.owner)} at ${file} cannot be read: ${reason}. Fix that first. ${howToSignBackIn(facts)}`,
  corrupt: ({ file, reason, ...facts }: LoginFacts & { readonly reason: string }) =>
    `${loginSubject(facts.owner)} at ${file} is damaged: ${reason}. ${howToSignBackIn(facts)}`,

  // login_ended; OpenClaw puts these into a sentence of its own, so none ends with a full stop.
  ended: ({
    owner,
    other,
    responseLost,
  }: Omit<LoginFacts, "file"> & { readonly responseLost: boolean }) => {
    const what = responseLost
      ? "The connection broke while Kimi was renewing this login, and Kimi no longer accepts the old tokens."
      : "Kimi has ended this login.";
    return `${what} ${howToSignBackInAfterEnd(owner, other)}`;
  },
  endedByKimi: () => `Kimi has ended this login. Sign in again with: ${SIGN_IN}`,
  notRenewable: ({ file, owner, other }: LoginFacts) =>
    `This Kimi login has ended, and its file ${file} holds no token to renew it with. ${howToSignBackInAfterEnd(owner, other)}`,

  // account_changed
  accountChanged: ({ owner }: { readonly owner: Owner }) =>
    owner === "openclaw"
      ? `This OpenClaw profile's login now belongs to another account. ${signInAgain(owner)}`
      : `The ${OWNERS[owner]} is now signed in to another account than this OpenClaw profile. To use that account here, run: ${SIGN_IN}`,

  // home_not_writable
  mountedAlone: ({ file, folder }: { readonly file: string; readonly folder: string }) =>
    `Could not refresh the login: ${file} is mounted as a single file and cannot be replaced. Mount the folder ${folder}, not the file, and make it writable; you are still signed in.`,
  tokensNotSaved: ({
    folder,
    code,
  }: {
    readonly folder: string;
    readonly code: string | undefined;
  }) =>
    `Could not refresh the login, because new tokens cannot be saved in ${folder}: ${saveObstacle(code)} and try again; you are still signed in.`,
  lockBlocked: ({ file, reason }: { readonly file: string; readonly reason: string }) =>
    `Could not refresh the login: ${file} is in the way of its lock (${reason}). Delete it and try again; you are still signed in.`,
  lockNotWritable: ({ lock }: { readonly lock: string }) =>
    `Could not refresh the login: its lock ${lock} cannot be taken. Make that folder writable and try again; you are still signed in.`,
  newLoginNotSaved: ({ folder }: { readonly folder: string }) =>
    `The new login could not be saved in ${folder}. Make that folder writable and sign in again.`,
  personalNotSaved: ({ folder }: { readonly folder: string }) =>
    `This account's login could not be saved in ${folder}. Make that folder writable and try again; you are still signed in.`,
  profilesNotWritable: () =>
    "OpenClaw's auth profiles could not be written. Check its state folder and try again.",

  // home_unavailable
  unavailable: ({ owner, file, reason }: LoginFacts & { readonly reason: string }) =>
    `${loginSubject(owner)} at ${file} cannot be read right now: ${reason}. Try again in a moment; you are still signed in.`,
  refreshUnavailable: ({ reason }: { readonly reason: string }) =>
    `The login could not be refreshed right now: ${reason}. Try again in a moment; you are still signed in.`,

  // home_busy
  lockHeld: ({ owner, lock }: { readonly owner: Owner; readonly lock: string }) =>
    `Another program has been refreshing the ${OWNERS[owner]} login for over a minute (lock: ${lock}). Try again; you are still signed in.`,
  alwaysOvertaken: () =>
    "Other programs keep renewing this login at the same moment. Try again; you are still signed in.",
  renewedElsewhere: () =>
    "Another program may be renewing this login right now. Try again in a minute; you are still signed in.",
  renewedByCli: () =>
    "The Kimi CLI renewed the login at the same moment. Try again; you are still signed in.",
  renewedWithNextMessage: () =>
    "The Kimi token must be renewed first, which happens with the next message. Try again; you are still signed in.",
} as const;
