/** A reverse proxy on loopback that says who is signed in, as the one in front of a shared gateway does. */
import { once } from "node:events";
import { createServer, request, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { JsonObject } from "./layout.ts";

/** The header that names the person. */
const USER_HEADER = "x-forwarded-user";
/** Where a person's requests seem to come from (RFC 5737): the gateway takes none of loopback from a proxy. */
const CLIENT_ADDRESS = "203.0.113.7";
/** What the machine's own administrator signs in with, past the proxy. */
const PASSWORD = "password-of-a-test-gateway";

/** Members of the config's `gateway` that make it trust such proxies. */
export const BEHIND_PROXY = {
  trustedProxies: ["127.0.0.1", "::1"],
  auth: {
    mode: "trusted-proxy",
    password: PASSWORD,
    trustedProxy: { userHeader: USER_HEADER, allowLoopback: true },
  },
} as const satisfies JsonObject;

/** The proxy of one signed-in person. */
export interface IdentityProxy extends AsyncDisposable {
  /** `http://127.0.0.1:<port>`. */
  readonly origin: string;
}

/** Starts a proxy in front of a gateway; who comes through it is this person. */
export async function startIdentityProxy(gateway: string, user: string): Promise<IdentityProxy> {
  const sockets = new Set<Duplex>();
  const server = createServer((incoming, response) => {
    const forwarded = request(
      `${gateway}${incoming.url ?? ""}`,
      { method: incoming.method ?? "GET", headers: headersOf(incoming, user) },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    forwarded.on("error", () => response.destroy());
    incoming.pipe(forwarded);
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("upgrade", (incoming, socket, head) => {
    socket.on("error", () => undefined);
    const forwarded = request(`${gateway}${incoming.url ?? ""}`, {
      headers: headersOf(incoming, user),
    });
    forwarded.on("error", () => socket.destroy());
    forwarded.on("response", () => socket.destroy());
    forwarded.on("upgrade", (answer, upstream, first) => {
      upstream.on("error", () => socket.destroy());
      upstream.once("close", () => socket.destroy());
      socket.once("close", () => upstream.destroy());
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${headerLines(answer)}\r\n\r\n`);
      socket.write(first);
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    forwarded.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.close();
      for (const socket of sockets) {
        socket.destroy();
      }
      await once(server, "close");
    },
  };
}

/** A request's headers with the person in the place of whatever a client claims. */
function headersOf({ headers }: IncomingMessage, user: string): Record<string, string | string[]> {
  const kept = Object.entries(headers).filter(([name]) => !/^(?:x-)?forwarded/u.test(name));
  return {
    ...(Object.fromEntries(kept) as Record<string, string | string[]>),
    "x-forwarded-for": CLIENT_ADDRESS,
    [USER_HEADER]: user,
  };
}

function headerLines({ rawHeaders }: IncomingMessage): string {
  return rawHeaders
    .flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${rawHeaders[index + 1] ?? ""}`] : []))
    .join("\r\n");
}
