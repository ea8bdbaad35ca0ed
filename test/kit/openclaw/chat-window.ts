/** A chat window on a gateway, as the Control UI and the terminal UI are: it sends a message and shows how the turn ended. */
import { randomUUID } from "node:crypto";
import { type Access, connect } from "./gateway-client.ts";

/** How a turn ended. */
export interface ShownTurn {
  readonly ok: boolean;
  /** The reply, or the error that is shown in its place. */
  readonly text: string;
}

/** An open chat window. */
export interface ChatWindow {
  /** One turn; without a session it starts a new one. */
  say(message: string, session?: string): Promise<ShownTurn>;
  close(): Promise<void>;
}

interface ChatEvent {
  readonly runId?: string;
  readonly state?: string;
  readonly errorMessage?: string;
  readonly message?: { readonly content?: readonly { readonly text?: string }[] };
}

function shown({ state, errorMessage, message }: ChatEvent): ShownTurn | undefined {
  if (state === "error") {
    return { ok: false, text: errorMessage ?? "" };
  }
  return state === "final"
    ? { ok: true, text: (message?.content ?? []).flatMap(({ text }) => text ?? []).join("") }
    : undefined;
}

/** Opens a chat window on a running gateway. */
export async function openChatWindow(access: Access): Promise<ChatWindow> {
  const waiting = new Map<string, (turn: ShownTurn) => void>();
  const connection = await connect(access, ({ event, payload }) => {
    if (event === "chat") {
      const chat = payload as ChatEvent;
      const turn = shown(chat);
      if (turn !== undefined) {
        waiting.get(chat.runId ?? "")?.(turn);
      }
    }
  });
  return {
    say: async (message, session = `agent:main:${randomUUID()}`) => {
      const runId = randomUUID();
      const ended = Promise.withResolvers<ShownTurn>();
      waiting.set(runId, ended.resolve);
      await connection.request("chat.send", {
        sessionKey: session,
        message,
        idempotencyKey: runId,
      });
      return await ended.promise.finally(() => waiting.delete(runId));
    },
    close: connection.close,
  };
}
