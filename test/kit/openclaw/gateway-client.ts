/** A client's connection to a gateway, as the Control UI and the terminal UI have one. */
import { createHash, generateKeyPairSync } from "node:crypto";
import type { JsonObject } from "./layout.ts";

/** An event that the gateway sends to its clients. */
export interface GatewayEvent {
  readonly event: string;
  readonly payload?: unknown;
}

/** A connection that is open. */
export interface Connection {
  /** Calls one of the gateway's methods; rejects when the gateway refuses. Some answer at once, and again at the end. */
  request(
    method: string,
    params: JsonObject,
    options?: { readonly expectFinal?: boolean },
  ): Promise<JsonObject>;
  close(): Promise<void>;
}

/** A device of a person, which the gateway's administrator has to approve once. */
export interface Device {
  readonly deviceId: string;
  readonly publicKeyPem: string;
  readonly privateKeyPem: string;
}

/** Where a client connects, and what it signs in with. */
export interface Access {
  readonly origin: string;
  readonly token?: string;
  /** Goes before the token. */
  readonly password?: string;
  /** Default: the one of this machine, which an administrator uses. */
  readonly device?: Device;
}

/** A new device, named by its key as the host names it. */
export function newDevice(): Device {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url");
  return {
    deviceId: createHash("sha256").update(raw).digest("hex"),
    publicKeyPem: publicKey.export({ type: "spki", format: "pem" }).toString(),
    privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

const PERSON_SCOPES = ["operator.read", "operator.write"];

/** Connects to a running gateway. */
export async function connect(
  { origin, token, password, device }: Access,
  onEvent: (event: GatewayEvent) => void = () => {},
): Promise<Connection> {
  // Loaded on use: the host's library takes a moment, and few tests need it.
  const { GatewayClient } = await import("openclaw/plugin-sdk/gateway-runtime");
  const connected = Promise.withResolvers<undefined>();
  const client = new GatewayClient({
    url: origin.replace("http", "ws"),
    ...(token === undefined || password !== undefined ? {} : { token }),
    ...(password === undefined ? {} : { password }),
    ...(device === undefined ? {} : { deviceIdentity: device }),
    clientName: "openclaw-tui",
    mode: "ui",
    role: "operator",
    scopes: device === undefined ? ["operator.admin", ...PERSON_SCOPES] : PERSON_SCOPES,
    onHelloOk: () => {
      connected.resolve(undefined);
    },
    onConnectError: connected.reject,
    onEvent,
  });
  client.start();
  try {
    await connected.promise;
  } catch (error) {
    // It would try again on its own.
    await client.stopAndWait();
    throw error;
  }
  return {
    request: async (method, params, options) => await client.request(method, params, options),
    close: async () => {
      await client.stopAndWait();
    },
  };
}
