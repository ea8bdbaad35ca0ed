import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { expect, it } from "vitest";
import { startStandIn } from "../kit/standin/server.ts";
import { createHost } from "../kit/openclaw/host.ts";
import { openclawEntry } from "../kit/openclaw/layout.ts";
import { kimiVariables, readCredential } from "../kit/kimi/kimi-cli.ts";

/** Debian's browser; the flow is tested where it is installed. */
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

it.skipIf(!existsSync(CHROMIUM))(
  "connects in the Control UI: cancelled once, then approved in the browser, and answers",
  async () => {
    // The host's own dependency; this project has none on a browser.
    const { chromium } = createRequire(openclawEntry)(
      "playwright-core",
    ) as typeof import("playwright-core");
    await using standIn = await startStandIn();
    standIn.device.outcome = "manual";
    await using host = await createHost({ env: kimiVariables(standIn) });
    await host.updateConfig((config) => ({
      ...config,
      agents: {
        defaults: {
          workspace: path.join(host.stateDir, "workspace"),
          model: { primary: "kimi-code/kimi-for-coding" },
        },
      },
    }));
    await using gateway = await host.startGateway();
    const { auth } = (await host.config())["gateway"] as { auth: { token: string } };
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
    try {
      const page = await browser.newPage();
      page.setDefaultTimeout(60_000);
      const startSignIn = async (): Promise<void> => {
        await page.getByRole("button", { name: "Connect provider" }).first().click();
        await page.getByText(CHOICE).first().click();
        await page.getByRole("button", { name: CHOICE }).click();
        await page.getByText("Open sign-in").waitFor();
      };

      await page.goto(`${gateway.origin}/settings/model-providers?token=${auth.token}`);
      await startSignIn();
      expect(await page.innerText("body")).toContain("FAKE-0001");
      await page.getByRole("button", { name: "Cancel" }).click();
      await page.getByText("FAKE-0001").waitFor({ state: "detached" });
      standIn.approveDevice("FAKE-0001");

      await startSignIn();
      const opened = page.waitForEvent("popup");
      await page.getByText("Open sign-in").click();
      const approval = await opened;
      expect(approval.url()).toBe(`${standIn.origin}/code/authorize_device?user_code=FAKE-0002`);
      await approval.getByRole("button", { name: "Approve" }).click();
      await page.getByText("Provider credentials saved.").waitFor();

      // The first code was approved after it had been cancelled; nobody came for its tokens.
      const handedOut = standIn.tokenRequests("device_code").filter(({ status }) => status === 200);
      expect(handedOut.map(({ form }) => form?.["device_code"])).toEqual([
        "standin-device-code-0002",
      ]);
      const profile = host.readAuthProfiles()["kimi-code:default"];
      const slot = /^openclaw:([\w-]+)@/.exec(String(profile?.["authFlow"]))?.[1] ?? "";
      const home = path.join(host.stateDir, "kimi-code-oauth", "credentials", `${slot}.json`);
      expect((await readCredential(home)).access_token).toBe(profile?.access);
      expect(await gateway.agentTurn("ping")).toMatchObject({ ok: true, text: "pong" });
      expect(standIn.violations).toEqual([]);
      expect(standIn.tokenRequests("refresh_token")).toEqual([]);
    } finally {
      await browser.close();
    }
  },
  240_000,
);
