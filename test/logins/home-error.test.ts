import { rm } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { homeError } from "../../src/logins/home-error.ts";
import { type Home, makeHome } from "../../src/logins/homes.ts";
import { Login } from "../../src/logins/login.ts";
import { REGIONS } from "../../src/protocol/endpoints.ts";
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
    expect(homeError(moved, { state: "missing", dangling: false }).message).toContain(code.dir);
    // Another login needs no folder to be told apart.
    expect(homeError(python, { state: "missing", dangling: false }).message).not.toContain(
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
    { state: "missing", dangling: false },
    { state: "corrupt", reason: "it is not complete JSON" },
    { state: "unreadable", reason: "permission denied" },
  ] as const)(
    "is named with the command that helps in what a chat window shows: $state",
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

  it("is not explained by addresses in the environment that cannot be used", async () => {
    vi.stubEnv("KIMI_CODE_BASE_URL", "http://not-loopback.example");
    expect(await refusal(open(python))).toMatch(/is signed out/u);
  });
});
