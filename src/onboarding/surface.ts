/** Where a sign-in takes place, as far as it makes a difference. */

import type { ProviderAuthContext } from "openclaw/plugin-sdk/provider-auth";

/** True in a private chat, where the user can be told things and asked nothing. */
export function isPrivateChat(ctx: ProviderAuthContext): boolean {
  return ctx.credentialOnly === true && ctx.isRemote && ctx.prompter.openUrl === undefined;
}

/** True for a person's own account on a shared gateway: the only sign-in that belongs to no agent. */
export function isPersonalAccount(ctx: ProviderAuthContext): boolean {
  return ctx.agentDir === undefined;
}
