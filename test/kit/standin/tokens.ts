/** The token book: which tokens exist, which login they belong to, and whether they still work. */
import { randomBytes } from "node:crypto";
import type { Account } from "./accounts.ts";
import type { Clock } from "./clock.ts";

/** The one OAuth client of both Kimi CLIs, in every region. */
export const CLIENT_ID = "17e5f671-d194-4dfb-9706-5516cb48c098";

/** Strictness and lifetimes; all can be changed while the server runs. */
export interface TokenSettings {
  /** Seconds an access token lives; default 900, as the live service. */
  accessTokenLifetimeS: number;
  /** Seconds an unused refresh token lives; default 30 days. */
  refreshTokenLifetimeS: number;
  /** Status of `invalid_grant` for a refresh; users report both, default 400. */
  deadGrantStatus: 400 | 401;
  /** A refresh also ends the access token before it; default false: it lives until its expiry. */
  revokeOldAccessOnRefresh: boolean;
  /** A spent refresh token that comes back ends the whole login; default false. */
  reuseEndsLogin: boolean;
  /** A refresh gives a new refresh token and ends the one before it; default true, as both CLIs count on. */
  rotatesRefreshToken: boolean;
  /** A spent refresh token works again; default false. */
  takesUsedRefreshToken: boolean;
}

/** The token route's reply, exactly as on the wire. */
export interface TokenReply {
  access_token: string;
  refresh_token: string;
  /** Seconds. */
  expires_in: number;
  scope: string;
  token_type: string;
}

/** One login as the server sees it: a chain of rotating refresh tokens. */
export interface LoginView {
  readonly accountId: string;
  /** Successful refreshes so far. */
  readonly refreshCount: number;
  readonly ended: boolean;
  readonly accessToken: string;
  readonly refreshToken: string;
}

interface Login {
  accountId: string;
  refreshCount: number;
  ended: boolean;
  accessToken: string;
  refreshToken: string;
  refreshExpiresAtMs: number;
}

interface AccessRecord {
  login: Login;
  expiresAtMs: number;
  revoked: boolean;
}

/** What the API finds out about a presented access token. */
export type AccessCheck =
  | { ok: true; accountId: string }
  | { ok: false; why: "unknown" | "expired" | "revoked" };

function jwtPart(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function fakeJwt(claims: Record<string, unknown>): string {
  return `${jwtPart({ alg: "none", typ: "JWT", kid: "standin-fake" })}.${jwtPart(claims)}.standin-not-a-signature`;
}

/** All tokens of one stand-in. */
export class TokenBook {
  /** How often a spent refresh token was presented again. */
  reused = 0;
  // Marks this server's tokens: with two servers at once, a token sent to the wrong one must not happen to be right.
  readonly #mark = randomBytes(2).toString("hex");
  readonly #access = new Map<string, AccessRecord>();
  readonly #refresh = new Map<string, Login>();
  readonly #clock: Clock;
  readonly #settings: TokenSettings;
  readonly #account: (id: string) => Account;
  #serial = 0;

  constructor(clock: Clock, settings: TokenSettings, account: (id: string) => Account) {
    this.#clock = clock;
    this.#settings = settings;
    this.#account = account;
  }

  /** Starts a login. */
  start(accountId: string): TokenReply {
    const login: Login = {
      accountId: this.#account(accountId).id,
      refreshCount: 0,
      ended: false,
      accessToken: "",
      refreshToken: "",
      refreshExpiresAtMs: 0,
    };
    return this.#mint(login);
  }

  /** Spends a refresh token: both tokens change in one step, or nothing does and the answer is undefined. */
  refresh(refreshToken: string): TokenReply | undefined {
    const login = this.#refresh.get(refreshToken);
    if (login === undefined) {
      return undefined;
    }
    const isUsed = login.refreshToken !== refreshToken;
    if (isUsed) {
      this.reused += 1;
      login.ended ||= this.#settings.reuseEndsLogin;
    }
    if (isUsed ? !this.#settings.takesUsedRefreshToken : !this.isLiveRefresh(refreshToken)) {
      return undefined;
    }
    if (this.#settings.revokeOldAccessOnRefresh) {
      this.revoke(login.accessToken);
    }
    login.refreshCount += 1;
    return this.#mint(login);
  }

  check(accessToken: string): AccessCheck {
    const record = this.#access.get(accessToken);
    if (record === undefined) {
      return { ok: false, why: "unknown" };
    }
    if (record.revoked) {
      return { ok: false, why: "revoked" };
    }
    return this.#clock.now() >= record.expiresAtMs
      ? { ok: false, why: "expired" }
      : { ok: true, accountId: record.login.accountId };
  }

  isLiveRefresh(refreshToken: string): boolean {
    const login = this.#refresh.get(refreshToken);
    return (
      login !== undefined &&
      !login.ended &&
      login.refreshToken === refreshToken &&
      this.#clock.now() < login.refreshExpiresAtMs
    );
  }

  login(token: string): LoginView | undefined {
    const login = this.#refresh.get(token) ?? this.#access.get(token)?.login;
    return login && { ...login };
  }

  revoke(accessToken: string): void {
    const record = this.#access.get(accessToken);
    if (record !== undefined) {
      record.revoked = true;
    }
  }

  revokeAll(accountId: string): void {
    for (const record of this.#access.values()) {
      record.revoked ||= record.login.accountId === accountId;
    }
  }

  end(accountId: string): void {
    for (const login of this.#refresh.values()) {
      login.ended ||= login.accountId === accountId;
    }
  }

  #mint(login: Login): TokenReply {
    this.#serial += 1;
    const account = this.#account(login.accountId);
    const nowMs = this.#clock.now();
    const lifetimeS = account.accessTokenLifetimeS ?? this.#settings.accessTokenLifetimeS;
    const tail = `${account.id}-${this.#serial}-${this.#mark}`;
    const iat = Math.floor(nowMs / 1000);
    login.accessToken = account.jwtAccessTokens
      ? fakeJwt({
          user_id: account.id,
          client_id: CLIENT_ID,
          scope: "kimi-code",
          token_id: `standin-token-${tail}`,
          device_id: "standin-device",
          type: "access",
          iat,
          nbf: iat,
          exp: iat + lifetimeS,
        })
      : `standin-access-${tail}`;
    if (login.refreshToken === "" || this.#settings.rotatesRefreshToken) {
      login.refreshToken = `standin-refresh-${tail}`;
    }
    login.refreshExpiresAtMs = nowMs + this.#settings.refreshTokenLifetimeS * 1000;
    this.#access.set(login.accessToken, {
      login,
      expiresAtMs: nowMs + lifetimeS * 1000,
      revoked: false,
    });
    this.#refresh.set(login.refreshToken, login);
    return {
      access_token: login.accessToken,
      refresh_token: login.refreshToken,
      expires_in: lifetimeS,
      scope: "kimi-code",
      token_type: "Bearer",
    };
  }
}
