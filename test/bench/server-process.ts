/** The stand-in in a process of its own, so that its work is not counted as the client's. */

import { fork } from "node:child_process";
import { startStandIn, type TokenReply } from "../kit/standin/server.ts";
import { nextMessage } from "../kit/login-processes.ts";

/** Account of the logins; its access tokens name it, as Kimi's do. */
export const ACCOUNT = "user-bench";

/** Where the server is, and what it can be told. */
export interface ServerProcess extends AsyncDisposable {
  readonly oauthHost: string;
  readonly apiBase: string;
  /** Slot of the Kimi Code CLI for these addresses. */
  readonly cliSlot: string;
  /** Starts a login. */
  issueLogin(): Promise<TokenReply>;
  /** Lets the next answer of the token endpoint take this long, in ms. */
  delayNext(ms: number): Promise<void>;
  /** Refresh requests since the last call. */
  refreshes(): Promise<number>;
}

type Question =
  | { readonly ask: "login" | "refreshes" }
  | { readonly ask: "delay"; readonly ms: number };
type Address = Pick<ServerProcess, "oauthHost" | "apiBase" | "cliSlot">;

/** Starts the server. */
export async function startServerProcess(): Promise<ServerProcess> {
  const child = fork(import.meta.filename, ["serve"], { execArgv: [] });
  const address = (await nextMessage(child)) as Address;
  const ask = async (question: Question): Promise<unknown> => {
    const answer = nextMessage(child);
    child.send(question);
    return await answer;
  };
  return {
    ...address,
    issueLogin: async () => (await ask({ ask: "login" })) as TokenReply,
    delayNext: async (ms) => void (await ask({ ask: "delay", ms })),
    refreshes: async () => (await ask({ ask: "refreshes" })) as number,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
    },
  };
}

async function serve(): Promise<void> {
  const standIn = await startStandIn();
  standIn.createAccount({ id: ACCOUNT, jwtAccessTokens: true });
  process.on("message", (question: Question) => {
    switch (question.ask) {
      case "login":
        process.send?.(standIn.issueLogin(ACCOUNT));
        return;
      case "delay":
        standIn.failNext("token", { kind: "delay", ms: question.ms });
        process.send?.("done");
        return;
      case "refreshes":
        process.send?.(standIn.tokenRequests("refresh_token").length);
        standIn.clear();
    }
  });
  process.once("disconnect", () => process.exit());
  const { oauthHost, apiBase, cliSlot } = standIn;
  process.send?.({ oauthHost, apiBase, cliSlot });
}

if (process.argv[2] === "serve" && process.argv[1] === import.meta.filename) {
  await serve();
}
