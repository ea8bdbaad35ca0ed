/** A client's connection to a gateway, as the Control UI and the terminal UI have one. */
import type { Gateway } from "./gateway.ts";
import type { JsonObject } from "./layout.ts";

/** An event that the gateway sends to its clients. */
export interface GatewayEvent {
  readonly event: string;
  readonly payload?: unknown;
}

/** A connection that is open. */
export interface Connection {
  /** Calls one of the gateway's methods; rejects when the gateway refuses. */
  request(method: string, params: JsonObject): Promise<JsonObject>;
  close(): Promise<void>;
}

/** Connects to a running gateway. */
export async function connect(
  { origin, token }: Pick<Gateway, "origin" | "token">,
  onEvent: (event: GatewayEvent) => void = () => {},
): Promise<Connection> {
  // Loaded on use: the host's library takes a moment, and few tests need it.
  const { GatewayClient } = await import("openclaw/plugin-sdk/gateway-runtime");
  const connected = Promise.withResolvers<undefined>();
  const client = new GatewayClient({
    url: origin.replace("http", "ws"),
    token,
    clientName: "openclaw-tui",
    mode: "ui",
    role: "operator",
    scopes: ["operator.admin", "operator.read", "operator.write"],
    onHelloOk: () => {
      connected.resolve(undefined);
    },
    onConnectError: connected.reject,
    onEvent,
  });
  client.start();
  await connected.promise;
  return {
    request: async (method, params) => await client.request(method, params),
    close: async () => {
      await client.stopAndWait();
    },
  };
}
