import os from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { REGIONS } from "../../src/protocol/endpoints.ts";
import {
  bindingOf,
  cliHomes,
  homeOfBinding,
  makeHome,
  ownerDir,
  slotFor,
} from "../../src/logins/homes.ts";
import type { HomeBinding } from "../../src/logins/homes.ts";

const USER = path.resolve("/home/someone");
const ENV = { HOME: USER };
const TS = path.join(USER, ".kimi-code");
const PYTHON = path.join(USER, ".kimi");
const GLOBAL_SLOT = "kimi-code-env-0e4f99c69cc27850";

describe("the homes of the Kimi CLIs", () => {
  it("are in the folder of the system's user where HOME names none", () => {
    for (const env of [{}, { HOME: "" }]) {
      expect(ownerDir("kimi-cli", env)).toBe(path.join(os.homedir(), ".kimi"));
      expect(ownerDir("kimi-code-cli", env)).toBe(path.join(os.homedir(), ".kimi-code"));
    }
  });

  it("are both regions of the Kimi Code CLI and the one slot of the Python CLI, each with its owner's lock", () => {
    expect(cliHomes(ENV)).toEqual([
      {
        kind: "kimi-code-cli",
        slot: "kimi-code",
        dir: TS,
        file: path.join(TS, "credentials", "kimi-code.json"),
        style: "kimi-code-cli",
        endpoints: REGIONS["mainland-cn"],
        lock: { kind: "directory", target: path.join(TS, "oauth", "kimi-code") },
      },
      {
        kind: "kimi-code-cli",
        slot: GLOBAL_SLOT,
        dir: TS,
        file: path.join(TS, "credentials", `${GLOBAL_SLOT}.json`),
        style: "kimi-code-cli",
        endpoints: REGIONS.global,
        lock: { kind: "directory", target: path.join(TS, "oauth", GLOBAL_SLOT) },
      },
      {
        kind: "kimi-cli",
        slot: "kimi-code",
        dir: PYTHON,
        file: path.join(PYTHON, "credentials", "kimi-code.json"),
        style: "kimi-cli",
        endpoints: REGIONS["mainland-cn"],
        lock: { kind: "flock", path: path.join(PYTHON, "credentials", "kimi-code.lock") },
      },
    ]);
  });

  it("begin with the slot that the environment's endpoints lead to; the Python CLI keeps its one slot", () => {
    const origin = "http://127.0.0.1:18765";
    const env = { ...ENV, KIMI_CODE_OAUTH_HOST: origin, KIMI_CODE_BASE_URL: `${origin}/coding/v1` };
    const homes = cliHomes(env);
    expect(homes.map((home) => home.slot)).toEqual([
      "kimi-code-env-43bdb7cf2153aa5d",
      "kimi-code",
      GLOBAL_SLOT,
      "kimi-code",
    ]);
    expect(homes.map((home) => home.endpoints.oauthHost)).toEqual([
      origin,
      REGIONS["mainland-cn"].oauthHost,
      REGIONS.global.oauthHost,
      origin,
    ]);
  });

  it("name a region's slot once, also when the environment asks for that region", () => {
    const env = {
      ...ENV,
      KIMI_CODE_OAUTH_HOST: "https://auth.kimi.ai",
      KIMI_CODE_BASE_URL: "https://api.kimi.ai/coding/v1",
    };
    const slots = cliHomes(env).map((home) => `${home.kind}:${home.slot}`);
    expect(slots).toEqual([
      `kimi-code-cli:${GLOBAL_SLOT}`,
      "kimi-code-cli:kimi-code",
      "kimi-cli:kimi-code",
    ]);
  });

  it.each([
    ["kimi-cli", { KIMI_SHARE_DIR: path.resolve("/srv/kimi") }, path.resolve("/srv/kimi")],
    ["kimi-cli", { KIMI_SHARE_DIR: "" }, PYTHON],
    ["kimi-cli", { KIMI_SHARE_DIR: " \t" }, PYTHON],
    ["kimi-cli", { KIMI_CODE_HOME: path.resolve("/srv/kimi") }, PYTHON],
    ["kimi-code-cli", { KIMI_CODE_HOME: path.resolve("/srv/kimi") }, path.resolve("/srv/kimi")],
    ["kimi-code-cli", { KIMI_CODE_HOME: "" }, TS],
    ["kimi-code-cli", { KIMI_SHARE_DIR: path.resolve("/srv/kimi") }, TS],
  ] as const)("are moved by their own variable only: %s with %j is in %s", (kind, env, dir) => {
    expect(ownerDir(kind, { ...ENV, ...env })).toBe(dir);
  });
});

describe("the slot of a login's endpoints", () => {
  const { oauthHost, apiBase } = REGIONS["mainland-cn"];

  it("is the usual one for kimi.com, with whatever blanks and slashes", () => {
    expect(slotFor({ oauthHost: ` ${oauthHost}// `, apiBase: `${apiBase}/` })).toBe("kimi-code");
  });

  it.each([
    ["another API", { oauthHost, apiBase: "https://api.example/v1" }],
    ["another issuer", { oauthHost: "https://auth.example", apiBase }],
  ])("is one of its own for kimi.com with %s", (_what, pair) => {
    expect(slotFor(pair)).toMatch(/^kimi-code-env-[0-9a-f]{16}$/u);
    expect(slotFor(pair)).not.toBe(slotFor({ ...REGIONS.global, ...pair, apiBase: "https://x" }));
  });
});

describe("a profile's home", () => {
  const issuer = "https://auth.kimi.com";
  const custom = {
    region: "custom",
    oauthHost: "http://127.0.0.1:1",
    apiBase: "http://127.0.0.1:1/coding/v1",
  } as const;

  it.each([
    ["the Python CLI's", makeHome("kimi-cli", PYTHON, "kimi-code", REGIONS["mainland-cn"])],
    ["the Kimi Code CLI's", makeHome("kimi-code-cli", TS, "kimi-code", REGIONS["mainland-cn"])],
    [
      "the Kimi Code CLI's of the other region",
      makeHome("kimi-code-cli", TS, GLOBAL_SLOT, REGIONS.global),
    ],
    [
      "the Kimi Code CLI's in a folder elsewhere",
      makeHome("kimi-code-cli", path.resolve("/srv/a@b"), slotFor(custom), custom),
    ],
    [
      "OpenClaw's own",
      makeHome("openclaw", path.resolve("/srv/openclaw"), "kimi-code", REGIONS.global),
    ],
    [
      "OpenClaw's own in a folder with an odd name",
      makeHome("openclaw", path.resolve("/srv/a folder\nof mine"), "kimi-code", REGIONS.global),
    ],
  ])("is found again by what the profile stores: %s", (_whose, home) => {
    expect(homeOfBinding(bindingOf(home), ENV)).toEqual(home);
    // Of a region the issuer says enough, also when the region's API moves.
    expect(bindingOf(home).enterpriseUrl).toBe(
      home.endpoints.region === "custom" ? home.endpoints.apiBase : undefined,
    );
  });

  it.each([
    ["kimi-cli", PYTHON],
    ["kimi-code-cli", TS],
  ])("of the %s is in its usual folder where an early profile names none", (kind, dir) => {
    const home = homeOfBinding({ authFlow: `${kind}:kimi-code`, issuer }, ENV);
    expect(home).toMatchObject({ kind, dir, slot: "kimi-code" });
  });

  it.each<[string, HomeBinding, string]>([
    ["nothing", {}, "login_missing"],
    ["no owner", { authFlow: "kimi-code", issuer }, "login_missing"],
    ["an unknown owner", { authFlow: "someone:kimi-code", issuer }, "login_missing"],
    [
      "a slot that climbs out of its folder",
      { authFlow: "kimi-cli:../../etc/passwd", issuer },
      "login_missing",
    ],
    [
      "a slot that goes on outside of its folder",
      { authFlow: "kimi-cli:kimi-code/../../passwd", issuer },
      "login_missing",
    ],
    [
      "an owner with more before it",
      { authFlow: "not-kimi-cli:kimi-code", issuer },
      "login_missing",
    ],
    ["a slot with a leading dot", { authFlow: "kimi-cli:.kimi-code", issuer }, "login_missing"],
    [
      "a folder that is not absolute",
      { authFlow: "kimi-cli:kimi-code@.kimi", issuer },
      "login_missing",
    ],
    [
      "the .com login's slot with another issuer",
      { authFlow: "kimi-code-cli:kimi-code", issuer: "https://auth.kimi.ai" },
      "login_missing",
    ],
    ["OpenClaw without its folder", { authFlow: "openclaw:kimi-code", issuer }, "login_missing"],
    [
      "an issuer that is no region, without its API",
      { authFlow: "kimi-cli:kimi-code", issuer: "https://auth.evil.example" },
      "login_missing",
    ],
    ["no issuer", { authFlow: "kimi-cli:kimi-code" }, "endpoint_invalid"],
    [
      "an issuer without https",
      { authFlow: "kimi-cli:kimi-code", issuer: "http://auth.kimi.com" },
      "endpoint_invalid",
    ],
    [
      "an API without https",
      { authFlow: "kimi-cli:kimi-code", issuer, enterpriseUrl: "http://api.kimi.com/coding/v1" },
      "endpoint_invalid",
    ],
  ])("is not guessed when the profile stores %s", (_what, binding, code) => {
    expect(() => homeOfBinding(binding, ENV)).toThrow(
      expect.objectContaining({
        code,
        message: expect.stringMatching(
          code === "endpoint_invalid" ? /the profile/u : /This profile/u,
        ),
      }),
    );
  });
});
