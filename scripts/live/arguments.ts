/** The command line of `npm run live`. */

import { parseArgs } from "node:util";

/** What the user asked for. */
export interface LiveOptions {
  /** Does not ask before it starts. */
  readonly yes: boolean;
  /** Signs in by device code, in place of a login that is there. */
  readonly device: boolean;
  /** Sends a refresh token that was already used. */
  readonly spend: boolean;
  readonly help: boolean;
  /** Whose login to take when several are there. */
  readonly home?: "kimi-code-cli" | "kimi-cli" | undefined;
  readonly region?: "mainland-cn" | "global" | undefined;
}

export const USAGE = `npm run live -- [options]

Checks what the plugin rests on against the real Kimi, with a login of yours, and prints a table.

  --device              sign in by device code; the new login is used for this check only
  --spend               with --device: also send a refresh token that was already used
  --home <owner>        kimi-code-cli or kimi-cli, when both have a login
  --region <region>     mainland-cn (kimi.com) or global (kimi.ai)
  --yes                 do not ask before it starts
  --help                print this text

Exit codes: 0 all facts match, 1 one differs, 2 wrong command line, 3 you said no, 4 no sign-in,
5 Kimi did not answer or keeps this account from answering, 70 a fault of this program, 130 Ctrl-C.
`;

/** A command line that cannot be carried out. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

function oneOf<T extends string>(
  name: string,
  value: string | undefined,
  known: readonly T[],
): T | undefined {
  const found = known.find((entry) => entry === value);
  if (value !== undefined && found === undefined) {
    throw new UsageError(`--${name} takes ${known.join(" or ")}.`);
  }
  return found;
}

/**
 * Reads the command line.
 *
 * @throws UsageError for an unknown option or value, and for `--spend` with a login that a Kimi CLI
 *   uses too: Kimi may answer a spent refresh token by ending the whole login
 */
export function parseLiveArguments(args: readonly string[]): LiveOptions {
  const read = () => {
    try {
      return parseArgs({
        args: [...args],
        options: {
          yes: { type: "boolean", default: false },
          device: { type: "boolean", default: false },
          spend: { type: "boolean", default: false },
          help: { type: "boolean", default: false },
          home: { type: "string" },
          region: { type: "string" },
        },
      }).values;
    } catch (error) {
      throw new UsageError(error instanceof Error ? error.message : String(error));
    }
  };
  const { yes, device, spend, help, home, region } = read();
  if (spend && !device) {
    throw new UsageError(
      "--spend needs --device: a spent refresh token may end the login, and a Kimi CLI would be signed out too.",
    );
  }
  if (device && home !== undefined) {
    throw new UsageError("--home and --device exclude each other.");
  }
  return {
    yes,
    device,
    spend,
    help,
    home: oneOf("home", home, ["kimi-code-cli", "kimi-cli"]),
    region: oneOf("region", region, ["mainland-cn", "global"]),
  };
}
