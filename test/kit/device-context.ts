/** A host's side of a sign-in: what it is told, shown and asked. */
import type { ProviderAuthContext } from "openclaw/plugin-sdk/provider-auth";

/** What the user saw and answered, in the order of events. */
export interface Seen {
  /** `note: …`, `code: …`, `open: …`, `ask: …`, `progress: …`, `stop: …` */
  readonly events: string[];
}

/** How the sign-in was started. */
export interface Surface {
  readonly agentDir?: string | undefined;
  readonly config?: ProviderAuthContext["config"];
  readonly env?: NodeJS.ProcessEnv;
  readonly credentialOnly?: boolean;
  readonly isRemote?: boolean;
  /** The prompter can show a code by itself, as the Control UI's can. */
  readonly showsCodes?: boolean;
  /** Answers to questions, by a part of the question. */
  readonly answers?: Readonly<Record<string, unknown>>;
  readonly signal?: AbortSignal;
  readonly assertCurrent?: () => void;
}

/** Makes the context of a sign-in, and a record of what the user sees of it. */
export function surface(how: Surface): { ctx: ProviderAuthContext; seen: Seen } {
  const events: string[] = [];
  const answer = async (question: string): Promise<unknown> => {
    events.push(`ask: ${question}`);
    const known = Object.entries(how.answers ?? {}).find(([part]) => question.includes(part));
    if (known === undefined) {
      throw new Error(`nobody answers: ${question}`);
    }
    return known[1];
  };
  const prompter = {
    note: async (message: string, title?: string) =>
      void events.push(`note: ${title ?? ""}\n${message}`),
    select: async ({ message }: { message: string }) => await answer(message),
    confirm: async ({ message }: { message: string }) => await answer(message),
    progress: (label: string) => {
      events.push(`progress: ${label}`);
      return {
        update: (message: string) => void events.push(`progress: ${message}`),
        stop: (message?: string) => void events.push(`stop: ${message ?? ""}`),
      };
    },
    ...(how.showsCodes === true
      ? {
          openUrl: async () => undefined,
          deviceCode: async (shown: {
            title: string;
            code: string;
            expiresInMinutes?: number;
            message?: string;
          }) =>
            void events.push(
              `code: ${shown.code}, ${shown.expiresInMinutes ?? 0} minutes\n${shown.message ?? ""}`,
            ),
        }
      : {}),
  };
  const ctx = {
    config: how.config ?? {},
    prompter,
    isRemote: how.isRemote ?? true,
    openUrl: async (url: string) => void events.push(`open: ${url}`),
    runtime: { log: () => undefined, error: () => undefined, exit: () => undefined },
    ...("agentDir" in how ? { agentDir: how.agentDir } : {}),
    ...(how.env === undefined ? {} : { env: how.env }),
    ...(how.credentialOnly === undefined ? {} : { credentialOnly: how.credentialOnly }),
    ...(how.signal === undefined ? {} : { signal: how.signal }),
    ...(how.assertCurrent === undefined ? {} : { assertCurrent: how.assertCurrent }),
  };
  return { ctx: ctx as unknown as ProviderAuthContext, seen: { events } };
}
