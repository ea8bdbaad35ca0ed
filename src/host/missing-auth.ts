/** The host's message when it has no credential for this provider. */

/** What is wrong and how to go on; the host asks before it runs anything. */
export function missingAuthMessage(ctx: {
  readonly provider: string;
  readonly listProfileIds: (provider: string) => readonly string[];
}): string {
  return ctx.listProfileIds(ctx.provider).length === 0
    ? "OpenClaw has no Kimi login yet. Sign in with: openclaw models auth login --provider kimi-code"
    : "OpenClaw cannot use its Kimi login right now. See what is wrong with: openclaw doctor";
}
