/** Reading a home's file. Changes nothing, and never throws. */

import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync } from "node:fs";
import { fileReasons, transientReason } from "../words.ts";
import { systemErrorCode } from "../protocol/errors.ts";
import { type Credential, MAX_CREDENTIAL_BYTES, parseCredential } from "./credential.ts";
import type { Home } from "./homes.ts";

/** What a home holds right now. */
export type HomeState =
  | { readonly status: "valid"; readonly credential: Credential }
  | { readonly status: "tombstone" }
  | { readonly status: "missing"; readonly dangling: boolean }
  | { readonly status: "unreadable"; readonly reason: string }
  /** It cannot be read right now, for a transient reason. */
  | { readonly status: "unavailable"; readonly reason: string }
  | { readonly status: "corrupt"; readonly reason: string };

function failedRead(code: string | undefined): HomeState {
  const transient = transientReason(code);
  if (transient !== undefined) {
    return { status: "unavailable", reason: transient };
  }
  switch (code) {
    case "EACCES":
    case "EPERM":
      return { status: "unreadable", reason: fileReasons.noPermission };
    case "ELOOP":
      return { status: "unreadable", reason: fileReasons.circularLink };
    case "ENOTDIR":
      return { status: "unreadable", reason: fileReasons.pathIsNoFolder };
    default:
      return { status: "unreadable", reason: fileReasons.readFailed };
  }
}

function isDangling(file: string): boolean {
  try {
    return lstatSync(file, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}

/**
 * Reads a home; never throws, never blocks on a pipe in the file's place.
 *
 * Synchronous, because the file is small, the host's `register` cannot wait, and a look right before
 * an act must not let anything happen in between.
 */
export function readHome(home: Pick<Home, "file">): HomeState {
  let fd: number;
  try {
    fd = openSync(home.file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = systemErrorCode(error);
    return code === "ENOENT"
      ? { status: "missing", dangling: isDangling(home.file) }
      : failedRead(code);
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) {
      return {
        status: "unreadable",
        reason: stat.isDirectory() ? fileReasons.folder : fileReasons.notAFile,
      };
    }
    if (stat.size > MAX_CREDENTIAL_BYTES) {
      return { status: "corrupt", reason: fileReasons.tooLarge };
    }
    return parseCredential(utf8(readFileSync(fd)));
  } catch (error) {
    return failedRead(systemErrorCode(error));
  } finally {
    closeSync(fd);
  }
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
