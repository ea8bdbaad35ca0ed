/** Runs a stand-in in the foreground: `node test/kit/standin/main.ts [--port N] [--auto-approve] [--lifetime S] [--deviate NAME]`. */
import { parseArgs } from "node:util";
import { ALL_DEVIATIONS, deviate } from "./deviations.ts";
import { startStandIn } from "./server.ts";

const { values } = parseArgs({
  options: {
    /** TCP port; default a free one. */
    port: { type: "string", default: "0" },
    /** Approves each sign-in at the second poll, without a browser. */
    "auto-approve": { type: "boolean", default: false },
    /** Seconds an access token lives. */
    lifetime: { type: "string", default: "900" },
    /** A way in which it differs from what is known of Kimi; see `deviations.ts`. */
    deviate: { type: "string", multiple: true, default: [] },
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
for (const name of values.deviate) {
  const known = ALL_DEVIATIONS.find((deviation) => deviation === name);
  if (known === undefined) {
    throw new Error(`no such deviation; there are: ${ALL_DEVIATIONS.join("; ")}`);
  }
  deviate(standIn, known);
}
standIn.device.outcome = values["auto-approve"] ? "approve" : "manual";

console.log(`stand-in for Kimi at ${standIn.origin}, Ctrl-C ends it`);
for (const [name, value] of Object.entries(standIn.env)) {
  console.log(`export ${name}=${value}`);
}

process.once("SIGINT", () => {
  void standIn.close();
});
