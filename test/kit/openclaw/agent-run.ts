/** A run of the host in this process: the registered provider's hooks, in the host's order, around its real transports. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  removeProviderAuthProfilesWithLock,
  upsertAuthProfile,
} from "openclaw/plugin-sdk/provider-auth";
import type { ProviderPlugin } from "openclaw/plugin-sdk/plugin-entry";
import { vi } from "vitest";
import { processState } from "../../../src/process-state.ts";
import { homeFor, writeLogin } from "../logins.ts";
import type { StandIn } from "../standin/server.ts";
import type { JsonObject } from "./layout.ts";
import { registeredProvider } from "./provider.ts";
import { type Answer, type Context, hostTransport, type StreamFn } from "./transports.ts";

type Hook<K extends keyof ProviderPlugin> = NonNullable<ProviderPlugin[K]>;
type Model = Parameters<StreamFn>[0];

/** How a model is called. */
export interface CallSetup {
  readonly modelId: string;
  /** The host's level; without one the default of the model's thinking profile. */
  readonly level?: string;
  readonly profileId?: string;
  readonly options?: JsonObject;
  /** True for the host's helper calls, which have a hook of their own and no thinking level. */
  readonly simple?: boolean;
}

/** An installation with logins, and the host's way from a model's name to its answer. */
export class AgentRuns implements AsyncDisposable {
  readonly provider = registeredProvider();
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Makes an empty installation; its state is this test's own. */
  static async create(): Promise<AgentRuns> {
    const folder = await mkdtemp(path.join(tmpdir(), "kimi-runs-"));
    vi.stubEnv("OPENCLAW_STATE_DIR", path.join(folder, "state"));
    // What is kept for the rest of a turn belongs to the installation before this one.
    processState("bindings", () => new Map()).clear();
    return new AgentRuns(folder);
  }

  /** Signs in at a stand-in, as the account with this id; the tokens were issued `ageMs` ago. */
  async signIn(
    standIn: StandIn,
    profileId = "kimi-code:default",
    account?: string,
    ageMs = 0,
  ): Promise<void> {
    const home = homeFor("kimi-code-cli", path.join(this.#folder, profileId), standIn);
    await writeLogin(home, standIn.issueLogin(account), { issuedAtMs: Date.now() - ageMs });
    upsertAuthProfile({
      profileId,
      credential: {
        type: "oauth",
        provider: "kimi-code",
        access: "none",
        refresh: "none",
        expires: 1,
        authFlow: `${home.kind}:${home.slot}@${home.dir}`,
        issuer: standIn.oauthHost,
        enterpriseUrl: standIn.apiBase,
      },
    });
  }

  /** Signs out of all logins: the profiles go. */
  async signOut(): Promise<void> {
    await removeProviderAuthProfilesWithLock({ provider: "kimi-code" });
    processState("bindings", () => new Map()).clear();
  }

  #profile(modelId: string, stated: Pick<Model, "reasoning" | "compat"> | undefined) {
    const context = { provider: "kimi-code", modelId, ...stated };
    return this.provider.resolveThinkingProfile?.(
      context as Parameters<Hook<"resolveThinkingProfile">>[0],
    );
  }

  /** The levels of `/think`, from the row that the host holds, if it holds one. */
  levels(modelId: string, stated?: Pick<Model, "reasoning" | "compat">): string[] {
    return (this.#profile(modelId, stated)?.levels ?? []).map(({ id }) => id);
  }

  /** The run's model, as the host resolves it. */
  async model(modelId: string, profileId = "kimi-code:default"): Promise<Model> {
    const context = { provider: "kimi-code", modelId, authProfileId: profileId };
    await this.provider.prepareDynamicModel?.(
      context as unknown as Parameters<Hook<"prepareDynamicModel">>[0],
    );
    const model = this.provider.resolveDynamicModel?.(
      context as unknown as Parameters<Hook<"resolveDynamicModel">>[0],
    );
    const auth = await this.provider.prepareRuntimeAuth?.({
      profileId,
      model,
    } as unknown as Parameters<Hook<"prepareRuntimeAuth">>[0]);
    return {
      ...model,
      baseUrl: auth?.baseUrl,
      headers: auth?.request?.headers,
    } as unknown as Model;
  }

  /** Makes one model call, to its end. */
  async call(
    context: Context,
    { modelId, level, profileId, options, simple }: CallSetup,
  ): Promise<Answer> {
    const thinkingLevel =
      simple === true ? undefined : (level ?? this.#profile(modelId, undefined)?.defaultLevel);
    const model = await this.model(modelId, profileId);
    const hook =
      simple === true ? this.provider.wrapSimpleCompletionStreamFn : this.provider.wrapStreamFn;
    const wrapped = hook?.({
      provider: "kimi-code",
      modelId,
      thinkingLevel,
      streamFn: await hostTransport(model.api),
    } as unknown as Parameters<Hook<"wrapStreamFn">>[0]);
    if (wrapped === undefined || wrapped === null) {
      throw new Error("the provider wrapped no stream function");
    }
    const callOptions = { apiKey: "of the run", sessionId: "session-1", reasoning: thinkingLevel };
    const stream = await wrapped(model, context, { ...callOptions, ...options } as never);
    for await (const _event of stream) {
      // The host reads every event.
    }
    return await stream.result();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    vi.unstubAllEnvs();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
