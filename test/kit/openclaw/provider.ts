/** The provider as the host gets it: registered by the plugin's entry, called through its methods. */
import type { ProviderPlugin } from "openclaw/plugin-sdk/plugin-entry";
import entry from "../../../src/index.ts";

/** A call of the host's API during `register`. */
export interface Registration {
  /** The method, such as `registerProvider`; the host's hooks are `on`. */
  readonly method: string;
  readonly args: readonly unknown[];
}

/** Registers the plugin, and gives every call that it makes for it. */
export function registrations(registrationMode: "discovery" | "full"): Registration[] {
  const made: Registration[] = [];
  const api = new Proxy(
    { registrationMode },
    {
      get: (target, name) =>
        Reflect.get(target, name) ??
        // What is asked of the host is an object, and what is told to it a method; one fake is both.
        Object.assign(
          (...args: unknown[]) => {
            made.push({ method: String(name), args });
          },
          { onDispose: () => () => undefined },
        ),
      has: () => true,
    },
  );
  entry.register?.(api as unknown as Parameters<NonNullable<typeof entry.register>>[0]);
  return made;
}

/** Registers the plugin as a discovery load does, and gives the provider that it registers. */
export function registeredProvider(): ProviderPlugin {
  const made = registrations("discovery").find(({ method }) => method === "registerProvider");
  if (made === undefined) {
    throw new Error("the plugin registered no provider");
  }
  return made.args[0] as ProviderPlugin;
}

type Api = Parameters<NonNullable<typeof entry.register>>[0];

/** The web tools that the plugin registers. */
export interface WebProviders {
  readonly search: Parameters<Api["registerWebSearchProvider"]>[0];
  readonly fetch: Parameters<Api["registerWebFetchProvider"]>[0];
}

/** Registers the plugin as a discovery load does, and gives its web tools. */
export function registeredWebProviders(): WebProviders {
  const found: Partial<Record<keyof WebProviders, unknown>> = {};
  const api = new Proxy(
    {
      registrationMode: "discovery",
      registerWebSearchProvider: (provider: unknown) => void (found.search = provider),
      registerWebFetchProvider: (provider: unknown) => void (found.fetch = provider),
    },
    { get: (target, name) => Reflect.get(target, name) ?? (() => undefined) },
  );
  entry.register?.(api as unknown as Api);
  return found as unknown as WebProviders;
}

/** What a non-interactive sign-in said and did. */
export interface SignInOutcome {
  readonly config: unknown;
  readonly errors: readonly string[];
  readonly logs: readonly string[];
  readonly exitCode: number | undefined;
}

type SignInHook = NonNullable<ProviderPlugin["auth"][number]["runNonInteractive"]>;

/** Runs an auth method of the registered provider, or one's own, as `onboard --non-interactive` does. */
export async function signInNonInteractively(
  how: string | SignInHook,
  agentDir: string,
  opts: Readonly<Record<string, unknown>> = {},
): Promise<SignInOutcome> {
  const run =
    typeof how === "string"
      ? registeredProvider().auth.find(({ id }) => id === how)?.runNonInteractive
      : how;
  const errors: string[] = [];
  const logs: string[] = [];
  let exitCode: number | undefined;
  const context = {
    config: {},
    baseConfig: {},
    opts,
    agentDir,
    runtime: {
      log: (text: string) => logs.push(text),
      error: (text: string) => errors.push(text),
      exit: (code: number) => {
        exitCode = code;
      },
    },
  };
  const config = await run?.(context as unknown as Parameters<SignInHook>[0]);
  return { config, errors, logs, exitCode };
}
