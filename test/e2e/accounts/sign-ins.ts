import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { expect, it } from "vitest";
import { readCredential } from "../../kit/kimi/kimi-cli.ts";
import type { Gateway, Host } from "../../kit/openclaw/host.ts";
import { openclawEntry } from "../../kit/openclaw/layout.ts";
import type { StandIn } from "../../kit/standin/server.ts";

/** Debian's browser; the Control UI is tested where it is installed. */
const CHROMIUM = "/usr/bin/chromium";
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const CHOICE = "Kimi Code (browser sign-in)";
/** A phone, in portrait. */
const PHONE = { width: 390, height: 844 };
const NO_SENTENCE_OF_OURS = /[a-z]+ [a-z]+ [a-z]+/u;

/** A running gateway on which nobody has signed in yet. */
interface Place {
  readonly standIn: StandIn;
  readonly host: Host;
  readonly gateway: Gateway;
}

/** Signs in to the accounts `user-1` and `user-2`: in the Control UI, or in a terminal where no browser is installed. */
export function signIns(place: () => Place): void {
  it.runIf(existsSync(CHROMIUM))(
    "connect in the Control UI: canceled once in Chinese on a phone, then approved in the browser, which answers and searches",
    async () => {
      // The host's own dependency; this project has none on a browser.
      const { chromium } = createRequire(openclawEntry)(
        "playwright-core",
      ) as typeof import("playwright-core");
      const { standIn, host, gateway } = place();
      const { auth } = (await host.config())["gateway"] as { auth: { token: string } };
      const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
      try {
        const phone = await browser.newPage({ locale: "zh-CN", viewport: PHONE });
        const page = await browser.newPage();
        page.setDefaultTimeout(60_000);
        phone.setDefaultTimeout(60_000);
        const open = async (window: typeof page, at: string): Promise<void> =>
          void (await window.goto(`${gateway.origin}${at}?token=${auth.token}`));

        await open(phone, "/settings/model-providers");
        await phone.getByRole("button", { name: "连接提供商" }).first().click();
        await phone.getByText(CHOICE).first().click();
        const choice = phone.getByRole("button", { name: CHOICE });
        expect(await choice.evaluate((button) => button.scrollWidth - button.clientWidth)).toBe(0);
        await choice.click();
        await phone.getByText("打开登录页面").waitFor();
        const panel = (await phone.innerText("body")).split(CHOICE).at(-1);
        expect(panel).toContain("FAKE-0001");
        expect(panel).not.toMatch(NO_SENTENCE_OF_OURS);
        await phone.getByRole("button", { name: "取消" }).click();
        await phone.getByText("FAKE-0001").waitFor({ state: "detached" });
        await phone.close();
        standIn.approveDevice("FAKE-0001");

        await open(page, "/settings/model-providers");
        await page.getByRole("button", { name: "Connect provider" }).first().click();
        await page.getByText(CHOICE).first().click();
        await page.getByRole("button", { name: CHOICE }).click();
        await page.getByText("Open sign-in").waitFor();
        const opened = page.waitForEvent("popup");
        await page.getByText("Open sign-in").click();
        const approval = await opened;
        expect(approval.url()).toBe(`${standIn.origin}/code/authorize_device?user_code=FAKE-0002`);
        await approval.getByRole("button", { name: "Approve" }).click();
        await page.getByText("Provider credentials saved.").waitFor();

        // The first code was approved after it had been cancelled; nobody came for its tokens.
        const handedOut = standIn
          .tokenRequests("device_code")
          .filter(({ status }) => status === 200);
        expect(handedOut.map(({ form }) => form?.["device_code"])).toEqual([
          "standin-device-code-0002",
        ]);
        const profile = host.readAuthProfiles()["kimi-code:default"];
        const slot = /^openclaw:([\w-]+)@/.exec(String(profile?.["authFlow"]))?.[1] ?? "";
        const home = path.join(host.stateDir, "kimi-code-oauth", "credentials", `${slot}.json`);
        expect((await readCredential(home)).access_token).toBe(profile?.access);
        expect(await gateway.chat("ping")).toMatchObject({ ok: true, text: "pong" });

        await page.getByRole("button", { name: "Add account" }).click();
        await page.getByRole("button", { name: CHOICE }).click();
        await page.getByText("FAKE-0003").waitFor();
        standIn.approveDevice("FAKE-0003", "user-2");
        await page.getByText("Stand-in user-2").waitFor();
        expect(await page.getByText("Stand-in user-1").count()).toBeGreaterThan(0);
        expect(Object.keys(host.readAuthProfiles()).toSorted()).toEqual([
          "kimi-code:2",
          "kimi-code:default",
        ]);

        await open(page, "/settings/search");
        await page.getByRole("button", { name: "Test Kimi Code" }).click();
        await page.getByText("Search succeeded").waitFor();
        await page.getByText("Stand-in result 1").waitFor();
        const { models } = (await gateway.call("models.list", {})) as {
          models: { provider: string; supportsFastMode?: boolean }[];
        };
        const fast = models.filter(({ provider }) => provider === "kimi-code");
        expect(new Set(fast.map(({ supportsFastMode }) => supportsFastMode))).toEqual(
          new Set([false]),
        );
        expect(standIn.violations).toEqual([]);
        expect(standIn.tokenRequests("refresh_token")).toEqual([]);
      } finally {
        await browser.close();
      }
    },
    300_000,
  );

  it.skipIf(existsSync(CHROMIUM))("connect in a terminal", { timeout: 240_000 }, async () => {
    const { standIn, host } = place();
    const login = "models auth login --provider kimi-code --device-code".split(" ");
    for (const [account, userCode, ...more] of [
      ["user-1", "FAKE-0001"],
      ["user-2", "FAKE-0002", "--profile-id", "kimi-code:2"],
    ] as const) {
      const terminal = host.terminal([...login, ...more]);
      await terminal.waitFor("Waiting for your approval", 60_000);
      standIn.approveDevice(userCode, account);
      const { code } = await terminal.exited;
      expect([code, terminal.screen()]).toEqual([0, expect.stringContaining("Approved")]);
    }
  });
}
