import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { AgentRuns } from "../kit/openclaw/agent-run.ts";
import { registeredWebProviders } from "../kit/openclaw/provider.ts";
import { resolveAs, resolveForReal, webFetch } from "../kit/openclaw/web-tools.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";
import { startOver } from "../kit/start-over.ts";

const PAGE = "https://page.example/a?b=c";

let standIn: StandIn;
let runs: AgentRuns;

beforeAll(async () => {
  runs = await AgentRuns.create();
});

beforeEach(async () => {
  standIn = await startStandIn();
  await startOver(runs, standIn);
  resolveAs({
    "page.example": ["93.184.216.34", "2606:4700::1111"],
    "inside.example": ["10.0.0.5"],
    "mixed.example": ["93.184.216.34", "::1"],
    "metadata.example": ["169.254.169.254"],
    "mapped.example": ["::ffff:10.0.0.5"],
    "fake.example": ["198.18.0.7"],
    "fake6.example": ["fd00::7"],
  });
});

afterEach(async () => {
  resolveForReal();
  await standIn.close();
});

afterAll(async () => {
  await runs[Symbol.asyncDispose]();
});

describe("a page", () => {
  it("is fetched by a provider that needs no key", () => {
    const { fetch } = registeredWebProviders();
    expect(fetch).toMatchObject({ id: "kimi-code-oauth", requiresCredential: false, envVars: [] });
    expect(fetch.getCredentialValue({ apiKey: "sk" })).toBeUndefined();
  });

  it("comes as text with its title; the address alone is sent, without its fragment", async () => {
    const page = await webFetch(`${PAGE}#private-part`);
    expect(page).toMatchObject({
      url: PAGE,
      finalUrl: PAGE,
      status: 200,
      title: "Stand-in page",
      text: expect.stringContaining(`Text of ${PAGE}`),
      extractor: "kimi-code-oauth",
      truncated: false,
    });
    expect(page).not.toHaveProperty("warning");
    const request = standIn.requests.find(({ route }) => route === "fetch");
    expect(request?.json).toEqual({ url: PAGE });
    expect(request?.headers).toMatchObject({
      accept: "text/markdown",
      "x-msh-platform": "kimi_code_oauth",
    });
    expect(standIn.violations).toEqual([]);
  });

  it.each([
    ["more characters than are taken over", "x".repeat(1_500_000)],
    ["more bytes than are read", "字".repeat(1_700_000)],
  ])("that is too long is cut, and says where: %s", async (_what, text) => {
    standIn.web.page = () => text;
    const page = await webFetch(PAGE);
    const length = String(page["text"]).length;
    expect(length).toBeLessThanOrEqual(1_000_000);
    expect(length).toBeGreaterThan(600_000);
    expect(page).toMatchObject({
      truncated: true,
      warning: expect.stringContaining(`cut after ${String(length)} characters`),
    });
  });

  it.each([[""], [" \n\t "]])("without text is told apart: %j", async (text) => {
    standIn.web.page = () => text;
    await expect(webFetch(PAGE)).rejects.toThrow("found no text on this page");
  });

  it("that Kimi considers unsafe is told apart", async () => {
    standIn.failNext("fetch", {
      kind: "status",
      status: 403,
      body: { error: { type: "security_risk", message: "no" } },
    });
    await expect(webFetch(PAGE)).rejects.toThrow("considers it unsafe");
  });

  it("whose address is not text is refused", async () => {
    const tool = registeredWebProviders().fetch.createTool({});
    await expect(tool?.execute({})).rejects.toThrow("http or https");
  });
});

describe("a page that is none of Kimi's business", () => {
  it.each([
    "http://127.0.0.1/",
    "http://127.1/",
    "http://0x7f.1/",
    "http://2130706433/",
    "http://017700000001/",
    "http://127.0.0.1./",
    "http://①②⑦.0.0.1/",
    "http://0.0.0.0/",
    "http://10.0.0.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://172.16.0.1/",
    "http://192.0.2.1/",
    "http://192.168.1.1:8080/admin",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://[::]/",
    "http://[::1]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[0:0:0:0:0:ffff:0a00:0001]/",
    "http://[::ffff:0:7f00:1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b::169.254.169.254]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://[2001:0:7f00:1::1]/",
    "http://[2001:db8::1]/",
    "http://[2002:7f00:1::]/",
    "http://[fc00::1]/",
    "http://[fd12:3456::1]/",
    "http://[fe80::1]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://a.localhost/",
    "http://printer.local/",
    "http://db.internal/",
    "http://metadata.google.internal/",
    "http://inside.example/",
    "http://INSIDE.example/",
    "http://mixed.example/",
    "http://metadata.example/",
    "http://mapped.example/",
    "http://fake.example/",
    "http://fake6.example/",
  ])("is not sent: %s", async (url) => {
    await expect(webFetch(url)).rejects.toThrow("private or local network");
    expect(standIn.requests).toEqual([]);
  });

  it.each([
    ["no address", "page"],
    ["a zone", "http://[fe80::1%25eth0]/"],
    ["a zone, as a browser takes none", "http://[fe80::1%eth0]/"],
    ["a file", "file:///etc/passwd"],
    ["FTP", "ftp://page.example/"],
    ["a script", "javascript:alert(1)"],
    ["data", "data:text/html,hi"],
  ])("is not sent: %s", async (_what, url) => {
    await expect(webFetch(url)).rejects.toThrow("http or https");
    expect(standIn.requests).toEqual([]);
  });

  it.each(["https://user:secret@page.example/", "https://user@page.example/"])(
    "is not sent with a password, which is not repeated either: %s",
    async (url) => {
      await expect(webFetch(url)).rejects.toThrow(
        /^The address holds a user name or password, so it was not sent to Kimi\. Try again/,
      );
      expect(standIn.requests).toEqual([]);
    },
  );

  it("is not sent when its name cannot be resolved here", async () => {
    await expect(webFetch("https://nowhere.example/")).rejects.toThrow(
      "nowhere.example could not be resolved here",
    );
    await expect(webFetch("https://router/")).rejects.toThrow("could not be resolved here");
    expect(standIn.requests).toEqual([]);
  });

  it.each([
    ["private networks are open to the host's own fetch", { dangerouslyAllowPrivateNetwork: true }],
    ["private networks are open by the older name", { allowPrivateNetwork: true }],
    ["its name is open to the host's own fetch", { allowedHostnames: ["inside.example"] }],
    ["its name is listed", { hostnameAllowlist: ["inside.example"] }],
  ])("is not sent even if %s", async (_what, ssrfPolicy) => {
    await expect(webFetch("http://inside.example/", { ssrfPolicy })).rejects.toThrow("private");
    expect(standIn.requests).toEqual([]);
  });

  it("is not sent when the user has blocked its name", async () => {
    const ssrfPolicy = { blockedHostnames: ["*.example"] };
    await expect(webFetch(PAGE, { ssrfPolicy })).rejects.toThrow("private or local network");
    expect(standIn.requests).toEqual([]);
  });

  it.each([
    ["http://fake.example/", { allowRfc2544BenchmarkRange: true }],
    ["http://fake6.example/", { allowIpv6UniqueLocalRange: true }],
  ])("is public behind a proxy with fake addresses: %s", async (url, ssrfPolicy) => {
    expect(await webFetch(url, { ssrfPolicy })).toMatchObject({ status: 200 });
  });

  it("is known by public addresses of every form", async () => {
    for (const url of [
      "http://8.8.8.8/",
      "http://[2606:4700::1111]/",
      "http://[64:ff9b::808:808]/",
    ]) {
      expect(await webFetch(url)).toMatchObject({ url, status: 200 });
    }
  });
});
