/**
 * Telegram's Bot API on loopback, as far as a private chat needs it: the host's own channel runs against it, and a
 * test sees what a person would. Shapes: https://core.telegram.org/bots/api.
 */
import { EventEmitter, once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { JsonObject } from "./layout.ts";

/** Longest that a call for updates is held, ms; a client asks for as many as 50 s. */
const LONGEST_POLL_MS = 10_000;
const BOT = { id: 1, is_bot: true, first_name: "Bot", username: "standin_bot" };
const TOKEN = `${BOT.id}:token-of-a-test-bot`;

/** The service, and what the bot said. */
export interface Telegram extends AsyncDisposable {
  /** Members of the config that connect a host's bot; only `owners` may give commands to it. */
  config(owners: readonly number[], members: readonly number[]): JsonObject;
  /** A person writes to the bot. */
  write(person: number, message: string): void;
  /** Waits until the bot has said this to a person in one message; gives that message with its buttons, as JSON. */
  heard(person: number, part: string, timeoutMs?: number): Promise<string>;
}

/** Starts the service. */
export async function startTelegram(): Promise<Telegram> {
  const events = new EventEmitter();
  const said: { person: number; text: string }[] = [];
  const updates: { update_id: number }[] = [];
  let ids = 1;

  const updatesFrom = async (offset: number, timeoutS: number): Promise<JsonObject[]> => {
    const open = (): JsonObject[] => updates.filter(({ update_id: id }) => id >= offset);
    if (open().length === 0) {
      const late = AbortSignal.timeout(Math.min(timeoutS * 1000, LONGEST_POLL_MS));
      await once(events, "update", { signal: late }).catch(() => undefined);
    }
    return open();
  };

  const answer = async (method: string, params: JsonObject): Promise<unknown> => {
    if (method === "getMe") {
      return BOT;
    }
    if (method === "getUpdates") {
      return await updatesFrom(Number(params["offset"] ?? 0), Number(params["timeout"] ?? 0));
    }
    if (method === "getWebhookInfo") {
      return { url: "", has_custom_certificate: false, pending_update_count: 0 };
    }
    if (/^(?:send\w*Message|editMessageText)$/u.test(method)) {
      const person = Number(params["chat_id"]);
      const message = JSON.stringify(params);
      said.push({ person, text: message });
      events.emit("said");
      return { message_id: ids++, date: now(), chat: chatWith(person), from: BOT, text: message };
    }
    return true;
  };

  const server = createServer((request, response) => {
    void (async () => {
      const [, token, method = ""] = /^\/bot([^/]+)\/(\w+)/u.exec(request.url ?? "") ?? [];
      const known = token === TOKEN;
      const reply = known
        ? { ok: true, result: await answer(method, await paramsOf(request)) }
        : { ok: false, error_code: 401, description: "Unauthorized" };
      response.writeHead(known ? 200 : 401, { "content-type": "application/json" });
      response.end(JSON.stringify(reply));
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;

  return {
    config: (owners, members) => ({
      commands: { ownerAllowFrom: owners.map((id) => `telegram:${id}`) },
      channels: {
        telegram: {
          enabled: true,
          botToken: TOKEN,
          apiRoot: `http://127.0.0.1:${port}`,
          dmPolicy: "allowlist",
          allowFrom: members.map(String),
        },
      },
    }),
    write: (person, message) => {
      const update = {
        update_id: ids++,
        message: {
          message_id: ids++,
          date: now(),
          chat: chatWith(person),
          from: { id: person, is_bot: false, first_name: `Person ${person}` },
          text: message,
          entities: /^\/\w+/u.test(message)
            ? [{ type: "bot_command", offset: 0, length: message.split(" ", 1).join("").length }]
            : [],
        },
      };
      updates.push(update);
      events.emit("update");
    },
    heard: async (person, part, timeoutMs = 30_000) => {
      const late = AbortSignal.timeout(timeoutMs);
      for (;;) {
        const found = said.find((one) => one.person === person && one.text.includes(part));
        if (found !== undefined) {
          return found.text;
        }
        await once(events, "said", { signal: late }).catch(() => {
          throw new Error(`the bot did not say ${part}, but:\n${JSON.stringify(said, null, 2)}`);
        });
      }
    },
    [Symbol.asyncDispose]: async () => {
      events.emit("update");
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}

function chatWith(person: number): JsonObject {
  return { id: person, type: "private", first_name: `Person ${person}` };
}

/** A call's parameters, from its JSON body or its query. */
async function paramsOf(request: IncomingMessage): Promise<JsonObject> {
  const query = new URL(request.url ?? "", "http://127.0.0.1").searchParams;
  const body = await text(request);
  return {
    ...Object.fromEntries(query),
    ...(body.startsWith("{") ? (JSON.parse(body) as JsonObject) : {}),
  };
}
