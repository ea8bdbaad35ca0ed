/** One run: agree, sign in, refresh, check, print. */

import { PLUGIN_VERSION } from "../../src/constants.ts";
import { deviceId } from "../../src/host/installation.ts";
import type { Home } from "../../src/logins/homes.ts";
import { STATIC_MODELS } from "../../src/models/models.ts";
import { parseModels } from "../../src/models/model-list.ts";
import type { WaitDeps } from "../../src/protocol/device-token.ts";
import { type Env, regionLabel } from "../../src/protocol/endpoints.ts";
import { isKimiError } from "../../src/protocol/errors.ts";
import { identityHeaders } from "../../src/protocol/identity.ts";
import type { LiveOptions } from "./arguments.ts";
import type { Check, Live, Seen } from "./check.ts";
import { CHECKS, GROUPS, SPEND_GROUP } from "./checks/index.ts";
import { MAX_SEARCH } from "./checks/tools.ts";
import { isPassing, Kimi, Unavailable } from "./kimi.ts";
import { Redactor, withShortPaths } from "./redact.ts";
import { deviceLogin, existingLogin, newLoginEndpoints, Scratch } from "./sign-in.ts";
import { counts, markdown, type Row, summary } from "./table.ts";
import type { WireResponse } from "./wire.ts";

/** How a run ended. */
export const EXIT = {
  match: 0,
  differs: 1,
  usage: 2,
  declined: 3,
  noSignIn: 4,
  noAnswer: 5,
  fault: 70,
  interrupted: 130,
} as const;

/** What a run has to do with. */
export interface LiveIo {
  readonly env: Env;
  /** The table. */
  readonly out: (text: string) => void;
  /** Everything else. */
  readonly tell: (text: string) => void;
  /** Asks a question; absent where nobody can be asked. */
  readonly confirm?: ((question: string) => Promise<boolean>) | undefined;
  readonly signal: AbortSignal;
  readonly waits: WaitDeps;
}

const OWNERS = {
  "kimi-cli": "the Python CLI's login",
  "kimi-code-cli": "the Kimi Code CLI's login",
  openclaw: "a login of this check's own, by device code",
} as const;

/** Tokens of a run, in and out, about: the two calls with all tools are most of it. */
const ABOUT_TOKENS = 20_000;

const MATCHES = "Everything that was checked is as this project knows it.";
const DIFFERS =
  "Please read the table, then paste it into an issue of this project: it holds no token and nothing of your account.";

function planned({ spend }: LiveOptions) {
  return spend ? [...GROUPS, SPEND_GROUP] : GROUPS;
}

/** What the user agrees to. */
function plan(options: LiveOptions, login: string): string {
  const groups = planned(options);
  const checks = groups.flatMap((group) => group.checks);
  const calls = checks.reduce((sum, check) => sum + check.calls, 0);
  const requests = checks.reduce((sum, check) => sum + check.requests, 0);
  return [
    `This checks ${String(CHECKS.length)} facts about Kimi, with ${login}. It sends:`,
    ...groups.map(({ sends }) => `  - ${sends}`),
    `In all about ${String(requests)} requests. Models answer about ${String(calls)} of them, with about ${ABOUT_TOKENS.toLocaleString("en-US")} tokens in all:`,
    "as much of your plan as one or two turns of an agent. Requests say that they come from this plugin.",
    "If Kimi takes what it should refuse, a model answers in a few words; if it refuses a tool that it should take, up to",
    `${String(2 * MAX_SEARCH)} more requests look for that tool.`,
  ].join("\n");
}

function shownHome(home: Home): string {
  return `${OWNERS[home.kind]} (${regionLabel(home.endpoints)}, ${withShortPaths(home.file)})`;
}

/** Prepares what the checks share. */
async function prepare(
  kimi: Kimi,
  options: LiveOptions,
  signIn: readonly WireResponse[],
  redactor: Redactor,
): Promise<Live> {
  const refreshed = await kimi.refresh();
  const me = await kimi.send({ path: "/me" });
  redactor.addTexts(me.json);
  const models = await kimi.send({ path: "/models" });
  const rows = (models.status === 200 ? parseModels(models.json) : undefined) ?? STATIC_MODELS;
  return { kimi, options, refreshed, signIn, me, models, rows };
}

async function make(check: Check, live: Live): Promise<Seen> {
  try {
    return await check.run(live);
  } catch (error) {
    if (error instanceof Unavailable || isPassing(error)) {
      return { verdict: "no answer", seen: error.message };
    }
    throw error;
  }
}

async function checkAll(
  live: Live,
  rows: Row[],
  io: LiveIo,
  hide: (text: string) => string,
): Promise<void> {
  const checks = planned(live.options).flatMap((group) => group.checks);
  const all = live.options.spend ? checks : [...checks, ...SPEND_GROUP.checks];
  for (const check of all) {
    io.signal.throwIfAborted();
    const seen = await make(check, live);
    rows.push({ check, verdict: seen.verdict, seen: hide(seen.seen) });
    io.tell(`${String(rows.length)}/${String(all.length)} ${check.id}: ${seen.verdict}`);
  }
}

function print(rows: readonly Row[], home: Home, io: LiveIo): void {
  const { node } = process.versions;
  const day = new Date().toISOString().slice(0, 10);
  const where = `${regionLabel(home.endpoints)}, ${OWNERS[home.kind]}`;
  io.out(
    `kimi-code-oauth ${PLUGIN_VERSION}, Node ${node}, ${process.platform}, ${day}; ${where}.\n\n${markdown(rows)}\n\n${summary(rows)}\n`,
  );
}

/**
 * Runs the check. Whatever is printed is free of secrets, but for the code and the link of a sign-in.
 *
 * @returns the exit code
 */
export async function runLive(options: LiveOptions, io: LiveIo): Promise<number> {
  const redactor = new Redactor();
  const clean: LiveIo = {
    ...io,
    tell: (text) => {
      io.tell(redactor.clean(text));
    },
  };
  using scratch = new Scratch();
  const rows: Row[] = [];
  let home: Home | undefined;
  try {
    const endpoints = newLoginEndpoints(io.env, options);
    home = options.device ? undefined : existingLogin(io.env, options);
    const login = home === undefined ? `a new login at ${regionLabel(endpoints)}` : shownHome(home);
    io.tell(plan(options, login));
    if (!options.yes && (await io.confirm?.("Go on? (y/N) ")) !== true) {
      io.tell(
        io.confirm === undefined ? "Nobody can be asked here; say --yes." : "Nothing was sent.",
      );
      return EXIT.declined;
    }
    const id = await deviceId(scratch.path);
    redactor.add(id);
    const headers = identityHeaders(id);
    let signIn: readonly WireResponse[] = [];
    if (home === undefined) {
      const made = await deviceLogin({
        endpoints,
        headers,
        scratch,
        signal: io.signal,
        waits: io.waits,
        show: io.tell,
      });
      ({ home, responses: signIn } = made);
    }
    const kimi = new Kimi({
      home,
      headers,
      redactor,
      signal: io.signal,
      tell: clean.tell,
      sleep: io.waits.sleep,
    });
    await checkAll(await prepare(kimi, options, signIn, redactor), rows, clean, (text) =>
      redactor.clean(text),
    );
    print(rows, home, io);
    const code = exitCode(rows);
    io.tell(code === EXIT.match ? MATCHES : DIFFERS);
    return code;
  } catch (error) {
    if (home !== undefined && rows.length > 0) {
      print(rows, home, io);
    }
    return failed(error, clean);
  }
}

function exitCode(rows: readonly Row[]): number {
  const number = counts(rows);
  if (number.differs > 0) {
    return EXIT.differs;
  }
  return number["no answer"] > 0 ? EXIT.noAnswer : EXIT.match;
}

function failed(error: unknown, io: LiveIo): number {
  if (io.signal.aborted) {
    io.tell("Canceled.");
    return EXIT.interrupted;
  }
  if (!isKimiError(error)) {
    throw error;
  }
  io.tell(error.message);
  return isPassing(error) ? EXIT.noAnswer : EXIT.noSignIn;
}
