/** What a user sees of a sign-in: the code, the link, how long both last. */

import type { ProviderAuthContext } from "openclaw/plugin-sdk/provider-auth";
import { say } from "../messages.ts";
import { counted } from "../words.ts";
import type { DeviceCode } from "../protocol/device-authorization.ts";
import { type Endpoints, regionLabel } from "../protocol/endpoints.ts";
import { terminalQr } from "./qr.ts";
import { isPrivateChat } from "./surface.ts";

const TITLE = "Kimi Code sign-in";

/** A time left, in ms, as words. */
export function minutes(leftMs: number): string {
  const whole = Math.max(1, Math.round(leftMs / 60_000));
  return counted(whole, "minute");
}

/** The progress line while the user decides. */
export function waitingText(endpoints: Endpoints, leftMs: number): string {
  return say.waitingFor(regionLabel(endpoints), minutes(leftMs));
}

/**
 * Shows a code and its link, and opens the link where there is a browser.
 *
 * @param leftMs - how long the code can be approved
 */
export async function showCode(
  ctx: ProviderAuthContext,
  code: DeviceCode,
  endpoints: Endpoints,
  leftMs: number,
): Promise<void> {
  const site = regionLabel(endpoints);
  const present = ctx.prompter.deviceCode;
  if (present !== undefined) {
    // The host shows the link of the last `openUrl` with the code.
    await openLink(ctx, code.link);
    await present.call(ctx.prompter, {
      title: TITLE,
      code: code.userCode,
      expiresInMinutes: Math.max(1, Math.round(leftMs / 60_000)),
      // On a screen the host has words of its own, in the user's language.
      ...(isPrivateChat(ctx) ? { message: say.compareCode(site) } : {}),
    });
    return;
  }
  const facts = [say.code(code.userCode), say.codeValid(minutes(leftMs))];
  if (isPrivateChat(ctx)) {
    // The host sends the link as a message with a button.
    await openLink(ctx, code.link);
    await ctx.prompter.note(facts.join("\n"), `${TITLE} at ${site}`);
    return;
  }
  const how = ctx.isRemote ? say.openElsewhere() : say.openHere();
  const qr = await terminalQr(code.link);
  if (qr !== undefined) {
    // Not in the note, whose frame would break its lines.
    ctx.runtime.log(qr);
  }
  await ctx.prompter.note([how, code.link, "", ...facts].join("\n"), TITLE);
  await openLink(ctx, code.link);
}

/** A browser that does not open is no failure: the link is on the screen. */
async function openLink(ctx: ProviderAuthContext, link: string): Promise<void> {
  ctx.signal?.throwIfAborted();
  ctx.assertCurrent?.();
  await ctx.openUrl(link).catch(() => undefined);
}
