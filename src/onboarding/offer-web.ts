/**
 * After a sign-in: may agents search the web with this login? Asked once, and only where the command
 * is the sign-in itself, because OpenClaw's own setup has a step for web search.
 */

import type { ProviderAuthContext, ProviderAuthResult } from "openclaw/plugin-sdk/provider-auth";
import { WEB_PROVIDER_ID } from "../constants.ts";
import { isConfigReadOnly } from "../host/settings.ts";
import { readNote, writeNote } from "../host/state.ts";
import { say } from "../messages.ts";
import { isPersonalAccount } from "./surface.ts";

/** Remembers that the question was answered. */
const OFFER_NOTE = "web-offer.json";

/** True in `openclaw models auth login`, in a terminal. */
function isOwnCommand(ctx: ProviderAuthContext): boolean {
  return (
    ctx.allowSecretRefPrompt === false &&
    ctx.opts === undefined &&
    ctx.credentialOnly !== true &&
    !isPersonalAccount(ctx)
  );
}

/**
 * Asks, where no search provider is set.
 *
 * @returns the part of the sign-in's result that turns web search on; empty when nobody is asked or
 *   the answer is no
 */
export async function offerWeb(
  ctx: ProviderAuthContext,
): Promise<Pick<ProviderAuthResult, "configPatch" | "notes">> {
  const web = ctx.config.tools?.web;
  const isSet = Boolean(web?.search?.provider?.trim()) || web?.search?.enabled === false;
  // A yes could not be saved in a config that the host must not change, and would fail the sign-in.
  const isAskable = isOwnCommand(ctx) && !isSet && !isConfigReadOnly(process.env);
  if (!isAskable || (await readNote(OFFER_NOTE)) !== undefined) {
    return {};
  }
  let wanted: boolean;
  try {
    wanted = await ctx.prompter.confirm({ message: say.offerWeb(), initialValue: false });
  } catch {
    // The sign-in itself is done; a canceled question is a no.
    return {};
  }
  await writeNote(OFFER_NOTE, { wanted });
  if (!wanted) {
    return {};
  }
  const own = { provider: WEB_PROVIDER_ID };
  const fetch = web?.fetch?.provider?.trim() ? {} : { fetch: own };
  return { configPatch: { tools: { web: { search: own, ...fetch } } }, notes: [say.webOn()] };
}
