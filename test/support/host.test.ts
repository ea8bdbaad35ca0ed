import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { createHost } from "./host.ts";

test("a copy of the installed host loads the plugin from its own folder", { timeout: 300_000 }, async () => {
  const host = await createHost();
  {
    await using ended = host;
    const inspected = await ended.run(["plugins", "inspect", "kimi-code-oauth", "--runtime", "--json"]);
    const { plugin } = JSON.parse(inspected.stdout) as { plugin: { status: string; source: string; providerIds: string[] } };

    expect(plugin).toMatchObject({ status: "loaded", providerIds: ["kimi-code"] });
    expect(plugin.source).toContain(host.root);
  }
  expect(existsSync(host.root)).toBe(false);
});
