/**
 * The one door between the host's profiles and our logins: a login, together with the account that
 * its profile expects. Surfaces hold a `BoundLogin` and never touch a home.
 */

import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { OpenClawConfig } from "openclaw/plugin-sdk/provider-auth";
import { DEFAULT_PROFILE_ID } from "../constants.ts";
import { noticeOnce, requestHeaders } from "../host/installation.ts";
import { isLongLived } from "../host/lifetime.ts";
import { hasTokens, type OAuthProfile } from "../host/profile-shape.ts";
import { providerAuthSdk } from "../host/sdk.ts";
import { parseJson } from "../json.ts";
import { type AnswerFacts, answers, ofProfile, type ProfileName } from "../messages.ts";
import { checkAccount } from "../logins/account-check.ts";
import { type Credential, fingerprint } from "../logins/credential.ts";
import type { Home } from "../logins/homes.ts";
import { type Login, openLogin } from "../logins/login.ts";
import { bringBack } from "../logins/openclaw-home-removal.ts";
import { notePersonalAccount, noteStore } from "../logins/openclaw-home-notes.ts";
import { LOGIN_SLOT } from "../logins/openclaw-slots.ts";
import { adoptPersonalAccount, awaitsAdoption } from "../logins/personal-home.ts";
import { type AnswerKind, classifyResponse } from "../protocol/api-errors.ts";
import { siteOf } from "../protocol/endpoints.ts";
import { KimiError } from "../protocol/errors.ts";
import { exchange, type HttpRequest, type HttpResponse } from "../protocol/http.ts";
import { accountMemory, noteIfEnded } from "./login-notes.ts";
import {
  accountName,
  firstProfile,
  hasSeveralProfiles,
  homeOfProfile,
  readProfile,
} from "./profiles.ts";

/** A request below the login's API base. */
export interface ApiRequest extends Omit<HttpRequest, "url"> {
  /** Path with its leading slash, e.g. `/models`. */
  readonly path: string;
}

/** What a caller of {@link BoundLogin.access} wants beside a token that is good now. */
export interface BoundAccessOptions {
  readonly signal?: AbortSignal | undefined;
  /** A token that Kimi just rejected. */
  readonly rejectedAccessToken?: string | undefined;
}

/** Where a profile was read. */
interface ProfileSource {
  readonly profile: OAuthProfile;
  readonly profileId?: string | undefined;
  readonly agentDir?: string | undefined;
}

/** A login and the account that it must belong to. */
export class BoundLogin {
  readonly home: Home;
  readonly accountId: string | undefined;
  /** Names the login where its home or account must not be spelled out: in file and header names. */
  readonly key: string;
  readonly #source: ProfileSource | undefined;
  /** What {@link ofRun} keeps of the source. */
  #named: ProfileSource | undefined;
  #opened: Login | undefined;

  constructor(home: Home, accountId?: string, source?: ProfileSource) {
    this.home = home;
    this.accountId = accountId;
    this.key = fingerprint(`${home.file}\0${home.endpoints.apiBase}\0${accountId ?? ""}`).slice(
      0,
      12,
    );
    this.#source = source;
    this.#named = source;
  }

  /** The same login for the calls of a run, which must not bring back what is signed out since. */
  ofRun(): BoundLogin {
    const login = new BoundLogin(this.home, this.accountId);
    login.#named = this.#named;
    return login;
  }

  /** The profile that this login was found by; a person's own account has none that others see. */
  #profileName(): ProfileName | undefined {
    const { profile, profileId, agentDir } = this.#named ?? {};
    const isPersonal = this.home.kind === "openclaw" && !LOGIN_SLOT.test(this.home.slot);
    return profileId === undefined || isPersonal
      ? undefined
      : {
          profileId,
          isDefault: profileId === DEFAULT_PROFILE_ID,
          label: profile === undefined ? undefined : accountName(this.home, profile),
          isOneOfSeveral: hasSeveralProfiles(agentDir),
        };
  }

  /** A sentence about this login, with the account where there are several, and for its own profile. */
  named(sentence: string): string {
    const name = this.#profileName();
    return name === undefined ? sentence : ofProfile(sentence, name);
  }

  /** Whose login it is, where there are several. */
  account(): string | undefined {
    const name = this.#profileName();
    return name?.isOneOfSeveral === true ? (name.label ?? name.profileId) : undefined;
  }

  get #login(): Login {
    this.#opened ??= openLogin(this.home, {
      accounts: accountMemory(new BoundLogin(this.home).key),
      headers: requestHeaders,
      notice: noticeOnce,
      now: Date.now,
      sleep: async (ms) => {
        await sleep(ms);
      },
    });
    return this.#opened;
  }

  /**
   * Makes the home of a profile ready for use: one that was put aside comes back, a personal account
   * gets its home, and the store that names the home is noted. Costs two `stat`s when there is
   * nothing to do.
   *
   * @throws KimiError `home_not_writable` when a personal account's home cannot be made
   */
  claim(): void {
    const { home } = this;
    if (this.#source === undefined || home.kind !== "openclaw") {
      return;
    }
    const { profile, profileId, agentDir } = this.#source;
    bringBack(home);
    if (hasTokens(profile) && awaitsAdoption(home)) {
      adoptPersonalAccount(home, profile);
    }
    if (profileId !== undefined) {
      notePersonalAccount(home, profileId);
      if (LOGIN_SLOT.test(home.slot) && existsSync(home.file)) {
        noteStore(home, agentDir, true);
      }
    }
  }

  /**
   * Gives the login's tokens, renewed when that is due. When Kimi has ended the login, that is noted
   * for `openclaw doctor`.
   *
   * @throws KimiError in plain words
   */
  async access({ signal, rejectedAccessToken }: BoundAccessOptions = {}): Promise<Credential> {
    this.claim();
    try {
      return await this.#login.access({
        accountId: this.accountId,
        background: isLongLived(),
        rejectedAccessToken,
        signal,
      });
    } catch (error) {
      await noteIfEnded(error, this);
      throw error;
    }
  }

  /**
   * The tokens that the home holds now, without a request.
   *
   * @throws KimiError when there are none, or none of this account
   */
  current(): Credential {
    const credential = this.#login.current();
    checkAccount(this.home, credential, this.accountId);
    return credential;
  }

  /** Remembers whose tokens these are. */
  async noteAccount(credential: Credential, accountId: string | undefined): Promise<void> {
    await this.#login.noteAccount(credential, accountId);
  }

  /**
   * Sends a request with the login's bearer and this plugin's identity. When Kimi rejects the bearer,
   * it is refreshed and the request is sent once more.
   *
   * @throws KimiError when there is no bearer or no response; any status is a response
   */
  async request({ path, headers, ...request }: ApiRequest): Promise<HttpResponse> {
    const send = async (token: string): Promise<HttpResponse> =>
      await exchange({
        ...request,
        url: `${this.home.endpoints.apiBase}${path}`,
        headers: { ...(await requestHeaders()), ...headers, Authorization: `Bearer ${token}` },
      });
    const { signal } = request;
    const { accessToken } = await this.access({ signal });
    const response = await send(accessToken);
    if (classifyResponse(response.status, response.text) !== "rejected_bearer") {
      return response;
    }
    const renewed = await this.access({ signal, rejectedAccessToken: accessToken });
    return renewed.accessToken === accessToken ? response : await send(renewed.accessToken);
  }

  /**
   * Sends a GET and reads its JSON.
   *
   * @returns `undefined` for a success that is not JSON
   * @throws KimiError in plain words for any refusal
   */
  async getJson(
    path: string,
    limits: Pick<HttpRequest, "timeoutMs" | "maxBytes" | "signal">,
  ): Promise<unknown> {
    const accept = { Accept: "application/json" };
    const { status, text } = await this.request({
      method: "GET",
      path,
      headers: accept,
      ...limits,
    });
    const kind = classifyResponse(status, text);
    if (kind !== undefined) {
      const code = kind === "rejected_bearer" ? "login_ended" : "refused";
      throw new KimiError(code, this.explain(kind, { status }), { status });
    }
    return status === 200 ? parseJson(text) : undefined;
  }

  /** The sentence for an answer of Kimi's API to this login. */
  explain(kind: AnswerKind, facts: Omit<AnswerFacts, "site" | "owner"> = {}): string {
    const { kind: owner, endpoints } = this.home;
    return answers[kind]({ ...facts, site: siteOf(endpoints), owner });
  }
}

/**
 * Binds a profile to its login. Writes nothing.
 *
 * @throws KimiError when the profile does not name a home that can be used
 */
export function bindProfile(
  profile: OAuthProfile,
  place: Omit<ProfileSource, "profile"> = {},
): BoundLogin {
  return new BoundLogin(homeOfProfile(profile, process.env), profile.accountId, {
    ...place,
    profile,
  });
}

/**
 * Finds the login of a profile, or of this provider's first profile when none is named.
 *
 * The tokens in the profile do not matter: even behind a fence it says where its home is.
 *
 * @returns `undefined` without a profile that names a home
 */
export function bindLogin(
  agentDir: string | undefined,
  profileId: string | undefined,
  config?: OpenClawConfig,
): BoundLogin | undefined {
  try {
    if (profileId === undefined) {
      const first = firstProfile(agentDir, config);
      return first === undefined
        ? undefined
        : bindProfile(first[1], { agentDir, profileId: first[0] });
    }
    const profile = readProfile(agentDir, profileId);
    return profile === undefined ? undefined : bindProfile(profile, { agentDir, profileId });
  } catch {
    return undefined;
  }
}

/**
 * Finds the login that an access token is of, where a hook of the host is told no more than that: among
 * the profiles that all agents share, or else the first one.
 */
export function loginOfToken(accessToken: string): BoundLogin | undefined {
  const store = providerAuthSdk().ensureAuthProfileStore(undefined, { allowKeychainPrompt: false });
  for (const profileId of Object.keys(store.profiles)) {
    const login = bindLogin(undefined, profileId);
    try {
      if (login?.current().accessToken === accessToken) {
        return login;
      }
    } catch {
      // Without tokens it is not the one.
    }
  }
  return bindLogin(undefined, undefined);
}
