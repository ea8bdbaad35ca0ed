/** Whom tokens are sent to: the environment, profiles, redirects and host names as an attacker would have them. */
import os from "node:os";
import { afterEach, describe, expect, it, vi } from "vitest";
import { bindingOf, cliHomes, homeOfBinding, makeHome, slotFor } from "../../src/logins/homes.ts";
import { Login } from "../../src/logins/login.ts";
import { type Env, REGIONS } from "../../src/protocol/endpoints.ts";
import { identityHeaders } from "../../src/protocol/identity.ts";
import { checkVerificationLink } from "../../src/protocol/verification-link.ts";
import { failureOf, KINDS, LIFETIME_MS, removeScratch, signedIn, testDeps } from "../kit/logins.ts";
import { startStandIn } from "../kit/standin/server.ts";

const HOME = "/home/someone";

afterEach(async () => {
  vi.restoreAllMocks();
  await removeScratch();
});

describe("hostile KIMI_ variables", () => {
  it.each<[string, Env]>([
    ["user info", { KIMI_CODE_OAUTH_HOST: "https://auth.kimi.com@evil.example" }],
    ["a password", { KIMI_OAUTH_HOST: "https://a:hush@auth.kimi.com" }],
    ["plain http to another machine", { KIMI_CODE_BASE_URL: "http://api.kimi.com/coding/v1" }],
    [
      "plain http to a name that begins like loopback",
      { KIMI_CODE_OAUTH_HOST: "http://127.0.0.1.evil.example" },
    ],
    ["plain http to a number that is not loopback", { KIMI_CODE_OAUTH_HOST: "http://167772161" }],
    ["a scheme of its own", { KIMI_CODE_OAUTH_HOST: "data:text/html,x" }],
    ["a query that swallows the path", { KIMI_CODE_OAUTH_HOST: "https://evil.example/?" }],
    ["a fragment that swallows the path", { KIMI_CODE_OAUTH_HOST: "https://evil.example/#" }],
  ])("with %s are refused, and not repeated", (_what, env) => {
    expect(() => cliHomes({ ...env, HOME })).toThrow(
      expect.objectContaining({ code: "endpoint_invalid" }),
    );
    expect(() => cliHomes({ ...env, HOME })).toThrow(/^(?!.*(?:hush|evil)).*$/u);
  });

  it("that name a look-alike host lead to another slot, so that no login of Kimi's own hosts is sent there", () => {
    const env = { KIMI_CODE_OAUTH_HOST: "https://auth.kimi.com.evil.example", HOME };
    const [first] = cliHomes(env);
    expect(first).toMatchObject({ kind: "kimi-code-cli", endpoints: { region: "custom" } });
    expect(first?.slot).not.toBe(slotFor(REGIONS["mainland-cn"]));
    expect(first?.slot).not.toBe(slotFor(REGIONS.global));
  });

  it("that appear after the sign-in change nothing for a profile", () => {
    for (const kind of KINDS) {
      const home = makeHome(kind, "/data/kimi", "kimi-code", REGIONS["mainland-cn"]);
      const binding = bindingOf(home);
      const hostile = {
        HOME,
        KIMI_CODE_OAUTH_HOST: "https://evil.example",
        KIMI_OAUTH_HOST: "https://evil.example",
        KIMI_CODE_BASE_URL: "https://evil.example/v1",
        KIMI_CODE_HOME: "/evil",
        KIMI_SHARE_DIR: "/evil",
      };
      expect(homeOfBinding(binding, hostile)).toEqual(home);
    }
  });
});

describe("a profile that was tampered with", () => {
  const HONEST = { authFlow: "kimi-code-cli:kimi-code", issuer: "https://auth.kimi.com" };

  it.each([
    ["a look-alike issuer", { issuer: "https://auth.kimi.com.evil.example" }],
    ["an issuer that differs in one letter", { issuer: "https://auth.k\u0456mi.com" }],
    ["an issuer with user info", { issuer: "https://auth.kimi.com@evil.example" }],
    ["no issuer", { issuer: undefined }],
    ["a slot that leaves its folder", { authFlow: "kimi-code-cli:../../etc/passwd" }],
    ["a slot that begins with dots", { authFlow: "kimi-code-cli:..@/tmp" }],
    ["a slot with a line break", { authFlow: "kimi-code-cli:kimi-code\n" }],
    ["a folder that is not absolute", { authFlow: "kimi-code-cli:kimi-code@../evil" }],
    ["an owner that there is not", { authFlow: "__proto__:kimi-code" }],
    ["an API base by plain http", { enterpriseUrl: "http://evil.example/v1" }],
  ])("with %s leads nowhere", (_what, change) => {
    expect(() => homeOfBinding({ ...HONEST, ...change }, { HOME })).toThrow(
      expect.objectContaining({
        code: expect.stringMatching(/^(login_missing|endpoint_invalid)$/u) as string,
      }),
    );
  });
});

describe("a redirect", () => {
  it.each([301, 302, 303, 307, 308] as const)("%i never takes the token along", async (status) => {
    await using standIn = await startStandIn();
    await using thief = await startStandIn();
    const { home } = await signedIn(standIn, "kimi-code-cli", { ageMs: LIFETIME_MS });
    standIn.failAlways("token", {
      kind: "redirect",
      status,
      location: `${thief.origin}/api/oauth/token`,
    });
    const error = await failureOf(new Login(home, testDeps(Date.now)).access());
    expect(error).toMatchObject({
      code: "refused",
      message: expect.not.stringContaining(thief.origin),
    });
    expect(thief.requests).toEqual([]);
  });
});

describe("the link of a sign-in", () => {
  it.each([
    "https://www.kimi.com.evil.example/code/authorize_device",
    "https://www.kimi.com@evil.example/",
    "https://evil.example/#https://www.kimi.com",
    "http://www.kimi.com/code/authorize_device",
    "https://www.kimi.com:444/code/authorize_device",
    "https://www.kimi.ai/code/authorize_device",
    "https://www.k\u0456mi.com/",
    "javascript:alert(1)",
    "//www.kimi.com/",
  ])("%j is not shown", (link) => {
    expect(checkVerificationLink(link, REGIONS["mainland-cn"])).toBeUndefined();
  });

  it("is shown without the control characters that a terminal would obey", () => {
    const link = checkVerificationLink(
      "https://www.kimi.com/\u001B]8;;x\u0007code?user_code=A\nB",
      REGIONS["mainland-cn"],
    );
    expect(link).toMatch(/^[\x21-\x7e]+$/u);
  });
});

describe("a machine's name", () => {
  it.each(["evil\r\nX-Injected: yes", "tab\tname", "\u0000", "m\u00fcller-\u{1F511}", "   "])(
    "%j becomes a header value that ends where it should",
    (name) => {
      vi.spyOn(os, "hostname").mockReturnValue(name);
      vi.spyOn(os, "release").mockReturnValue(name);
      const headers = identityHeaders(name);
      for (const value of Object.values(headers)) {
        expect(value).toMatch(/^[\x20-\x7e]+$/u);
      }
      expect(() => new Headers(headers)).not.toThrow();
    },
  );
});
