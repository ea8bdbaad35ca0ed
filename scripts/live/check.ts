/** What a check is, and what it has to work with. */

import type { ModelRow } from "../../src/models/models.ts";
import type { LiveOptions } from "./arguments.ts";
import type { Answer, Kimi, Refreshed } from "./kimi.ts";
import type { WireResponse } from "./wire.ts";

/** What became of a check. */
export type Verdict =
  | "match"
  | "differs"
  /** Nothing was asked, because it does not apply here. */
  | "not checked"
  /** It was asked, and what came back says nothing about the fact. */
  | "no answer";

/** What a check saw. */
export interface Seen {
  readonly verdict: Verdict;
  readonly seen: string;
}

/** What all checks share. */
export interface Live {
  readonly kimi: Kimi;
  readonly options: LiveOptions;
  /** The refresh that the check begins with. */
  readonly refreshed: Refreshed;
  /** The OAuth host's responses to the sign-in; none for a login that was there. */
  readonly signIn: readonly WireResponse[];
  /** `GET /models` and `GET /me`, asked for once. */
  readonly models: Answer;
  readonly me: Answer;
  /** The models as the plugin reads them; the ones that it knows when the list cannot be read. */
  readonly rows: readonly ModelRow[];
  /** The last answer of the chat route that was a success. */
  chat?: Answer;
  /** The id of a picture that was uploaded. */
  fileId?: string;
}

/** One fact that can be seen. */
export interface Check {
  /** What the facts table in `docs/kimi-code-oauth.md` calls it. */
  readonly id: string;
  readonly fact: string;
  readonly expected: string;
  /** True where nothing is known, and the plugin counts on it or works either way. */
  readonly assumed?: boolean;
  /** Requests at most; 0 for one that looks at an answer that is there already. */
  readonly requests: number;
  /** How many of them a model answers. */
  readonly calls: number;
  readonly run: (live: Live) => Promise<Seen>;
}

/** A fact that holds or not. */
export function verdict(holds: boolean, seen: string): Seen {
  return { verdict: holds ? "match" : "differs", seen };
}

/** A fact that cannot be looked at here. */
export function notChecked(why: string): Seen {
  return { verdict: "not checked", seen: why };
}
