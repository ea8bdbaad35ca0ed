/** All checks, in the order in which they are made. */

import type { Check } from "../check.ts";
import { ACCOUNT_CHECKS } from "./account.ts";
import { ERROR_CHECKS } from "./errors.ts";
import { MODEL_CHECKS } from "./models.ts";
import { PROTOCOL_CHECKS } from "./protocols.ts";
import { THINKING_CHECKS } from "./thinking.ts";
import { SPEND_CHECKS, TOKEN_CHECKS } from "./token.ts";
import { TOOL_CHECKS } from "./tools.ts";
import { FILE_CHECKS } from "./files.ts";
import { WEB_CHECKS } from "./web.ts";

/** Checks that send the same kind of thing. */
export interface Group {
  /** What is sent, for the user to agree to. */
  readonly sends: string;
  readonly checks: readonly Check[];
}

export const GROUPS: readonly Group[] = [
  {
    sends:
      "the model list, your usage and your account's data are asked for; names of members are shown, values are not",
    checks: [...MODEL_CHECKS, ...ACCOUNT_CHECKS],
  },
  {
    sends:
      "one refresh of the login, saved under its owner's lock as the plugin does; one made-up refresh token",
    checks: TOKEN_CHECKS,
  },
  {
    sends: "calls of models, each with one short question",
    checks: [...PROTOCOL_CHECKS, ...THINKING_CHECKS],
  },
  {
    sends:
      "tools that do nothing: two calls with all of them, and those that Kimi should refuse one by one",
    checks: TOOL_CHECKS,
  },
  {
    sends:
      "requests with a fault (an unknown model, a picture of 6 MB, 2 MB of text, a made-up bearer), which Kimi should refuse",
    checks: ERROR_CHECKS,
  },
  {
    sends: 'a search for "OpenClaw" and a fetch of https://example.com/',
    checks: WEB_CHECKS,
  },
  {
    sends:
      "an upload of a picture of one pixel, which stays at Kimi, and two calls of models that name it",
    checks: FILE_CHECKS,
  },
];

/** Made last, and only when the user asks for them. */
export const SPEND_GROUP: Group = {
  sends: "the refresh token from before the refresh, once more; then another refresh",
  checks: SPEND_CHECKS,
};

/** Every check. */
export const CHECKS: readonly Check[] = [...GROUPS, SPEND_GROUP].flatMap(({ checks }) => checks);
