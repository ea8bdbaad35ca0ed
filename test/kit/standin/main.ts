/** Runs a stand-in in the foreground: `node test/kit/standin/main.ts [--port N] [--auto-approve] [--lifetime S]`. */
import { parseArgs } from "node:util";
import { startStandIn } from "./server.ts";

const { values } = parseArgs({
  options: {
    /** TCP port; default a free one. */
    port: { type: "string", default: "0" },
    /** Approves each sign-in at the second poll, without a browser. */
    "auto-approve": { type: "boolean", default: false },
    /** Seconds an access token lives. */
    lifetime: { type: "string", default: "900" },
  },
});

const standIn = await startStandIn({
  port: Number(values.port),
  accessTokenLifetimeS: Number(values.lifetime),
  onAnswer: (request) => {
    console.log(
      `${new Date(request.atMs).toISOString()} ${request.status ?? "no answer"} ${request.method} ${request.path}`,
    );
  },
});
standIn.device.outcome = values["auto-approve"] ? "approve" : "manual";

console.log(`stand-in for Kimi at ${standIn.origin}, Ctrl-C ends it`);
for (const [name, value] of Object.entries(standIn.env)) {
  console.log(`export ${name}=${value}`);
}

process.once("SIGINT", () => {
  void standIn.close();
});
