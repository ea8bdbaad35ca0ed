import path from "node:path";
import { beforeEach, describe, expect } from "vitest";
import * as bodies from "../../kit/standin/bodies.ts";
import { bindingOf } from "../../../src/logins/homes.ts";
import { newOpenClawHome } from "../../../src/logins/openclaw-home.ts";
import { homeFor, writeLogin } from "../../kit/logins.ts";
import type { StandIn, TokenReply } from "../../kit/standin/server.ts";
import type { ChatWindow } from "../../kit/openclaw/chat-window.ts";
import type { Host } from "../../kit/openclaw/host.ts";
import { it } from "../../kit/openclaw/shared-gateway.ts";
import {
  credentialFile,
  expireLogin,
  readCredential,
  writeCliLogin,
} from "../../kit/kimi/kimi-cli.ts";

/** A text as a pattern that matches it alone. */
function escaped(text: string): string {
  return text.replaceAll(/[.()[\]]/gu, "\\$&");
}

const PROFILE = "kimi-code:default";
const HOUR_MS = 3_600_000;

interface UsageReport {
  readonly usage?: {
    readonly providers?: readonly {
      readonly provider: string;
      readonly windows: readonly { readonly resetAt?: number }[];
    }[];
  };
}

/** Text as it was before the host broke and framed it. */
function unframed(text: string): string {
  return text.replaceAll(/[│╮╯├─◇]/gu, " ").replaceAll(/\s+/gu, " ");
}

/** What the host puts in a token's place before it refreshes. */
function fence(part: string): string {
  return `openclaw-oauth-refresh-fence:v1:${"0".repeat(32)}:pending:${part}:${"ab".repeat(32)}`;
}

/** What a user sees who looks how things stand; the host asks its gateway, so there is one. */
describe("how a login stands", () => {
  let standIn: StandIn;
  let host: Host;
  let chat: ChatWindow;
  let output = "";

  const openclaw = async (...args: string[]): Promise<string> => {
    const { stdout, stderr } = await host.run(args, { timeoutMs: 240_000 });
    output += stdout + stderr;
    return stdout;
  };
  const modelsStatus = async (): Promise<string> => unframed(await openclaw("models", "status"));

  it.beforeAll(async ({ shared }) => {
    ({ standIn, host, chat } = shared);
    await shared.reset();
  }, 180_000);

  beforeEach(() => {
    standIn.heal();
    standIn.clear();
  });

  it("is told with plan, windows, reset times and credit by `openclaw status --usage`", async () => {
    const report = JSON.parse(await openclaw("status", "--usage", "--json")) as UsageReport;
    const kimi = report.usage?.providers?.find(({ provider }) => provider === "kimi-code");
    expect(kimi).toMatchObject({
      displayName: "Kimi Code",
      plan: "Moderato",
      windows: [
        { label: "5 hours", usedPercent: 1 },
        { label: "7 days", usedPercent: 4 },
        { label: "Month", usedPercent: 50 },
      ],
      billing: [
        { type: "balance", label: "Extra credit", amount: 100, unit: "USD" },
        { type: "budget", label: "Extra credit this month", used: 50, limit: 200, unit: "USD" },
      ],
    });
    const resets = kimi?.windows.map(({ resetAt }) =>
      resetAt === undefined ? undefined : Math.round((resetAt - Date.now()) / HOUR_MS),
    );
    expect(resets).toEqual([3, 96, undefined]);
    expect(standIn.count("usages")).toBe(1);
    expect(standIn.count("me")).toBe(1);
  });

  it("is told by `openclaw models status`, too, from the older shape and after a refresh; the plan is asked for once a day", async () => {
    standIn.account().usages = "A";
    await expireLogin(host, credentialFile(host, standIn));
    const text = await modelsStatus();
    standIn.account().usages = "B";
    expect(text).toMatch(/kimi-code usage: 5 hours 99% left ⏱\S+ \S+ · 7 days 96% left/u);
    expect(standIn.requests.map(({ route, status }) => `${route} ${String(status)}`)).toEqual([
      "token 200",
      "usages 200",
    ]);
  });

  it("is unknown, and not 0 %, where Kimi contradicts itself", async () => {
    standIn.account().usages = {
      limits: [
        {
          window: { duration: 300, timeUnit: "TIME_UNIT_MINUTE" },
          detail: { used: "0", limit: "100", remaining: "20" },
        },
      ],
    };
    const text = await modelsStatus();
    standIn.account().usages = "B";
    expect(text).toContain("kimi-code usage: 5 hours: unknown");
    expect(text).not.toMatch(/\d+% left/u);
  });

  it("is not known while Kimi has a problem, and the reason is told", async () => {
    standIn.failAlways("usages", { kind: "status", ...bodies.GATEWAY_HTML });
    expect(await modelsStatus()).toContain(
      "kimi-code usage: Kimi's server returned an error (HTTP 502). Try again in a moment; you are still signed in.",
    );
  });

  it("is told by `openclaw doctor` with the command that mends it, for each login", async () => {
    const file = credentialFile(host, standIn);
    /** Another login of the Kimi Code CLI, in a folder of its own. */
    const add = async (
      name: string,
      tokens: TokenReply | undefined,
      more: object = {},
    ): Promise<string> => {
      const dir = path.join(host.home, name);
      const home = homeFor("kimi-code-cli", dir, standIn);
      if (tokens !== undefined) {
        await writeLogin(home, tokens);
      }
      const authFlow = `kimi-code-cli:${standIn.cliSlot}@${dir}`;
      host.writeAuthProfile(`kimi-code:${name}`, {
        type: "oauth",
        provider: "kimi-code",
        ...profile,
        authFlow,
        expires: 1_000,
        ...more,
      });
      return home.file;
    };
    /** A login of OpenClaw's own that is due for a refresh. */
    const addOwn = async (accountId: string): Promise<string> => {
      standIn.createAccount({ id: accountId });
      const { endpoints } = homeFor("openclaw", host.stateDir, standIn);
      const home = newOpenClawHome(path.join(host.stateDir, "kimi-code-oauth"), endpoints);
      const tokens = standIn.issueLogin(accountId);
      await writeLogin(home, tokens);
      host.writeAuthProfile("kimi-code:own", {
        type: "oauth",
        provider: "kimi-code",
        ...bindingOf(home),
        accountId,
        displayName: `Stand-in ${accountId} (OpenClaw, ${new URL(standIn.origin).host})`,
        access: tokens.access_token,
        refresh: tokens.refresh_token,
        expires: 1_000,
      });
      await expireLogin(host, home.file);
      return home.file;
    };
    standIn.createAccount({ id: "user-2", jwtAccessTokens: true });
    const own = await addOwn("user-3");
    standIn.endLogin("user-3");
    // The doctor asks Kimi nothing; a turn of a session with that login has.
    const pinned = `agent:main:${crypto.randomUUID()}`;
    await chat.say("/model kimi-code/kimi-for-coding@kimi-code:own", pinned);
    await chat.say("hi", pinned);
    const profile = host.readAuthProfiles()[PROFILE];
    const fine = await add("fine", standIn.issueLogin());
    const signedOut = await add("signed-out", undefined);
    const moved = await add("moved", standIn.issueLogin("user-2"), { accountId: "user-9" });
    const crashed = await add("crashed", standIn.issueLogin(), {
      access: fence("access"),
      refresh: fence("refresh"),
      expires: 1,
    });

    await writeCliLogin(host, standIn, standIn.issueLogin());
    await expireLogin(host, file);
    standIn.endLogin("user-1");
    expect(await modelsStatus()).toMatch(
      /Kimi login shared with the Kimi Code CLI \(\S+\), stored in \S+.* Kimi has ended this login\. Run `kimi login` \(OpenClaw picks it up automatically\)/u,
    );

    const text = unframed(await openclaw("doctor", "--non-interactive"));
    const about = (home: string): string =>
      `Kimi login shared with the Kimi Code CLI (${new URL(standIn.origin).host}), stored in ${home}`;
    // The host's own word is about its copy, which the running gateway may have renewed from the file before it expired.
    expect(text).toMatch(
      new RegExp(
        `${PROFILE}: expir(?:ed|ing) .*${escaped(about(file))}.*Kimi has ended this login\\. Run \`kimi login\` \\(OpenClaw picks it up automatically\\)`,
        "u",
      ),
    );
    // One of OpenClaw's own, of another account: who it is, and the command that signs in to that one.
    expect(text).toMatch(
      new RegExp(
        `kimi-code:own: .*own Kimi login \\(\\S+, account Stand-in user-3\\), stored in ${escaped(own)}.*Kimi has ended this login\\. Sign in again with: openclaw models auth login --provider kimi-code --device-code --profile-id kimi-code:own `,
        "u",
      ),
    );
    expect(text).toContain(
      `${about(fine)}, last refreshed less than a minute ago. OK. Access tokens last`,
    );
    expect(text).toContain(
      `${about(signedOut)}. The Kimi Code CLI is signed out: no login at ${signedOut}. Sign in there, or run \`openclaw models auth login --provider kimi-code --profile-id kimi-code:signed-out\` to use the Kimi Code CLI login at ${new URL(standIn.origin).host} in ${path.dirname(path.dirname(file))}.`,
    );
    expect(text).toMatch(
      new RegExp(
        `${escaped(about(moved))}.*is now signed in to another account than this OpenClaw profile.*openclaw models auth login --provider kimi-code --profile-id kimi-code:moved`,
        "u",
      ),
    );
    expect(text).toContain(
      `${about(crashed)}, last refreshed less than a minute ago. An interrupted refresh left OpenClaw's copy locked. To restore it, restart: openclaw gateway restart`,
    );
  }, 240_000);

  it("is told without a secret", async () => {
    const { access_token: access, refresh_token: refresh } = await readCredential(
      credentialFile(host, standIn),
    );
    expect(output).not.toBe("");
    for (const secret of [access, refresh]) {
      expect(output).not.toContain(secret);
    }
    expect(output).not.toMatch(/standin-(?:access|refresh)-|eyJ/u);
    expect(standIn.violations).toEqual([]);
  });
});
