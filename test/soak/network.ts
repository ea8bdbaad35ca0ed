/** A simulated network with the stand-in's token book at its far end; troubles come on demand. */

import { brotliCompressSync, gzipSync } from "node:zlib";
import { Dispatcher } from "undici";
import { makeAccount } from "../kit/standin/accounts.ts";
import { CLIENT_ID, TokenBook, type TokenReply } from "../kit/standin/tokens.ts";
import type { Random } from "../kit/random.ts";
import type { Actor, Timeline } from "./timeline.ts";

/** What happens to a request. */
export type NetworkFault =
  | { readonly kind: "none" }
  /** The connection is not made. */
  | { readonly kind: "refused" }
  /** The connection breaks before the server has the request. */
  | { readonly kind: "dropped" }
  /** The server never sees the request, and the client gives up. */
  | { readonly kind: "timeout" }
  /** The server acts, and the connection breaks before its reply. */
  | { readonly kind: "reply-lost" }
  | {
      readonly kind: "status";
      readonly status: 429 | 500 | 502 | 503 | 504;
      readonly retryAfterS?: number;
    }
  /** A proxy on the way refuses the request, in JSON. */
  | { readonly kind: "proxy" }
  /** The reply arrives in an odd form. */
  | { readonly kind: "odd"; readonly form: OddForm }
  /** The reply takes this long. */
  | { readonly kind: "slow"; readonly ms: number };

/** Odd forms of a response that can still be read. */
export type OddForm = "gzip" | "br" | "mark" | "cut" | "created";

/** Where a doomed process dies on its way through the network. */
export type DeathPoint = "before-sent" | "after-rotated";

/** A reply as it arrives. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
  /** The connection breaks after the body. */
  readonly cut?: boolean;
}

/** One login as the server sees it. */
interface Chain {
  rotatedAtMs: number;
  accessRevoked: boolean;
  /** A reply of this chain was never delivered, so its newest tokens may be nowhere. */
  undelivered: boolean;
}

/** Header by which a simulated process names itself. */
export const ACTOR_HEADER = "x-simulated-process";

const ACCOUNT = "user-1";
const HALF_LIFE_MS = 450_000;
/** How long a client waits for a reply, in ms. */
const RESPONSE_LIMIT_MS = 30_000;

/** Error of a connection, with a system code. */
export class ConnectionError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** The network and Kimi's server. */
export class Network extends Dispatcher {
  /** Refreshes that succeeded. */
  rotations = 0;
  /** Refresh requests that reached the server. */
  requests = 0;
  /** Refreshes that the server rejected. */
  rejections = 0;
  /** Refreshes of a token that nobody had a reason to refresh yet. */
  early = 0;
  violations: string[] = [];
  /** Decides what happens to the next request. */
  trouble: () => NetworkFault = () => ({ kind: "none" });
  /** Decides whether a process dies at this point. */
  doomed: (actor: Actor, at: DeathPoint) => boolean = () => false;
  /** Called when a process dies. */
  kill: (actor: Actor) => Promise<never> = (actor) => actor.die();
  readonly #actors = new Map<string, Actor>();
  readonly #chains = new Map<string, Chain>();
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #tokens: TokenBook;

  constructor(timeline: Timeline, random: Random) {
    super();
    this.#timeline = timeline;
    this.#random = random;
    const account = makeAccount({ id: ACCOUNT });
    this.#tokens = new TokenBook(
      { now: timeline.now, advance: (ms) => timeline.skip(ms) },
      {
        accessTokenLifetimeS: 900,
        refreshTokenLifetimeS: 30 * 24 * 3600,
        deadGrantStatus: 400,
        revokeOldAccessOnRefresh: false,
        reuseEndsLogin: false,
        rotatesRefreshToken: true,
        takesUsedRefreshToken: false,
      },
      () => account,
    );
  }

  /** How often a spent token came back. */
  get reused(): number {
    return this.#tokens.reused;
  }

  /** Lets a process use the network under its name. */
  join(actor: Actor): Record<string, string> {
    this.#actors.set(actor.name, actor);
    return { [ACTOR_HEADER]: actor.name };
  }

  /** A new login. */
  signIn(): TokenReply {
    const reply = this.#tokens.start(ACCOUNT);
    this.#chains.set(reply.refresh_token, {
      rotatedAtMs: this.#timeline.now(),
      accessRevoked: false,
      undelivered: false,
    });
    return reply;
  }

  /** Kimi rejects this access token from now on. */
  revoke(accessToken: string, refreshToken: string): void {
    this.#tokens.revoke(accessToken);
    const chain = this.#chains.get(refreshToken);
    if (chain !== undefined) {
      chain.accessRevoked = true;
    }
  }

  isLive(refreshToken: string): boolean {
    return this.#tokens.isLiveRefresh(refreshToken);
  }

  /** Whether a reply of this token's login was lost on its way. */
  wasUndelivered(refreshToken: string): boolean {
    return this.#chains.get(refreshToken)?.undelivered === true;
  }

  /** Notes that a process died with tokens that it had not put into the home. */
  noteUndelivered(refreshToken: string): void {
    const chain = this.#chains.get(refreshToken);
    if (chain !== undefined) {
      chain.undelivered = true;
    }
  }

  /** Sends a form to the token endpoint. */
  async post(actor: Actor, body: string, onSend: () => void = () => undefined): Promise<Reply> {
    const trouble = this.trouble();
    await actor.wait(this.#random.between(20, 150), { locked: true });
    if (trouble.kind === "refused") {
      throw new ConnectionError("ECONNREFUSED");
    }
    onSend();
    switch (trouble.kind) {
      case "proxy":
        return {
          status: 403,
          headers: {},
          body: '{"message":"blocked by corporate proxy policy"}',
        };
      case "dropped":
        throw new ConnectionError("ECONNRESET");
      case "timeout":
        await actor.wait(RESPONSE_LIMIT_MS, { locked: true });
        throw new ConnectionError("UND_ERR_HEADERS_TIMEOUT");
      case "status":
        return {
          status: trouble.status,
          headers:
            trouble.retryAfterS === undefined ? {} : { "retry-after": String(trouble.retryAfterS) },
          body: '{"error":"temporarily_unavailable"}',
        };
    }
    if (this.doomed(actor, "before-sent")) {
      return await this.kill(actor);
    }
    const reply = this.#serve(body);
    if (this.doomed(actor, "after-rotated")) {
      this.noteUndelivered(new URLSearchParams(body).get("refresh_token") ?? "");
      return await this.kill(actor);
    }
    if (trouble.kind === "reply-lost") {
      this.noteUndelivered(new URLSearchParams(body).get("refresh_token") ?? "");
      await actor.wait(this.#random.between(20, RESPONSE_LIMIT_MS), { locked: true });
      throw new ConnectionError("ECONNRESET");
    }
    await actor.wait(trouble.kind === "slow" ? trouble.ms : this.#random.between(20, 400), {
      locked: true,
    });
    return trouble.kind === "odd" ? oddly(reply, trouble.form) : reply;
  }

  #serve(body: string): Reply {
    const form = new URLSearchParams(body);
    const names = [...form.keys()].toSorted((a, b) => a.localeCompare(b)).join();
    if (names !== "client_id,grant_type,refresh_token" || form.get("client_id") !== CLIENT_ID) {
      this.violations.push(`a form with ${names}`);
    }
    this.requests += 1;
    const spent = form.get("refresh_token") ?? "";
    const issued = this.#tokens.refresh(spent);
    if (issued === undefined) {
      this.rejections += 1;
      return { status: 400, headers: {}, body: '{"error":"invalid_grant"}' };
    }
    this.rotations += 1;
    const chain = this.#chains.get(spent);
    const nowMs = this.#timeline.now();
    if (chain !== undefined) {
      // The Kimi Code CLI's file counts in whole seconds.
      const due = nowMs - chain.rotatedAtMs >= HALF_LIFE_MS - 2_000;
      this.early += due || chain.accessRevoked ? 0 : 1;
      Object.assign(chain, { rotatedAtMs: nowMs, accessRevoked: false, undelivered: false });
      this.#chains.set(issued.refresh_token, chain);
    }
    return {
      status: 200,
      headers: { "content-type": "application/json" },
      body: JSON.stringify(issued),
    };
  }

  override dispatch(
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
  ): boolean {
    const headers = options.headers as Record<string, string>;
    const actor = this.#actors.get(headers[ACTOR_HEADER] ?? "");
    if (actor === undefined || options.path !== "/api/oauth/token" || options.method !== "POST") {
      throw new Error(`unexpected request: ${options.method} ${options.path}`);
    }
    const controller = new FlowController();
    void this.#deliver(actor, options.body, controller, handler);
    return true;
  }

  async #deliver(
    actor: Actor,
    body: unknown,
    controller: Dispatcher.DispatchController,
    handler: Dispatcher.DispatchHandler,
  ): Promise<void> {
    let reply: Reply;
    try {
      reply = await this.post(actor, typeof body === "string" ? body : "", () => {
        // The last look at the home; what it throws stops the request.
        handler.onRequestStart?.(controller, undefined);
      });
    } catch (error) {
      handler.onResponseError?.(controller, error as Error);
      return;
    }
    handler.onResponseStart?.(controller, reply.status, reply.headers, "");
    handler.onResponseData?.(controller, Buffer.from(reply.body));
    if (reply.cut === true) {
      handler.onResponseError?.(controller, new ConnectionError("ECONNRESET"));
    } else {
      handler.onResponseEnd?.(controller, {});
    }
  }
}

/** Puts a reply into an odd form. */
function oddly(reply: Reply, form: OddForm): Reply {
  const { headers, body } = reply;
  switch (form) {
    case "gzip":
      return {
        ...reply,
        headers: { ...headers, "content-encoding": "gzip" },
        body: gzipSync(body),
      };
    case "br":
      return {
        ...reply,
        headers: { ...headers, "content-encoding": "br" },
        body: brotliCompressSync(body),
      };
    case "mark":
      return { ...reply, body: `\uFEFF${String(body)}` };
    case "cut":
      return { ...reply, cut: true };
    case "created":
      return reply.status === 200 ? { ...reply, status: 201 } : reply;
  }
}

/** What undici's handlers steer a connection with; a simulated one needs no steering. */
class FlowController implements Dispatcher.DispatchController {
  readonly aborted = false;
  readonly paused = false;
  readonly reason = null;
  abort(): void {}
  pause(): void {}
  resume(): void {}
}
