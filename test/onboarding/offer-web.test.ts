import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { offerWeb } from "../../src/onboarding/offer-web.ts";
import { type Surface, surface } from "../kit/device-context.ts";

const QUESTION = "Let agents search the web";
const OWN = { provider: "kimi-code-oauth" };

/** A config with these settings of OpenClaw's web tools. */
const withWeb = (web: object) => ({ tools: { web } }) as Surface["config"] & object;

describe("the question about web search", () => {
  let root: string;
  let agentDir: string;

  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), "kimi-offer-"));
    agentDir = path.join(root, "state", "agents", "main", "agent");
    vi.stubEnv("OPENCLAW_STATE_DIR", path.join(root, "state"));
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(root, { recursive: true, force: true });
  });

  /** Signs in with `models auth login` in a terminal, but for what `how` and `more` say. */
  async function offered(answer: boolean, how: Surface = {}, more: object = {}) {
    const { ctx, seen } = surface({ agentDir, answers: { [QUESTION]: answer }, ...how });
    const result = await offerWeb({ ...ctx, allowSecretRefPrompt: false, ...more });
    return { result, asked: seen.events.some((event) => event.startsWith("ask: ")) };
  }

  it("turns both tools on after a yes, and says how to end that", async () => {
    const { result } = await offered(true);
    expect(result.configPatch).toEqual({ tools: { web: { search: OWN, fetch: OWN } } });
    expect(result.notes?.join()).toContain("openclaw config unset tools.web.search.provider");
  });

  it("leaves another provider of pages alone", async () => {
    const { result } = await offered(true, { config: withWeb({ fetch: { provider: "other" } }) });
    expect(result.configPatch).toEqual({ tools: { web: { search: OWN } } });
  });

  it("changes nothing after a no, and is not put a second time", async () => {
    expect(await offered(false)).toEqual({ result: {}, asked: true });
    expect(await offered(true)).toEqual({ result: {}, asked: false });
  });

  it("takes a canceled question for a no, and puts it again at the next sign-in", async () => {
    expect(await offered(true, { answers: {} })).toEqual({ result: {}, asked: true });
    expect((await offered(true)).asked).toBe(true);
  });

  it("is not put where OpenClaw could not save a yes", async () => {
    vi.stubEnv("OPENCLAW_CONFIG_READONLY", "1");
    expect(await offered(true)).toEqual({ result: {}, asked: false });
    vi.stubEnv("OPENCLAW_CONFIG_READONLY", "0");
    expect((await offered(true)).asked).toBe(true);
  });

  it.each<[string, Surface, object]>([
    ["a search provider is set", { config: withWeb({ search: { provider: "brave" } }) }, {}],
    ["web search is switched off", { config: withWeb({ search: { enabled: false } }) }, {}],
    ["the host only connects an account, as the Control UI does", { credentialOnly: true }, {}],
    ["the account is a person's own", { agentDir: undefined }, {}],
    ["the host sets up OpenClaw, and asks itself", {}, { allowSecretRefPrompt: true }],
    ["the host does not say who asks", {}, { allowSecretRefPrompt: undefined }],
    ["the sign-in was started with options of the setup", {}, { opts: {} }],
  ])("is not put when %s", async (_what, how, more) => {
    expect(await offered(true, how, more)).toEqual({ result: {}, asked: false });
    // Nothing is remembered of a question that was not put.
    expect(await readdir(root)).toEqual([]);
  });
});
