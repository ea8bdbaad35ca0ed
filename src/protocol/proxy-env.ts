/**
 * Which proxy the environment asks for, by the Kimi Code CLI's rules (2.1.0): a lower-case variable
 * counts before an upper-case one, an empty one counts as unset, an HTTP proxy counts before a SOCKS
 * one. Beyond them, an address without a scheme is an HTTP proxy, as curl has it.
 */

import { say } from "../messages.ts";
import { KimiError } from "./errors.ts";
import type { Env } from "./endpoints.ts";

/** A proxy for one address. */
export interface Proxy {
  readonly kind: "http" | "socks4" | "socks5";
  /** With its user name and password, if any; a secret. */
  readonly url: URL;
  /** Host and port, for messages. */
  readonly label: string;
  /** The variable that named it. */
  readonly variable: string;
}

interface Setting {
  readonly variable: string;
  readonly value: string;
}

const DEFAULT_SOCKS_PORT = 1080;

function settingOf(env: Env, name: string): Setting | undefined {
  for (const variable of [name.toLowerCase(), name]) {
    const value = env[variable]?.trim();
    if (value) {
      return { variable, value };
    }
  }
  return undefined;
}

/** The scheme of an address; `host:port` has none. */
function schemeOf({ value }: Setting): string | undefined {
  return /^([a-z][a-z0-9+.-]*):\/\//i.exec(value)?.[1]?.toLowerCase();
}

function isSocks(setting: Setting): boolean {
  return schemeOf(setting)?.startsWith("socks") === true;
}

function parse(setting: Setting): Proxy {
  const { value, variable } = setting;
  const text = schemeOf(setting) === undefined ? `http://${value}` : value;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const kinds: Readonly<Record<string, Proxy["kind"]>> = {
    "http:": "http",
    "https:": "http",
    "socks:": "socks5",
    "socks4:": "socks4",
    "socks4a:": "socks4",
    "socks5:": "socks5",
    "socks5h:": "socks5",
  };
  const kind = kinds[url?.protocol ?? ""];
  if (url === undefined || kind === undefined || url.hostname === "") {
    throw new KimiError("endpoint_invalid", say.invalidProxy(variable));
  }
  const port =
    url.port ||
    (kind === "http" ? (url.protocol === "https:" ? "443" : "80") : String(DEFAULT_SOCKS_PORT));
  return { kind, url, variable, label: `${url.hostname}:${port}` };
}

/**
 * True when `NO_PROXY` takes an address out: a list of hosts and domains, with a port where it should
 * count, or `*`.
 */
function isExempt(target: URL, env: Env): boolean {
  const entries = (settingOf(env, "NO_PROXY")?.value ?? "")
    .toLowerCase()
    .split(/[,\s]+/)
    .filter(Boolean);
  const host = target.hostname.replaceAll(/^\[|\]$/g, "").replace(/\.$/, "");
  const port = target.port || (target.protocol === "https:" ? "443" : "80");
  return entries.some((entry) => {
    if (entry === "*") {
      return true;
    }
    const [, bracketed, plain, wantedPort] =
      /^(?:\[([^\]]+)\]|([^:]+|[^:]*:.*:[^:]*?))(?::(\d+))?$/.exec(entry) ?? [];
    const wanted = (bracketed ?? plain ?? entry).replace(/^\*?\./, "").replace(/\.$/, "");
    return (
      (wantedPort === undefined || wantedPort === port) &&
      (host === wanted || host.endsWith(`.${wanted}`))
    );
  });
}

/**
 * The proxy for an address.
 *
 * @returns `undefined` when it is reached directly
 * @throws KimiError `endpoint_invalid` for a proxy address that cannot be used; it names the variable
 *   and never the value
 */
export function proxyFor(target: URL, env: Env): Proxy | undefined {
  if (isExempt(target, env)) {
    return undefined;
  }
  const all = settingOf(env, "ALL_PROXY");
  const https = settingOf(env, "HTTPS_PROXY");
  const http = settingOf(env, "HTTP_PROXY");
  const own = target.protocol === "https:" ? https : http;
  const direct = [own, all].find((setting) => setting !== undefined && !isSocks(setting));
  if (direct !== undefined) {
    return parse(direct);
  }
  const settings = [all, https, http].filter((setting) => setting !== undefined);
  // With an HTTP proxy for the other scheme only, the CLI connects directly.
  const socks = settings.every(isSocks) ? settings[0] : undefined;
  return socks === undefined ? undefined : parse(socks);
}
