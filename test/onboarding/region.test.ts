import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { upsertAuthProfile } from "openclaw/plugin-sdk/provider-auth";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { vi } from "vitest";
import { chooseEndpoints } from "../../src/onboarding/region.ts";
import type { Endpoints } from "../../src/protocol/endpoints.ts";
import { REGIONS } from "../../src/protocol/endpoints.ts";
import { failureOf } from "../kit/logins.ts";
import { type Surface, surface } from "../kit/device-context.ts";

const configured = (region: unknown) =>
  ({ plugins: { entries: { "kimi-code-oauth": { config: { region } } } } }) as Surface["config"] &
    object;

describe("the region of a new login", () => {
  let root: string;
  let agentDir: string;

  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), "kimi-region-"));
    agentDir = path.join(root, "state", "agents", "main", "agent");
    vi.stubEnv("OPENCLAW_STATE_DIR", path.join(root, "state"));
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(root, { recursive: true, force: true });
  });

  async function choose(how: Surface, env: Record<string, string> = {}) {
    const { ctx, seen } = surface({ agentDir, ...how });
    return { endpoints: await chooseEndpoints(ctx, { HOME: root, ...env }), seen };
  }

  async function mark(text: string, folder = path.join(root, ".kimi-code")): Promise<void> {
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, "region"), text);
  }

  it.each(["mainland-cn", "global"] as const)(
    "is asked for when nothing decides: %s",
    async (region) => {
      const { endpoints, seen } = await choose({
        answers: { "Where is your Kimi account?": region },
      });
      expect(endpoints).toEqual(REGIONS[region]);
      expect(seen.events).toEqual(["ask: Where is your Kimi account?"]);
    },
  );

  it.each<[string, Record<string, string>, Endpoints]>([
    [
      "both endpoints",
      { KIMI_CODE_OAUTH_HOST: "http://127.0.0.1:1", KIMI_CODE_BASE_URL: "http://127.0.0.1:1/v1" },
      { region: "custom", oauthHost: "http://127.0.0.1:1", apiBase: "http://127.0.0.1:1/v1" },
    ],
    [
      "the issuer of a region alone",
      { KIMI_CODE_OAUTH_HOST: "https://auth.kimi.ai/" },
      REGIONS.global,
    ],
    [
      "the older name of that variable",
      { KIMI_OAUTH_HOST: "https://auth.kimi.ai" },
      REGIONS.global,
    ],
    [
      "the API of a region alone",
      { KIMI_CODE_BASE_URL: "https://api.kimi.ai/coding/v1" },
      REGIONS.global,
    ],
    [
      "another API alone",
      { KIMI_CODE_BASE_URL: "https://kimi.proxy.example/v1" },
      {
        region: "custom",
        oauthHost: "https://auth.kimi.com",
        apiBase: "https://kimi.proxy.example/v1",
      },
    ],
  ])("follows %s in the environment before all else", async (_what, env, wanted) => {
    await mark("mainland-cn");
    const { endpoints, seen } = await choose({ config: configured("mainland-cn") }, env);
    expect(endpoints).toEqual(wanted);
    expect(seen.events).toEqual([]);
  });

  it("is refused from an address that cannot be used", async () => {
    const error = await failureOf(choose({}, { KIMI_CODE_OAUTH_HOST: "http://auth.kimi.com" }));
    expect(error.code).toBe("endpoint_invalid");
  });

  it("follows the plugin's configuration before the Kimi Code CLI's marker", async () => {
    await mark("mainland-cn");
    expect((await choose({ config: configured("global") })).endpoints).toEqual(REGIONS.global);
  });

  it("follows the Kimi Code CLI's marker, in the folder that the CLI uses", async () => {
    await mark("global\n");
    expect((await choose({})).endpoints).toEqual(REGIONS.global);
    const moved = path.join(root, "moved");
    await mark("mainland-cn", moved);
    expect((await choose({}, { KIMI_CODE_HOME: moved })).endpoints).toEqual(REGIONS["mainland-cn"]);
  });

  it.each([
    ["a marker of another word", "GLOBAL", {}],
    ["a marker that is switched off", "global", { KIMI_CODE_REGION_MARKER: "off" }],
  ])("is asked for after %s", async (_what, text, env) => {
    await mark(text);
    const { seen } = await choose({ answers: { Kimi: "global" } }, env);
    expect(seen.events).toHaveLength(1);
  });

  it("is asked for when the configuration holds no region", async () => {
    const { seen } = await choose({ config: configured("mars"), answers: { Kimi: "global" } });
    expect(seen.events).toHaveLength(1);
  });

  it("is not taken from this machine's files for a person's own account", async () => {
    await mark("mainland-cn");
    const { endpoints } = await choose({ agentDir: undefined, answers: { Kimi: "global" } });
    expect(endpoints).toEqual(REGIONS.global);
  });

  describe("in a private chat, where nobody can be asked", () => {
    const chat = { credentialOnly: true } as const;

    it("is kimi.com, as in the Kimi Code CLI", async () => {
      const { endpoints, seen } = await choose(chat);
      expect(endpoints).toEqual(REGIONS["mainland-cn"]);
      expect(seen.events).toEqual([]);
    });

    it("is that of the profiles that are there", async () => {
      upsertAuthProfile({
        agentDir,
        profileId: "kimi-code:default",
        credential: {
          type: "oauth",
          provider: "kimi-code",
          access: "access",
          refresh: "refresh",
          expires: Date.now() + 900_000,
          issuer: REGIONS.global.oauthHost,
        },
      });
      expect((await choose(chat)).endpoints).toEqual(REGIONS.global);
    });
  });
});
