/** Parts of sentences for `messages.ts`: times, and plain words for what a system reports. */

/** A number of units in words. */
export function counted(count: number, unit: string): string {
  return `${String(count)} ${unit}${count === 1 ? "" : "s"}`;
}

/** A short wait in words. */
export function shortWait(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1_000));
  return seconds < 90 ? counted(seconds, "second") : counted(Math.ceil(seconds / 60), "minute");
}

/** A long wait, in words that OpenClaw also reads as a time to wait. */
export function longWait(ms: number): string {
  const minutes = Math.max(1, Math.ceil(ms / 60_000));
  if (minutes < 120) {
    return counted(minutes, "minute");
  }
  // A few minutes over do not make the next hour, nor an hour the next day.
  const hours = Math.ceil((minutes - 5) / 60);
  return hours < 48 ? counted(hours, "hour") : counted(Math.ceil((hours - 1) / 24), "day");
}

/** A time in the past. */
export function ago(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) {
    return "less than a minute ago";
  }
  if (minutes < 120) {
    return `${counted(minutes, "minute")} ago`;
  }
  const hours = Math.floor(minutes / 60);
  return `${hours < 48 ? counted(hours, "hour") : counted(Math.floor(hours / 24), "day")} ago`;
}

/** What was wrong with a connection, by the system's or undici's code. */
export function connectionReason(code: string): string {
  switch (code) {
    case "ECONNREFUSED":
      return "the connection was refused";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "its name could not be resolved";
    case "ETIMEDOUT":
    case "UND_ERR_CONNECT_TIMEOUT":
    case "UND_ERR_HEADERS_TIMEOUT":
    case "UND_ERR_BODY_TIMEOUT":
    case "ABORT_TIMEOUT":
      return "it did not answer in time";
    case "ECONNRESET":
    case "UND_ERR_SOCKET":
    case "EPIPE":
      return "the connection broke";
    default:
      return /TLS|SSL|EPROTO/.test(code)
        ? "no secure connection could be made"
        : "the connection failed";
  }
}

/** Why new tokens could not be saved, and how to fix it, by the system's code. */
export function saveObstacle(code: string | undefined): string {
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return "the disk is full. Free some space";
    case "EROFS":
      return "the disk is read-only. Make it writable";
    case "ENOENT":
      return "the folder is gone. Bring it back";
    case "EPERM":
      return "the file belongs to another user or is protected from changes. Fix that";
    default:
      return "permission denied. Make the folder writable";
  }
}

/** What can be wrong with a file that should hold a login; a part of a sentence. */
export const fileReasons = {
  circularLink: "it is a link that leads in a circle",
  damagedAccessToken: "its access token is missing or damaged",
  damagedRefreshToken: "its refresh token is damaged",
  empty: "it is empty",
  folder: "it is a folder",
  incomplete: "it is not complete JSON",
  noPermission: "permission denied",
  notAFile: "it is not a regular file",
  notALogin: "it does not hold a login",
  notText: "it is not text",
  pathIsNoFolder: "a part of its path is not a folder",
  readFailed: "reading it failed",
  tooDeep: "it is nested too deeply",
  tooLarge: "it is too large to be a login",
} as const;

/** What can be in the way of a lock; a part of a sentence. */
export const lockReasons = {
  leftBehind: "it was left behind and cannot be removed",
  leftBehindFull: "it was left behind and is not empty",
  link: "it is a link",
  notAFile: "it is not a file",
  notAFolder: "it is not a folder",
} as const;

/** System errors that say something about this moment and nothing about a file. */
const TRANSIENT_REASONS: Readonly<Record<string, string>> = {
  EMFILE: "this process has too many open files",
  ENFILE: "this machine has too many open files",
  ENOMEM: "there is no memory left",
  EAGAIN: "the disk is busy",
  EBUSY: "the disk is busy",
  EINTR: "reading was interrupted",
  EIO: "the disk reported an error",
  EREMOTEIO: "the network disk reported an error",
  ESTALE: "the network disk has changed",
  ETIMEDOUT: "the network disk does not answer",
  EHOSTDOWN: "the network disk does not answer",
  ENOTCONN: "the network disk is not connected",
};

/** Plain words for a transient system error; `undefined` for any other one. */
export function transientReason(code: string | undefined): string | undefined {
  return TRANSIENT_REASONS[code ?? ""];
}
