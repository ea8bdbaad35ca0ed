/**
 * Images and videos that go to Kimi's `POST /files` and not into a request, as the Kimi Code CLI sends
 * them. The same bytes get the same id in each later call of the account, so that the beginning of a
 * prompt stays what the server has in its cache.
 */

import { createHash } from "node:crypto";
import path from "node:path";
import { z } from "zod";
import { readNote, writeNote } from "../host/state.ts";
import { parseJson } from "../json.ts";
import { processState } from "../process-state.ts";
import type { BoundLogin } from "../profiles/bound-login.ts";
import { accountIdFromToken } from "../protocol/account-id.ts";
import type { MediaPart } from "./media.ts";

/** Longest time that a model call waits for its uploads, in ms; OpenClaw gives up on a call after 60 s at the soonest. */
const UPLOAD_LIMIT_MS = 45_000;
/** How long none is tried after one that failed for no fault of its file, in ms. */
const PAUSE_MS = 5 * 60_000;
/** Most uploads at a time. */
const MAX_PARALLEL = 3;
/** Most ids that are kept for an account; the oldest go. Kimi keeps 1,000 files of a user (platform.kimi.ai, "Upload file"). */
const MAX_KEPT = 500;

const FOLDER = "uploads";
const VERSION = 1;

/** What goes into an address (the Kimi Code CLI's rule). */
const idSchema = z
  .string()
  .max(256)
  .regex(/^[A-Za-z0-9][\w.-]*$/);
const responseSchema = z.object({ id: idSchema });
/** Ids by the SHA-256 of what was uploaded, the oldest first. */
const noteSchema = z.object({
  version: z.literal(VERSION),
  files: z.record(z.string(), idSchema.optional().catch(undefined)),
});

/** What is known of an account's files. */
interface AccountFiles {
  readonly name: string;
  readonly ids: Map<string, string>;
  /** What Kimi refuses, by its hash. */
  readonly refused: Set<string>;
  /** ms since the epoch */
  pausedUntilMs: number;
}

async function load(name: string): Promise<AccountFiles> {
  const stored = noteSchema.safeParse(await readNote(name)).data?.files ?? {};
  const ids = Object.entries(stored).flatMap(([hash, id]): [string, string][] =>
    id === undefined ? [] : [[hash, id]],
  );
  return { name, ids: new Map(ids), refused: new Set(), pausedUntilMs: 0 };
}

async function save({ name, ids }: AccountFiles): Promise<void> {
  for (const hash of [...ids.keys()].slice(0, -MAX_KEPT)) {
    ids.delete(hash);
  }
  await writeNote(name, { version: VERSION, files: Object.fromEntries(ids) });
}

/** Name endings where they differ from the type's. */
const FILE_EXTENSIONS: Readonly<Record<string, string | undefined>> = {
  "image/jpeg": "jpg",
  "video/quicktime": "mov",
  "video/x-matroska": "mkv",
  "video/x-msvideo": "avi",
  "video/x-flv": "flv",
  "video/3gpp": "3gp",
};

function fileName(mimeType: string): string {
  const ending = FILE_EXTENSIONS[mimeType] ?? /^\w+\/([\w-]+)$/.exec(mimeType)?.[1] ?? "bin";
  return `upload.${ending}`;
}

/** The form of an upload, as Node itself writes it. */
async function formOf({ type, data, mimeType }: MediaPart) {
  const form = new FormData();
  const file = new Blob([Buffer.from(data, "base64")], { type: mimeType });
  form.set("file", file, fileName(mimeType));
  form.set("purpose", type);
  const encoded = new Response(form);
  return {
    contentType: encoded.headers.get("content-type") ?? "",
    body: new Uint8Array(await encoded.arrayBuffer()),
  };
}

/** Statuses that are about the file: it is not sent again. */
const REFUSED_FILE_STATUSES: ReadonlySet<number> = new Set([400, 413, 415, 422]);

/** The uploads of one model call. */
export class Uploads {
  readonly #login: BoundLogin;
  #files: Promise<AccountFiles> | undefined;
  /** Hashes of what this call has uploaded. */
  readonly #fresh = new Set<string>();

  constructor(login: BoundLogin) {
    this.#login = login;
  }

  /** What is known of the account's files; two logins of one account share it. */
  async #account(signal?: AbortSignal): Promise<AccountFiles> {
    const { accountId, home, key } = this.#login;
    const account =
      accountId ?? accountIdFromToken((await this.#login.access({ signal })).accessToken) ?? key;
    const name = `${hashOf(`${home.endpoints.apiBase}\0${account}`).slice(0, 12)}.json`;
    const known = processState("uploads", () => new Map<string, Promise<AccountFiles>>());
    this.#files ??= known.get(name) ?? load(path.join(FOLDER, name));
    known.set(name, this.#files);
    return await this.#files;
  }

  /**
   * Uploads what is not at Kimi yet, the newest first, and gives the ids of what is there. An upload that
   * fails is no error; what is not there in time has no id.
   *
   * @throws KimiError when the login gives no token; the signal's reason when it fired
   */
  async idsOf(
    parts: readonly MediaPart[],
    signal: AbortSignal | undefined,
  ): Promise<ReadonlyMap<MediaPart, string>> {
    if (parts.length === 0) {
      return new Map();
    }
    const account = await this.#account(signal);
    const hashes = new Map(parts.map((part) => [part, hashOf(`${part.mimeType}\0${part.data}`)]));
    const missing = new Map<string, MediaPart>();
    for (const [part, hash] of [...hashes].toReversed()) {
      if (!account.ids.has(hash) && !account.refused.has(hash)) {
        missing.set(hash, part);
      }
    }
    if (missing.size > 0 && Date.now() >= account.pausedUntilMs) {
      await this.#upload(account, missing, signal);
    }
    return new Map(
      [...hashes].flatMap(([part, hash]): [MediaPart, string][] => {
        const id = account.ids.get(hash);
        return id === undefined ? [] : [[part, id]];
      }),
    );
  }

  /** Forgets ids that Kimi refuses. What this very call has uploaded is not uploaded again. */
  async forget(ids: readonly string[]): Promise<void> {
    const account = await this.#account();
    for (const [hash, id] of account.ids) {
      if (ids.includes(id)) {
        account.ids.delete(hash);
        if (this.#fresh.has(hash)) {
          account.refused.add(hash);
        }
      }
    }
    await save(account);
  }

  async #upload(
    account: AccountFiles,
    missing: ReadonlyMap<string, MediaPart>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const late = AbortSignal.timeout(UPLOAD_LIMIT_MS);
    const ended = signal === undefined ? late : AbortSignal.any([signal, late]);
    const open = missing.entries();
    const work = async (): Promise<void> => {
      for (const [hash, part] of open) {
        if (Date.now() < account.pausedUntilMs) {
          return;
        }
        const outcome = await this.#send(part, ended);
        if (typeof outcome === "string") {
          account.ids.set(hash, outcome);
          this.#fresh.add(hash);
        } else if (outcome.isRefused) {
          account.refused.add(hash);
        } else {
          account.pausedUntilMs = signal?.aborted === true ? 0 : Date.now() + PAUSE_MS;
        }
      }
    };
    await Promise.all(Array.from({ length: MAX_PARALLEL }, work));
    if (this.#fresh.size > 0) {
      await save(account);
    }
    signal?.throwIfAborted();
  }

  /** Sends one file; its id, or whether Kimi refuses it. */
  async #send(
    part: MediaPart,
    signal: AbortSignal,
  ): Promise<string | { readonly isRefused: boolean }> {
    try {
      const { contentType, body } = await formOf(part);
      const { status, text } = await this.#login.request({
        method: "POST",
        path: "/files",
        headers: { Accept: "application/json", "Content-Type": contentType },
        body,
        timeoutMs: UPLOAD_LIMIT_MS,
        signal,
      });
      const response = responseSchema.safeParse(parseJson(text)).data;
      return status >= 200 && status < 300 && response !== undefined
        ? response.id
        : { isRefused: REFUSED_FILE_STATUSES.has(status) };
    } catch {
      return { isRefused: false };
    }
  }
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
