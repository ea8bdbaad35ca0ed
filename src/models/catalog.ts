/**
 * The live catalog: what the account of a login may use now, from `GET /models`.
 *
 * When the server cannot be asked, the login's last good list serves; where there is none, the static
 * rows do.
 */

import type { ProviderPlugin } from "openclaw/plugin-sdk/plugin-entry";
import { say } from "../messages.ts";
import { PROVIDER_ID } from "../constants.ts";
import { isHidden, settingsOf } from "../host/settings.ts";
import { isLongLived } from "../host/lifetime.ts";
import { bindLogin, type BoundLogin } from "../profiles/bound-login.ts";
import { isKimiError, KimiError, type KimiErrorCode } from "../protocol/errors.ts";
import { processState } from "../process-state.ts";
import { bindForTurn } from "./known.ts";
import { type ModelList, readModelList, writeModelList } from "./store.ts";
import { type ModelRow, providerEntry, STATIC_MODELS } from "./models.ts";
import { parseModels } from "./model-list.ts";

type CatalogContext = Parameters<NonNullable<ProviderPlugin["catalog"]>["run"]>[0];
type CatalogResult = Awaited<ReturnType<NonNullable<ProviderPlugin["catalog"]>["run"]>>;
type DynamicContext = Parameters<NonNullable<ProviderPlugin["prepareDynamicModel"]>>[0];

/** Time limit for the list, in ms; the first turn of a new login waits for it. */
const TIMEOUT_MS = 8_000;
/** Largest list read, in bytes. */
const MAX_BYTES = 2 * 1024 * 1024;
/** Age from which a list is asked for again while it serves, in ms. */
const REFRESH_AFTER_MS = 6 * 60 * 60_000;
/** How long a failed request keeps a turn from trying again, in ms. */
const RETRY_AFTER_MS = 60_000;

/** Requests under way, and when the last one failed, by login. */
function listRequests() {
  return processState("models", () => ({
    flights: new Map<string, Promise<ModelList>>(),
    failedAt: new Map<string, number>(),
  }));
}

/** Codes that mean Kimi or the login said no, as opposed to the server not being reachable. */
const REJECTED_LOGIN_CODES: ReadonlySet<KimiErrorCode> = new Set(["login_ended", "login_revoked"]);

async function requestList(login: BoundLogin): Promise<ModelList> {
  const limits = { timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES };
  const models = parseModels(await login.getJson("/models", limits));
  if (models === undefined) {
    const { host } = new URL(login.home.endpoints.apiBase);
    throw new KimiError("bad_reply", say.notModels({ host }));
  }
  return { fetchedAtMs: Date.now(), models };
}

/**
 * Asks for a login's list, once at a time, and keeps it.
 *
 * @throws KimiError; the last good list is untouched then
 */
async function refreshModelList(login: BoundLogin): Promise<ModelList> {
  const { key } = login;
  const { flights, failedAt } = listRequests();
  const running = flights.get(key);
  if (running !== undefined) {
    return await running;
  }
  const flight = (async () => {
    try {
      const list = await requestList(login);
      failedAt.delete(key);
      await writeModelList(key, list);
      return list;
    } catch (error) {
      failedAt.set(key, Date.now());
      throw error;
    } finally {
      flights.delete(key);
    }
  })();
  flights.set(key, flight);
  return await flight;
}

/**
 * The host's catalog hook: the live list, else the last good one, else the static rows.
 *
 * @returns `null` without a login; the host then asks for the static catalog itself
 */
export async function runCatalog(ctx: CatalogContext): Promise<CatalogResult> {
  const { profileId } = ctx.resolveProviderAuth(PROVIDER_ID);
  const login = bindLogin(ctx.agentDir, profileId, ctx.config);
  if (login === undefined) {
    return null;
  }
  const hidden = settingsOf(ctx.config);
  const entry = (rows: readonly ModelRow[]) =>
    providerEntry(
      rows.filter((row) => !isHidden(row.id, hidden)),
      login.home.endpoints.apiBase,
    );
  const outcome = { provider: PROVIDER_ID, ...(profileId === undefined ? {} : { profileId }) };
  try {
    const list = await refreshModelList(login);
    return { provider: entry(list.models), outcomes: [{ ...outcome, status: "ready" }] };
  } catch (error) {
    const rejected = isKimiError(error) && REJECTED_LOGIN_CODES.has(error.code);
    const outcomes = [
      rejected
        ? { ...outcome, status: "auth-rejected" as const, rejectionScope: "catalog" as const }
        : { ...outcome, status: "unavailable" as const },
    ];
    const last = readModelList(login.key);
    // An empty result would count as an account without models; the host adds no rows of its own.
    return { provider: entry(last?.models ?? STATIC_MODELS), outcomes };
  }
}

/** Makes sure that a run knows its model: a list that is missing is asked for, an old one renewed. */
export async function prepareDynamicModel(ctx: DynamicContext): Promise<void> {
  const login = bindForTurn(ctx.agentDir, ctx.authProfileId, ctx.config);
  if (login === undefined) {
    return;
  }
  const { key } = login;
  const list = readModelList(key);
  const now = Date.now();
  const failedAt = listRequests().failedAt.get(key) ?? Number.NEGATIVE_INFINITY;
  if (now - failedAt < RETRY_AFTER_MS) {
    return;
  }
  if (list === undefined) {
    // A missing list must not fail a turn; the static rows serve.
    await refreshModelList(login).catch(() => undefined);
  } else if (isLongLived() && now - list.fetchedAtMs > REFRESH_AFTER_MS) {
    refreshModelList(login).catch(() => undefined);
  }
}
