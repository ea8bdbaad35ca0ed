/** A link as a QR code, where a terminal can show one that a camera reads. */

import { stripVTControlCharacters } from "node:util";
import { isLongLived } from "../host/lifetime.ts";
import { mediaSdk } from "../host/sdk.ts";

/** What decides whether a code can be shown. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** Rows that a prompt needs beside the code. */
const ROWS_BESIDE = 4;

/** True where the half blocks of a code come out as such (the locale of POSIX, or Windows Terminal). */
function showsUnicode(env: NodeJS.ProcessEnv, platform: NodeJS.Platform): boolean {
  if (platform === "win32") {
    return env.WT_SESSION !== undefined;
  }
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || "";
  return env.TERM !== "dumb" && env.TERM !== "linux" && /utf-?8/i.test(locale);
}

/**
 * Draws a link.
 *
 * @returns `undefined` where there is no terminal, or one that is too small or shows no Unicode; and in
 *   the gateway, whose terminal is not the user's
 */
export async function terminalQr(
  link: string,
  terminal: Terminal = process.stdout,
  env: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): Promise<string | undefined> {
  if (terminal.isTTY !== true || isLongLived() || !showsUnicode(env, platform)) {
    return undefined;
  }
  const drawing = (await mediaSdk().renderQrTerminal(link, { small: true })).trimEnd();
  const lines = stripVTControlCharacters(drawing).split("\n");
  const width = Math.max(...lines.map((line) => line.length));
  const fits =
    width <= (terminal.columns ?? 0) && lines.length + ROWS_BESIDE <= (terminal.rows ?? 0);
  return fits ? drawing : undefined;
}
