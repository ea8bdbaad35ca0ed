import { describe, expect, it } from "vitest";
import {
  checkEndpoint,
  endpointsFromEnv,
  endpointsOf,
  REGIONS,
  regionLabel,
  tokenEndpointOf,
} from "../../src/protocol/endpoints.ts";
import { slotFor } from "../../src/logins/homes.ts";
import type { Env } from "../../src/protocol/endpoints.ts";

const AUTH_COM = "https://auth.kimi.com";
const AUTH_AI = "https://auth.kimi.ai";
const API_COM = "https://api.kimi.com/coding/v1";
const API_AI = "https://api.kimi.ai/coding/v1";

describe("a slot", () => {
  it.each([
    [AUTH_COM, API_COM, "kimi-code"],
    [AUTH_AI, API_AI, "kimi-code-env-0e4f99c69cc27850"],
    [AUTH_COM, API_AI, "kimi-code-env-d44abaad1d85681f"],
    [
      "http://127.0.0.1:18765",
      "http://127.0.0.1:18765/coding/v1",
      "kimi-code-env-43bdb7cf2153aa5d",
    ],
    [
      "http://127.0.0.1:18766",
      "http://127.0.0.1:18766/coding/v1",
      "kimi-code-env-0c0a306150f2370a",
    ],
  ])("of %s with %s is %s, as the Kimi Code CLI calls it", (oauthHost, apiBase, slot) => {
    expect(slotFor({ oauthHost, apiBase })).toBe(slot);
  });

  it.each([
    ["trailing slashes", `${AUTH_AI}//`, `${API_AI}///`],
    ["white space around the OAuth host", ` ${AUTH_AI}/ \n`, API_AI],
  ])("does not depend on %s", (_what, oauthHost, apiBase) => {
    expect(slotFor({ oauthHost, apiBase })).toBe("kimi-code-env-0e4f99c69cc27850");
  });

  it.each([
    ["letter case", "https://AUTH.kimi.com", API_COM],
    ["a port that is the default one", "https://auth.kimi.com:443", API_COM],
    ["white space around the API base", AUTH_COM, ` ${API_COM}`],
    ["plain http", "http://auth.kimi.com", API_COM],
  ])("depends on %s, because the CLI compares texts", (_what, oauthHost, apiBase) => {
    expect(slotFor({ oauthHost, apiBase })).toMatch(/^kimi-code-env-[0-9a-f]{16}$/u);
  });
});

describe("endpoints", () => {
  it.each([
    [AUTH_COM, API_COM, "mainland-cn", "kimi.com"],
    [AUTH_AI, API_AI, "global", "kimi.ai"],
    [AUTH_COM, API_AI, "custom", "auth.kimi.com"],
    [AUTH_AI, API_COM, "custom", "auth.kimi.ai"],
    ["https://auth.kimi.com.evil.example", API_COM, "custom", "auth.kimi.com.evil.example"],
    // The last letter of this name is Cyrillic.
    ["https://auth.kim\u0456.com", API_COM, "custom", "auth.xn--kim-lhd.com"],
    ["http://127.0.0.1:8080", "http://127.0.0.1:8080/coding/v1", "custom", "127.0.0.1:8080"],
  ])("%s with %s is region %s and called %s", (oauthHost, apiBase, region, label) => {
    const endpoints = endpointsOf(oauthHost, apiBase);
    expect(endpoints).toEqual({ region, oauthHost, apiBase });
    expect(regionLabel(endpoints)).toBe(label);
  });

  it("has its token endpoint under the OAuth host", () => {
    expect(tokenEndpointOf(REGIONS.global)).toBe("https://auth.kimi.ai/api/oauth/token");
  });
});

describe("an address", () => {
  it.each([
    ["https://auth.kimi.com", "https://auth.kimi.com"],
    ["https://auth.kimi.com///", "https://auth.kimi.com"],
    ["  https://auth.kimi.ai/ ", "https://auth.kimi.ai"],
    ["https://proxy.example:8443/kimi/", "https://proxy.example:8443/kimi"],
    ["http://127.0.0.1:18765", "http://127.0.0.1:18765"],
    ["http://127.8.9.10", "http://127.8.9.10"],
    ["http://localhost:1/", "http://localhost:1"],
    ["http://LOCALHOST:1", "http://LOCALHOST:1"],
    ["http://[::1]:1", "http://[::1]:1"],
  ])("%j is used as %j", (value, used) => {
    expect(checkEndpoint(value, "a test")).toBe(used);
  });

  it.each([
    ["", "is empty"],
    ["   ", "is empty"],
    ["auth.kimi.com", "is not a valid URL"],
    ["https://", "is not a valid URL"],
    ["https://auth.kimi.com:99999", "is not a valid URL"],
    ["http://auth.kimi.com", "does not use https"],
    ["http://localhost.evil.example", "does not use https"],
    ["http://127.0.0.1.evil.example", "does not use https"],
    ["http://evil.example/127.0.0.1", "does not use https"],
    ["http://0.0.0.0", "does not use https"],
    ["http://10.0.0.1", "does not use https"],
    ["http://[::2]", "does not use https"],
    ["ftp://auth.kimi.com", "does not use https"],
    ["file:///etc/passwd", "does not use https"],
    ["javascript:alert(1)", "does not use https"],
    ["https://auth.kimi.com@evil.example", "contains a user name or password"],
    ["https://someone:hush@auth.kimi.com", "contains a user name or password"],
    ["http://someone@127.0.0.1", "contains a user name or password"],
    ["https://auth.kimi.com?x=1", "contains a query or a fragment"],
    ["https://auth.kimi.com/?", "contains a query or a fragment"],
    ["https://auth.kimi.com#x", "contains a query or a fragment"],
    ["https://auth.kimi.com#", "contains a query or a fragment"],
  ])("%j is refused, because it %s", (value, why) => {
    const check = (): string => checkEndpoint(value, "KIMI_CODE_OAUTH_HOST");
    expect(check).toThrow(expect.objectContaining({ code: "endpoint_invalid", transient: false }));
    expect(check).toThrow(`The Kimi address in KIMI_CODE_OAUTH_HOST ${why}.`);
  });

  it("is not repeated in the message, for it may hold a password", () => {
    expect(() => checkEndpoint("https://someone:hush@auth.kimi.com", "a test")).toThrow(
      /^(?!.*hush).*$/u,
    );
  });
});

describe("the environment", () => {
  const HOST = "https://a.example";
  const OLD = "https://b.example";
  const BASE = "https://c.example/v1";

  it.each<[string, Env, string | undefined, string | undefined]>([
    ["nothing", {}, undefined, undefined],
    ["an empty base only", { KIMI_CODE_BASE_URL: "" }, undefined, undefined],
    ["the new host variable", { KIMI_CODE_OAUTH_HOST: HOST }, HOST, API_COM],
    ["the old host variable", { KIMI_OAUTH_HOST: OLD }, OLD, API_COM],
    ["both host variables", { KIMI_CODE_OAUTH_HOST: HOST, KIMI_OAUTH_HOST: OLD }, HOST, API_COM],
    ["a base only", { KIMI_CODE_BASE_URL: BASE }, AUTH_COM, BASE],
    [
      "both, with slashes",
      { KIMI_CODE_OAUTH_HOST: `${HOST}/`, KIMI_CODE_BASE_URL: `${BASE}//` },
      HOST,
      BASE,
    ],
  ])("that names %s leads to those endpoints", (_what, env, oauthHost, apiBase) => {
    const wanted = oauthHost === undefined ? undefined : { region: "custom", oauthHost, apiBase };
    expect(endpointsFromEnv(env)).toEqual(wanted);
  });

  it("that names a region's endpoints leads to that region", () => {
    const env = { KIMI_CODE_OAUTH_HOST: `${AUTH_AI}/`, KIMI_CODE_BASE_URL: API_AI };
    expect(endpointsFromEnv(env)).toEqual(REGIONS.global);
  });

  it.each(["", " ", "\n"])("takes an empty variable (%j) for one that is not set", (empty) => {
    const variables = {
      KIMI_CODE_OAUTH_HOST: empty,
      KIMI_OAUTH_HOST: empty,
      KIMI_CODE_BASE_URL: empty,
    };
    expect(endpointsFromEnv(variables)).toBeUndefined();
    expect(endpointsFromEnv({ ...variables, KIMI_OAUTH_HOST: OLD })?.oauthHost).toBe(OLD);
  });

  it.each<[string, Env]>([
    ["KIMI_CODE_OAUTH_HOST", { KIMI_CODE_OAUTH_HOST: "http://a.example" }],
    ["KIMI_OAUTH_HOST", { KIMI_OAUTH_HOST: "http://a.example" }],
    ["KIMI_OAUTH_HOST", { KIMI_CODE_OAUTH_HOST: "", KIMI_OAUTH_HOST: "http://a.example" }],
    ["KIMI_CODE_BASE_URL", { KIMI_CODE_BASE_URL: "http://a.example" }],
  ])("with an address that cannot be used is refused, naming %s (%j)", (variable, env) => {
    expect(() => endpointsFromEnv(env)).toThrow(
      `The Kimi address in ${variable} does not use https.`,
    );
  });
});
