/**
 * `npm run audit`: known vulnerabilities of what a user gets. `npm audit` alone cannot tell, because the
 * bundled packages are development ones to npm.
 *
 * Ends with 1 when a package that is bundled or installed has one, with 2 when npm's registry could not
 * be asked. What only contributors have is named, and fails nothing.
 */

import { spawnSync } from "node:child_process";
import { z } from "zod";
import { bundledPackages } from "./bundled.ts";

const Advisory = z.object({ title: z.string(), url: z.string(), severity: z.string() });
const Report = z.object({
  vulnerabilities: z.record(
    z.string(),
    // A name stands for a vulnerability in a dependency, which has an entry of its own.
    z.object({ via: z.array(z.union([z.string(), Advisory])), nodes: z.array(z.string()) }),
  ),
});
const Failure = z.object({ message: z.string() });

const EXIT = { clean: 0, vulnerable: 1, notAsked: 2 } as const;

const { stdout } = spawnSync("npm", ["audit", "--json"], {
  encoding: "utf8",
  stdio: ["ignore", "pipe", "ignore"],
  maxBuffer: 64 * 1024 ** 2,
});
const answer: unknown = JSON.parse(stdout === "" ? "{}" : stdout);
const report = Report.safeParse(answer);

async function isShippedAt(): Promise<(location: string) => boolean> {
  const bundled = new Set((await bundledPackages()).map(({ location }) => location));
  return (location) =>
    bundled.has(location) || /^node_modules\/(?:koffi|@koromix\/[^/]+)$/u.test(location);
}

if (report.success) {
  const isShipped = await isShippedAt();
  const lines = { shipped: [] as string[], development: [] as string[] };
  for (const [name, { via, nodes }] of Object.entries(report.data.vulnerabilities)) {
    for (const one of via) {
      if (typeof one !== "string") {
        const kind = nodes.some(isShipped) ? "shipped" : "development";
        lines[kind].push(`${name}: ${one.title} (${one.severity}), ${one.url}`);
      }
    }
  }
  console.log(
    lines.shipped.length === 0
      ? "No known vulnerability in what a user gets."
      : `In what a user gets:\n  ${lines.shipped.join("\n  ")}`,
  );
  if (lines.development.length > 0) {
    console.log(`In what only contributors have:\n  ${lines.development.join("\n  ")}`);
  }
  process.exitCode = lines.shipped.length === 0 ? EXIT.clean : EXIT.vulnerable;
} else {
  const { data } = Failure.safeParse(answer);
  console.log(`npm's registry could not be asked for vulnerabilities: ${data?.message ?? stdout}`);
  process.exitCode = EXIT.notAsked;
}
