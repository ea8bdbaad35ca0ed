/** What the demo prints: the picture in the README shows these lines, and a test compares the two. */

/** The steps, in their order. */
export const STEPS = {
  standIn: "Start a stand-in for Kimi's servers on loopback",
  install: "Build and pack the plugin, install it into a fresh OpenClaw",
  login: "kimi login (the real Kimi CLI)",
  onboard: "moltbot onboard --auth-choice kimi-code-oauth (moltbot is a link to openclaw)",
  turn: "openclaw agent --local --agent main --message hi",
  expired: "The access token expires; the agent is asked again",
  again: "The agent is asked once more",
  pong: "kimi -p pong (the real Kimi CLI, on the login that OpenClaw refreshed)",
} as const;

/** What the steps prove, in their order. */
export const FACTS = {
  login: "The Kimi CLI signed in; its login is the only one on the machine.",
  onboard: "Onboarding stored the profile kimi-code:default without an API key.",
  turn: "An agent answered on kimi-code/kimi-for-coding, without a refresh.",
  expired: "On an expired login the agent answered after exactly one refresh, by itself.",
  file: "The Kimi CLI's file holds the new tokens, still 0600; no refresh token was used twice.",
  again: "The next turn used the stored tokens: no refresh.",
  pong: "The Kimi CLI went on working, with no new login.",
  protocol: "Every request was one that Kimi's protocol allows.",
} as const;

/** The beginning of a step's line, until it is done. */
export function stepLine(count: number, step: keyof typeof STEPS): string {
  return `${String(count).padStart(2)}. ${STEPS[step]} … `;
}

/** The end of a step's line. */
export function doneWithin(ms: number): string {
  return `done in ${(ms / 1000).toFixed(1)} s\n`;
}

/** The last lines. */
export function proof(): string {
  const facts = Object.values(FACTS).map((fact) => `  - ${fact}\n`);
  return `\nProved:\n${facts.join("")}`;
}
