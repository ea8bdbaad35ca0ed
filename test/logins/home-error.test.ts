import { rm } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  accountChanged,
  homeError,
  loginEnded,
  notRenewable,
} from "../../src/logins/home-error.ts";
import { DEFAULT_SLOT, type Home, makeHome } from "../../src/logins/homes.ts";
import { Login } from "../../src/logins/login.ts";
import { REGIONS } from "../../src/protocol/endpoints.ts";
import type { KimiError, KimiErrorCode } from "../../src/protocol/errors.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import { failureOf, homeFor, removeScratch, scratch, testDeps, writeLogin } from "../kit/logins.ts";

const USE = "Sign in there, or run `openclaw models auth login --provider kimi-code`";
/** What the host's chat windows show of an error, in characters. */
const SHOWN = 240;

async function refusal(login: Login): Promise<string> {
  return (await failureOf(login.access())).message;
}

describe("a login that cannot be used any more", () => {
  let standIn: StandIn;
  let python: Home;
  let code: Home;

  beforeEach(async () => {
    standIn = await startStandIn();
    const folder = await scratch();
    const dirs = {
      "kimi-cli": path.join(folder, "kimi"),
      "kimi-code-cli": path.join(folder, "kimi-code"),
    };
    vi.stubEnv("KIMI_SHARE_DIR", dirs["kimi-cli"]);
    vi.stubEnv("KIMI_CODE_HOME", dirs["kimi-code-cli"]);
    vi.stubEnv("KIMI_CODE_OAUTH_HOST", standIn.oauthHost);
    vi.stubEnv("KIMI_CODE_BASE_URL", standIn.apiBase);
    python = homeFor("kimi-cli", dirs["kimi-cli"], standIn);
    code = homeFor("kimi-code-cli", dirs["kimi-code-cli"], standIn);
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    await standIn.close();
    await removeScratch();
  });

  const open = (home: Home): Login => new Login(home, testDeps(standIn.clock.now));

  it("because its owner signed out names the login of the other CLI, as soon as there is one", async () => {
    const login = open(python);
    expect(await refusal(login)).toMatch(
      /^The Kimi CLI \(Python\) is signed out: .*\. Run `kimi login`, then try again\.$/u,
    );
    await writeLogin(code, standIn.issueLogin());
    const host = new URL(standIn.oauthHost).host;
    expect(await refusal(login)).toMatch(
      new RegExp(`\\. ${USE} to use the Kimi Code CLI login at ${host}\\.$`, "u"),
    );
    await rm(code.file);
    expect(await refusal(login)).toMatch(/ Run `kimi login`, then try again\.$/u);
  });

  it("because its owner moved it names the folder of the same login elsewhere", async () => {
    await writeLogin(code, standIn.issueLogin());
    const moved = makeHome("kimi-code-cli", "/moved/.kimi-code", code.slot, code.endpoints);
    expect(homeError(moved, { status: "missing", dangling: false }).message).toContain(code.dir);
    // Another login needs no folder to be told apart.
    expect(homeError(python, { status: "missing", dangling: false }).message).not.toContain(
      code.dir,
    );
  });

  it("because its owner signed in to the other region names that region", async () => {
    const global = makeHome(
      "kimi-code-cli",
      code.dir,
      "kimi-code-env-0e4f99c69cc27850",
      REGIONS.global,
    );
    await writeLogin(global, standIn.issueLogin());
    expect(await refusal(open(code))).toMatch(
      new RegExp(` ${USE} to use the Kimi Code CLI login at kimi\\.ai\\.$`, "u"),
    );
  });

  it("because Kimi ended it names a login that was made afterwards, and asks Kimi nothing again", async () => {
    await writeLogin(python, standIn.issueLogin());
    standIn.endLogin("user-1");
    standIn.clock.advance(900_000);
    const login = open(python);
    expect(await refusal(login)).toBe(
      "Kimi has ended this login. Run `kimi login` (OpenClaw picks it up automatically)",
    );
    await writeLogin(code, standIn.issueLogin());
    expect(await refusal(login)).toMatch(
      new RegExp(`^Kimi has ended this login\\. ${USE} \\(uses the Kimi Code CLI login at `, "u"),
    );
    expect(standIn.count("token")).toBe(1);
  });

  it.each([
    { status: "missing", dangling: false },
    { status: "corrupt", reason: "it is not complete JSON" },
    { status: "unreadable", reason: "permission denied" },
  ] as const)(
    "is named with the command that helps in what a chat window shows: $status",
    async (state) => {
      await writeLogin(python, standIn.issueLogin());
      const home = makeHome(
        "kimi-code-cli",
        "/home/firstname.lastname/.kimi-code",
        code.slot,
        code.endpoints,
      );
      expect(homeError(home, state).message.slice(0, SHOWN)).toContain(
        "openclaw models auth login --provider kimi-code",
      );
    },
  );

  it("needs no folder to be told from the other CLI's login, though both have the usual name", async () => {
    vi.stubEnv("KIMI_CODE_OAUTH_HOST", undefined);
    vi.stubEnv("KIMI_CODE_BASE_URL", undefined);
    const usual = makeHome("kimi-code-cli", code.dir, DEFAULT_SLOT, REGIONS["mainland-cn"]);
    await writeLogin(usual, standIn.issueLogin());
    const message = await refusal(open(python));
    expect(message).toMatch(/to use the Kimi Code CLI login at kimi\.com\.$/u);
  });

  it("because OpenClaw's own is gone names no login of a CLI, which is not what was chosen here", async () => {
    await writeLogin(code, standIn.issueLogin());
    const own = homeFor("openclaw", await scratch(), standIn);
    const again =
      "Sign in again with: openclaw models auth login --provider kimi-code --device-code";
    expect(await refusal(open(own))).toBe(
      `OpenClaw is signed out: no login at ${own.file}. ${again}`,
    );
    expect(loginEnded(own, false).message).toBe(`Kimi has ended this login. ${again}`);
  });

  it.each<[string, (home: Home) => KimiError, KimiErrorCode, string]>([
    [
      "a file that is gone",
      (home) => homeError(home, { status: "missing", dangling: false }),
      "login_missing",
      "The Kimi CLI (Python) is signed out: no login at <file>.",
    ],
    [
      "a link to nothing",
      (home) => homeError(home, { status: "missing", dangling: true }),
      "login_missing",
      "The Kimi CLI (Python) login at <file> is a link to a file that is gone.",
    ],
    [
      "a tombstone",
      (home) => homeError(home, { status: "tombstone" }),
      "login_revoked",
      "The Kimi CLI (Python) has marked its login as rejected by Kimi.",
    ],
    [
      "trouble that passes",
      (home) => homeError(home, { status: "unavailable", reason: "the disk is busy" }),
      "home_unavailable",
      "The Kimi CLI (Python) login at <file> cannot be read right now: the disk is busy.",
    ],
    [
      "a file that cannot be read",
      (home) => homeError(home, { status: "unreadable", reason: "permission denied" }),
      "login_unreadable",
      "The Kimi CLI (Python) login at <file> cannot be read: permission denied.",
    ],
    [
      "a damaged file",
      (home) => homeError(home, { status: "corrupt", reason: "it is empty" }),
      "login_corrupt",
      "The Kimi CLI (Python) login at <file> is damaged: it is empty.",
    ],
    [
      "another account",
      accountChanged,
      "account_changed",
      "The Kimi CLI (Python) is now signed in to another account than this OpenClaw profile.",
    ],
    [
      "an end that Kimi told",
      (home) => loginEnded(home, false),
      "login_ended",
      "Kimi has ended this login.",
    ],
    [
      "a response that was lost",
      (home) => loginEnded(home, true),
      "login_ended",
      "The connection broke while Kimi was renewing this login,",
    ],
    [
      "no token to renew it with",
      notRenewable,
      "login_ended",
      "This Kimi login has ended, and its file <file> holds no token to renew it with.",
    ],
  ])("because of %s says so, with a code for the callers", (_what, make, wanted, words) => {
    const { code: found, message } = make(python);
    expect(found).toBe(wanted);
    expect(message.startsWith(words.replace("<file>", python.file))).toBe(true);
  });

  it("is not explained by endpoints in the environment that cannot be used", async () => {
    vi.stubEnv("KIMI_CODE_BASE_URL", "http://not-loopback.example");
    expect(await refusal(open(python))).toMatch(/is signed out/u);
  });
});
