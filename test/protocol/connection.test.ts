/** Proxies between this plugin and Kimi: which one counts, what goes through it, and what is said of it. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import net, { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import os, { tmpdir } from "node:os";
import path from "node:path";
import * as undici from "undici";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { routeTo } from "../../src/protocol/connection.ts";
import { isKimiError } from "../../src/protocol/errors.ts";
import { exchange } from "../../src/protocol/http.ts";
import { setProxyMode } from "../../src/protocol/proxy-mode.ts";
import { everythingIn } from "../kit/logins.ts";
import { type StandIn, startStandIn } from "../kit/standin/server.ts";

const VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"].flatMap((name) => [
  name,
  name.toLowerCase(),
]);
const KIMI = new URL("https://auth.kimi.com/api/oauth/token");

let standIn: StandIn;
/** Where the proxies lead: to the stand-in, unless a test has another server. */
let upstreamPort: number;
const servers: (Server | HttpServer)[] = [];
const sockets = new Set<Socket>();

beforeEach(async () => {
  for (const name of VARIABLES) {
    vi.stubEnv(name, undefined);
  }
  standIn = await startStandIn();
  upstreamPort = Number(new URL(standIn.origin).port);
});

afterEach(async () => {
  setProxyMode("host");
  vi.unstubAllEnvs();
  for (const socket of sockets) {
    socket.destroy();
  }
  await Promise.all(
    servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))),
  );
  await standIn.close();
});

async function listen(server: Server | HttpServer): Promise<number> {
  servers.push(server);
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

function join(client: Socket, port: number, greet: () => void): void {
  const upstream = connect(port, "127.0.0.1", () => {
    greet();
    upstream.pipe(client).pipe(upstream);
  });
  sockets.add(upstream);
  upstream.on("error", () => client.destroy());
}

/** An HTTP proxy that leads every connection to the stand-in, or answers it with a status. */
async function httpProxy(answer?: number): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const server = createHttpServer((_request, response) => void response.writeHead(502).end());
  server.on("connect", (request, client: Socket) => {
    asked.push(`${String(request.url)} ${request.headers["proxy-authorization"] ?? ""}`.trim());
    if (answer === undefined) {
      join(client, upstreamPort, () => client.write("HTTP/1.1 200 OK\r\n\r\n"));
    } else {
      client.end(`HTTP/1.1 ${String(answer)} No\r\nContent-Length: 0\r\n\r\n`);
    }
  });
  return { port: await listen(server), asked };
}

/** A SOCKS proxy of either version that leads every connection to the stand-in. */
async function socksProxy({ refuse = false }: { refuse?: boolean } = {}): Promise<{
  port: number;
  asked: string[];
}> {
  const asked: string[] = [];
  const server = createServer((client) => {
    let step = 0;
    client.on("data", function onData(data: Buffer) {
      if (data[0] === 4) {
        const domain = data.subarray(8).toString("latin1").split("\0").filter(Boolean).join(" ");
        asked.push(`socks4 ${String(data.readUInt16BE(2))} ${domain}`.trim());
        client.off("data", onData);
        join(client, upstreamPort, () =>
          client.write(Buffer.from([0, refuse ? 0x5b : 0x5a, 0, 0, 0, 0, 0, 0])),
        );
      } else if (step === 0) {
        step = 1;
        const wantsPassword = data.subarray(2).includes(2);
        client.write(Buffer.from([5, wantsPassword ? 2 : 0]));
        step = wantsPassword ? 1 : 2;
      } else if (step === 1) {
        asked.push(
          `user ${data
            .subarray(2)
            .toString("latin1")
            .replaceAll(/[^\w]+/gu, " ")
            .trim()}`,
        );
        step = 2;
        client.write(Buffer.from([1, 0]));
      } else {
        const host =
          data[3] === 3
            ? data.subarray(5, 5 + (data[4] ?? 0)).toString()
            : data.subarray(4, 8).join(".");
        asked.push(`socks5 ${host}`);
        client.off("data", onData);
        if (refuse) {
          client.write(Buffer.from([5, 2, 0, 1, 0, 0, 0, 0, 0, 0]));
          client.end();
        } else {
          join(client, upstreamPort, () =>
            client.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0])),
          );
        }
      }
    });
  });
  return { port: await listen(server), asked };
}

/** A key and a certificate that nobody knows. */
function makeCertificate(): { key: Buffer; cert: Buffer } {
  const folder = mkdtempSync(path.join(tmpdir(), "kimi-tls-"));
  try {
    const [key, cert] = [path.join(folder, "key.pem"), path.join(folder, "cert.pem")];
    execFileSync(
      "openssl",
      [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        key,
        "-out",
        cert,
        "-days",
        "1",
        "-subj",
        "/CN=localhost",
      ],
      { stdio: "ignore" },
    );
    return { key: readFileSync(key), cert: readFileSync(cert) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function ask(url = `${standIn.apiBase}/models`): Promise<number> {
  return (await exchange({ method: "GET", url, headers: {} })).status;
}

async function failure(
  url?: string,
): Promise<{ message: string; mayHaveReachedServer: boolean | undefined }> {
  const error: unknown = await ask(url).then(
    () => new Error("it succeeded"),
    (thrown: unknown) => thrown,
  );
  if (!isKimiError(error)) {
    throw new Error("expected a KimiError", { cause: error });
  }
  expect(everythingIn(error)).not.toMatch(/s3cret/u);
  return { message: error.message, mayHaveReachedServer: error.details.mayHaveReachedServer };
}

describe("a request", () => {
  it("goes through an HTTP proxy, with the user name and password in its address", async () => {
    const { port, asked } = await httpProxy();
    vi.stubEnv("HTTP_PROXY", `http://me:s3cret@127.0.0.1:${String(port)}`);
    expect(await ask()).toBe(401);
    expect(asked).toEqual([
      `${new URL(standIn.origin).host} Basic ${Buffer.from("me:s3cret").toString("base64")}`,
    ]);
  });

  it("goes through a proxy that is named without a scheme", async () => {
    const { port, asked } = await httpProxy();
    vi.stubEnv("all_proxy", `127.0.0.1:${String(port)}`);
    expect(await ask()).toBe(401);
    expect(asked).toHaveLength(1);
  });

  it.each(["socks5", "socks5h", "socks", "socks4", "socks4a"])(
    "goes through a %s proxy",
    async (scheme) => {
      const { port, asked } = await socksProxy();
      vi.stubEnv("ALL_PROXY", `${scheme}://127.0.0.1:${String(port)}`);
      expect(await ask()).toBe(401);
      expect(asked.join()).toContain(scheme.startsWith("socks4") ? "socks4" : "socks5 127.0.0.1");
      expect(standIn.count("models")).toBe(1);
    },
  );

  it("tells a SOCKS proxy its user name and password", async () => {
    const { port, asked } = await socksProxy();
    vi.stubEnv("ALL_PROXY", `socks5://me:s3cret@127.0.0.1:${String(port)}`);
    await ask();
    expect(asked[0]).toBe("user me s3cret");
  });

  it("goes around a proxy for an address in NO_PROXY", async () => {
    const { port, asked } = await httpProxy();
    vi.stubEnv("HTTP_PROXY", `http://127.0.0.1:${String(port)}`);
    vi.stubEnv("NO_PROXY", "example.com, 127.0.0.1");
    expect(await ask()).toBe(401);
    expect(asked).toEqual([]);
  });

  it("goes around every proxy where the setting says direct", async () => {
    const { port, asked } = await httpProxy();
    vi.stubEnv("HTTP_PROXY", `http://127.0.0.1:${String(port)}`);
    setProxyMode("direct");
    expect(await ask()).toBe(401);
    expect(asked).toEqual([]);
  });
});

describe("a message about a failed request", () => {
  it.each([
    [
      407,
      "asks for a user name and password (HTTP 407). Add them to the address in HTTP_PROXY and try again; you are still signed in.",
    ],
    [403, "(HTTP 403). Check the proxy and HTTP_PROXY and try again; you are still signed in."],
    [503, "(HTTP 503). Check the proxy and HTTP_PROXY and try again; you are still signed in."],
  ])("names a proxy that answers %i", async (status, ending) => {
    const { port } = await httpProxy(status);
    vi.stubEnv("HTTP_PROXY", `http://me:s3cret@127.0.0.1:${String(port)}`);
    const { message, mayHaveReachedServer } = await failure();
    expect(message).toContain(`The proxy 127.0.0.1:${String(port)} `);
    expect(message).toContain(ending);
    expect(mayHaveReachedServer).toBe(false);
  });

  it.each(["http", "socks5", "socks4"])(
    "names a %s proxy that refuses connections",
    async (scheme) => {
      const gone = createServer();
      const port = await listen(gone);
      await new Promise((resolve) => gone.close(resolve));
      servers.splice(0);
      vi.stubEnv("ALL_PROXY", `${scheme}://127.0.0.1:${String(port)}`);
      const { message, mayHaveReachedServer } = await failure();
      expect(message).toMatch(
        new RegExp(
          `The proxy 127\\.0\\.0\\.1:${String(port)} could not be reached: the connection was refused\\. Check the proxy and ALL_PROXY`,
          "u",
        ),
      );
      expect(mayHaveReachedServer).toBe(false);
    },
  );

  it.each(["socks5", "socks4"])("names a %s proxy that refuses the address", async (scheme) => {
    const { port } = await socksProxy({ refuse: true });
    vi.stubEnv("ALL_PROXY", `${scheme}://127.0.0.1:${String(port)}`);
    const { message, mayHaveReachedServer } = await failure();
    expect(message).toContain(
      `The proxy 127.0.0.1:${String(port)} refused the connection to ${new URL(standIn.origin).host}.`,
    );
    expect(mayHaveReachedServer).toBe(false);
  });

  it("names a proxy whose name does not exist", async () => {
    vi.stubEnv("HTTP_PROXY", "http://proxy.kimi.invalid:3128");
    expect((await failure()).message).toContain(
      "The proxy proxy.kimi.invalid:3128 could not be reached: its name could not be resolved.",
    );
  });

  it.each(["http://", "ftp://proxy:1", "http://proxy:99999", "socks9://proxy:1"])(
    "names the variable of an address that is none (%s)",
    async (value) => {
      vi.stubEnv("HTTP_PROXY", value);
      expect((await failure()).message).toBe(
        "The proxy address in HTTP_PROXY is not valid. Correct it, or remove it to connect without a proxy.",
      );
    },
  );

  it("names what to set for a certificate that is not known", async () => {
    const port = await listen(createHttpsServer(makeCertificate()));
    const { message, mayHaveReachedServer } = await failure(`https://localhost:${String(port)}/`);
    expect(message).toBe(
      `Kimi's server localhost:${String(port)} could not be reached: its certificate could not be verified. If your network has a certificate of its own, set NODE_EXTRA_CA_CERTS to its file, or NODE_USE_SYSTEM_CA=1, and try again; you are still signed in.`,
    );
    expect(mayHaveReachedServer).toBe(false);
  });
});

describe("the dispatcher that OpenClaw shares", () => {
  let before: undici.Dispatcher;

  beforeEach(() => {
    before = undici.getGlobalDispatcher();
  });

  afterEach(async () => {
    const own = undici.getGlobalDispatcher();
    undici.setGlobalDispatcher(before);
    await own.close();
  });

  it("is used where it is one of OpenClaw's own, whatever the environment says", async () => {
    const { port, asked } = await httpProxy();
    vi.stubEnv("ALL_PROXY", "socks5://127.0.0.1:1");
    undici.setGlobalDispatcher(
      new undici.ProxyAgent({ uri: `http://127.0.0.1:${String(port)}`, proxyTunnel: true }),
    );
    expect(await ask()).toBe(401);
    expect(asked).toEqual([new URL(standIn.origin).host]);
  });

  it("is used for the HTTP proxy of the environment, and the proxy is named when it fails", async () => {
    const { port, asked } = await httpProxy(503);
    vi.stubEnv("HTTP_PROXY", `http://127.0.0.1:${String(port)}`);
    const shared = new undici.EnvHttpProxyAgent({ proxyTunnel: true });
    const dispatch = vi.spyOn(shared, "dispatch");
    undici.setGlobalDispatcher(shared);
    const { message } = await failure();
    expect(dispatch).toHaveBeenCalledOnce();
    expect(message).toContain(`The proxy 127.0.0.1:${String(port)} `);
    expect(asked).toHaveLength(1);
  });

  it("is used where the environment names no proxy", async () => {
    const shared = new undici.EnvHttpProxyAgent();
    const dispatch = vi.spyOn(shared, "dispatch");
    undici.setGlobalDispatcher(shared);
    expect(await ask()).toBe(401);
    expect(dispatch).toHaveBeenCalledOnce();
  });

  it("gives way to the SOCKS proxy of the environment, which it does not know", async () => {
    const { port, asked } = await socksProxy();
    undici.setGlobalDispatcher(new undici.EnvHttpProxyAgent());
    vi.stubEnv("ALL_PROXY", `socks5://127.0.0.1:${String(port)}`);
    expect(await ask()).toBe(401);
    expect(asked).toEqual(["socks5 127.0.0.1"]);
  });
});

describe("a SOCKS proxy", () => {
  it.each([
    ["http://kimi.test/", "80"],
    ["http://kimi.test:8080/", "8080"],
    ["https://kimi.test/", "443"],
    ["https://kimi.test:8443/", "8443"],
  ])("is asked for %s at port %s, and resolves the name", async (url, port) => {
    const proxy = await socksProxy({ refuse: true });
    vi.stubEnv("ALL_PROXY", `socks4a://127.0.0.1:${String(proxy.port)}`);
    await failure(url);
    expect(proxy.asked[0]).toMatch(new RegExp(`^socks4 ${port} .*kimi\\.test`, "u"));
  });

  it("has the server's certificate checked at the end of the tunnel", async () => {
    const { port } = await socksProxy();
    vi.stubEnv("ALL_PROXY", `socks5://127.0.0.1:${String(port)}`);
    // The tunnel ends at the stand-in, which speaks no TLS.
    const { message, mayHaveReachedServer } = await failure("https://kimi.test/");
    expect(message).toContain("no secure connection could be made");
    expect(mayHaveReachedServer).toBe(false);
  });

  it("that lies on an IPv6 address is reached there", async () => {
    vi.stubEnv("ALL_PROXY", "socks5://[::1]:1");
    const { message } = await failure();
    expect(message).toContain("The proxy [::1]:1 could not be reached");
    expect(message).not.toContain("resolved");
  });

  it("has one dispatcher, so that connections are used again", () => {
    vi.stubEnv("ALL_PROXY", "socks5://127.0.0.1:1");
    const first = routeTo(undici, KIMI);
    expect(routeTo(undici, KIMI).dispatcher).toBe(first.dispatcher);
    expect(first.proxy?.label).toBe("127.0.0.1:1");
    vi.stubEnv("ALL_PROXY", "socks5://127.0.0.1:2");
    expect(routeTo(undici, KIMI).dispatcher).not.toBe(first.dispatcher);
    setProxyMode("direct");
    const direct = routeTo(undici, KIMI);
    expect(direct.proxy).toBeUndefined();
    expect(routeTo(undici, KIMI).dispatcher).toBe(direct.dispatcher);
  });
});

describe("a connection of one's own", () => {
  afterEach(() => {
    vi.restoreAllMocks();
    // What was loaded beside a mock is not for other files.
    vi.resetModules();
    net.setDefaultAutoSelectFamily(true);
  });

  it.each([
    ["on Linux", "6.1.0-18-amd64", true, true],
    ["on WSL2, where IPv6 leads nowhere", "5.15.90.1-microsoft-standard-WSL2", true, false],
    ["on a kernel of one's own for WSL2", "6.6.0-custom-wsl2", true, false],
    ["where the process says so", "6.1.0-18-amd64", false, false],
  ])("tries both kinds of addresses as OpenClaw does %s", async (_what, release, allowed, both) => {
    vi.spyOn(os, "release").mockReturnValue(release);
    net.setDefaultAutoSelectFamily(allowed);
    const connected = vi.spyOn(net, "connect");
    vi.resetModules();
    const fresh = await import("../../src/protocol/connection.ts");
    const url = new URL(`${standIn.apiBase}/models`);
    const { dispatcher } = fresh.routeTo(undici, url);
    const response = await undici.request(url, { dispatcher });
    await response.body.dump();
    expect(connected.mock.calls[0]?.[0]).toMatchObject({
      autoSelectFamily: process.platform === "linux" ? both : allowed,
      autoSelectFamilyAttemptTimeout: 300,
    });
    await dispatcher.close();
  });

  it("offers HTTP/1.1 only, directly and through each kind of proxy", async () => {
    const offered: string[][] = [];
    const ALPNCallback = ({ protocols }: { protocols: string[] }): undefined => {
      offered.push(protocols);
      return undefined;
    };
    upstreamPort = await listen(createHttpsServer({ ...makeCertificate(), ALPNCallback }));
    const url = `https://localhost:${String(upstreamPort)}/`;
    await failure(url);
    const { port } = await httpProxy();
    vi.stubEnv("HTTPS_PROXY", `http://127.0.0.1:${String(port)}`);
    await failure(url);
    vi.stubEnv("HTTPS_PROXY", `socks5://127.0.0.1:${String((await socksProxy()).port)}`);
    await failure(url);
    expect(offered).toEqual([["http/1.1"], ["http/1.1"], ["http/1.1"]]);
  });
});
