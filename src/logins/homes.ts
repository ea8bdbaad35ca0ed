/** Homes: where a login's current tokens live, and where its lock is. */

import { createHash } from "node:crypto";
import os from "node:os";
import path from "node:path";
import { type Owner, say } from "../messages.ts";
import {
  checkEndpoint,
  type Endpoints,
  endpointsFromEnv,
  endpointsOf,
  type Env,
  REGIONS,
  stripTrailingSlashes,
} from "../protocol/endpoints.ts";
import { KimiError } from "../protocol/errors.ts";
import type { CredentialStyle } from "./credential.ts";

/** Slot of the `.com` endpoints, and the only slot that the Python CLI knows. */
export const DEFAULT_SLOT = "kimi-code";

const KINDS = ["kimi-cli", "kimi-code-cli", "openclaw"] as const satisfies readonly Owner[];

/** Who a home belongs to. */
export type HomeKind = (typeof KINDS)[number];

/** The one credential file that holds a login's current tokens. */
export interface Home {
  readonly kind: HomeKind;
  /** File name without its ending. */
  readonly slot: string;
  /** The owner's data folder, e.g. `~/.kimi-code`. */
  readonly dir: string;
  /** The credential file. */
  readonly file: string;
  /** How the owner writes the file. */
  readonly style: CredentialStyle;
  readonly endpoints: Endpoints;
  readonly lock:
    | { readonly kind: "flock"; readonly path: string }
    /** proper-lockfile: the lock is the folder `<target>.lock`. */
    | { readonly kind: "directory"; readonly target: string };
}

/**
 * Name of the Kimi Code CLI's credential file and lock for a login's endpoints.
 *
 * The rule is the CLI's: the `.com` endpoints have a name of their own, any others are hashed from
 * their JSON text.
 */
export function slotFor(endpoints: Pick<Endpoints, "oauthHost" | "apiBase">): string {
  const oauthHost = stripTrailingSlashes(endpoints.oauthHost.trim());
  const baseUrl = stripTrailingSlashes(endpoints.apiBase);
  const standard = REGIONS["mainland-cn"];
  if (oauthHost === standard.oauthHost && baseUrl === standard.apiBase) {
    return DEFAULT_SLOT;
  }
  const digest = createHash("sha256")
    .update(JSON.stringify({ oauthHost, baseUrl }), "utf8")
    .digest("hex");
  return `${DEFAULT_SLOT}-env-${digest.slice(0, 16)}`;
}

/** Builds a home. */
export function makeHome(kind: HomeKind, dir: string, slot: string, endpoints: Endpoints): Home {
  const credentials = path.join(dir, "credentials");
  return {
    kind,
    slot,
    dir,
    endpoints,
    file: path.join(credentials, `${slot}.json`),
    style: kind === "kimi-cli" ? "kimi-cli" : "kimi-code-cli",
    lock:
      kind === "kimi-cli"
        ? { kind: "flock", path: path.join(credentials, `${slot}.lock`) }
        : { kind: "directory", target: path.join(dir, "oauth", slot) },
  };
}

/** The user's folder as both CLIs find it: on Windows a `HOME` of some shell does not count. */
function userHome(env: Env): string {
  return (process.platform === "win32" ? env.USERPROFILE : env.HOME) || os.homedir();
}

/** The owner's data folder when no variable moves it. */
function defaultDir(kind: "kimi-cli" | "kimi-code-cli", env: Env): string {
  return path.join(userHome(env), kind === "kimi-cli" ? ".kimi" : ".kimi-code");
}

/** The owner's data folder, as its CLI finds it. */
export function ownerDir(kind: "kimi-cli" | "kimi-code-cli", env: Env): string {
  const moved = kind === "kimi-cli" ? env.KIMI_SHARE_DIR : env.KIMI_CODE_HOME;
  return moved?.trim() ? path.resolve(moved) : defaultDir(kind, env);
}

/**
 * Every place on this machine where a Kimi CLI may keep a login: both CLIs, both regions, and the
 * slot that the environment's endpoints lead to.
 *
 * @throws KimiError `endpoint_invalid` for an endpoint in the environment that cannot be used
 */
export function cliHomes(env: Env): Home[] {
  const tsDir = ownerDir("kimi-code-cli", env);
  const candidates: Endpoints[] = [];
  const fromEnv = endpointsFromEnv(env);
  if (fromEnv !== undefined) {
    candidates.push(fromEnv);
  }
  candidates.push(REGIONS["mainland-cn"], REGIONS.global);
  const homes = new Map<string, Home>();
  for (const endpoints of candidates) {
    const home = makeHome("kimi-code-cli", tsDir, slotFor(endpoints), endpoints);
    if (!homes.has(home.file)) {
      homes.set(home.file, home);
    }
  }
  // The Python CLI has one slot, whatever endpoints it is told to use.
  const python = makeHome(
    "kimi-cli",
    ownerDir("kimi-cli", env),
    DEFAULT_SLOT,
    endpointsFromEnv(env) ?? REGIONS["mainland-cn"],
  );
  return [...homes.values(), python];
}

/** The members of a stored profile that say which home it belongs to. */
export interface HomeBinding {
  readonly authFlow?: string | undefined;
  readonly issuer?: string | undefined;
  /** API base of a login whose endpoints are not those of one of Kimi's regions. */
  readonly enterpriseUrl?: string | undefined;
}

/** The folder may hold any character, a line break too. */
const BINDING = /^(kimi-cli|kimi-code-cli|openclaw):([A-Za-z0-9][\w.-]*)(?:@([\s\S]+))?$/;

/**
 * What a profile stores so that its home is found again, also by a service that does not see the
 * environment of the sign-in. The folder is always named: with another `HOME`, the usual place is
 * another user's.
 */
export function bindingOf(home: Home): Required<HomeBinding> {
  return {
    authFlow: `${home.kind}:${home.slot}@${home.dir}`,
    issuer: home.endpoints.oauthHost,
    enterpriseUrl: home.endpoints.region === "custom" ? home.endpoints.apiBase : undefined,
  };
}

/** API base for a stored issuer. */
function boundEndpoints(binding: HomeBinding): Endpoints {
  const oauthHost = checkEndpoint(binding.issuer ?? "", "the profile");
  if (binding.enterpriseUrl !== undefined) {
    return endpointsOf(oauthHost, checkEndpoint(binding.enterpriseUrl, "the profile"));
  }
  const region = Object.values(REGIONS).find((known) => known.oauthHost === oauthHost);
  if (region === undefined) {
    throw unknownHome();
  }
  return region;
}

function unknownHome(): KimiError {
  return new KimiError("login_missing", say.profileWithoutLogin());
}

/**
 * Finds the home that a profile belongs to.
 *
 * @throws KimiError `login_missing` when the profile names none, `endpoint_invalid` when its
 *   endpoints cannot be used
 */
export function homeOfBinding(binding: HomeBinding, env: Env): Home {
  const match = BINDING.exec(binding.authFlow ?? "");
  const kind = KINDS.find((known) => known === match?.[1]);
  const slot = match?.[2];
  if (kind === undefined || slot === undefined) {
    throw unknownHome();
  }
  const dir = match?.[3] ?? (kind === "openclaw" ? undefined : defaultDir(kind, env));
  if (dir === undefined || !path.isAbsolute(dir)) {
    throw unknownHome();
  }
  const endpoints = boundEndpoints(binding);
  // A CLI's slot goes with its endpoints; tokens of the one must not be sent to the other.
  if (kind === "kimi-code-cli" && slot !== slotFor(endpoints)) {
    throw unknownHome();
  }
  return makeHome(kind, dir, slot, endpoints);
}
