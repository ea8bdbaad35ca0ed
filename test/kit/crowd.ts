/** Many callers at once. */
import type { Gateway } from "./openclaw/gateway.ts";

/** What the host says of a run of which its own store was too much in motion. */
const LOST_THE_RACE = /^internal error$|^No credentials found for profile/;

/**
 * Lets callers ask at the same time, each in a session of its own.
 *
 * The host writes to its store twice for a refresh. A run whose read of the store met both gives up ("Auth profile
 * store changed during its runtime read"), whatever the provider; so a caller that hears that asks again, as a client does.
 *
 * @returns for each caller whether it was answered, and the text
 */
export async function askAtOnce(
  gateway: Gateway,
  callers: number,
  name = "crowd",
): Promise<readonly (readonly [ok: boolean, text: string])[]> {
  const ask = async (session: string): Promise<readonly [boolean, string]> => {
    const { ok, text } = await gateway.chat("hi", { session });
    return [ok, text];
  };
  return await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      const session = `${name}-${String(caller)}`;
      const first = await ask(session);
      return !first[0] && LOST_THE_RACE.test(first[1]) ? await ask(session) : first;
    }),
  );
}
